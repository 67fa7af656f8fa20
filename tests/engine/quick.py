"""Trials that take no time and need no TensorFlow, for tests of the engine with real processes.

What a trial does is said by further options of its method, such as ``{"do": "sleep", "seconds": 60}``. Its
result is a pure function of its identity, so that a corrupt one would be seen.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from precision import files
from precision.errors import AbsentError
from precision.grid.store import Store
from precision.trial import Choice, Training, Trial, TrialResult

HERE = str(Path(__file__).parent)


def trial(index=0, seed=0, network="a", baseline=True, **options):
    """Return a trial; each index is another one, and all of one seed and network share a baseline."""
    start = {} if baseline else {"start": "scratch"}
    return Trial(
        dataset=Choice("digits"),
        architecture=Choice(network),
        method=Choice("qat", {"index": index, **start, **options}),
        policy={"weights": "float16"},
        training=Training(epochs=3),
        seed=seed,
    )


def expected(wanted):
    """Return the accuracy and the predictions that a trial is to have."""
    digest = hashlib.sha256(wanted.id.encode()).digest()
    return digest[0] / 256, np.frombuffer(digest * 8, np.uint8)


def cannot(setup, report):
    """A runner that cannot be made."""
    raise ImportError("no module named tensorflow today")


def runner(setup, report):
    store = Store(setup.store)
    hoard = []

    def run(wanted):
        options = wanted.method.options
        began = Path(setup.store) / "began"
        began.mkdir(exist_ok=True)
        (began / f"{wanted.id}.{os.getpid()}.{time.monotonic_ns()}").touch()
        if wanted.method.name == "qat" and options.get("start") != "scratch":
            assert store.weights(wanted.baseline.id).read_text() == wanted.baseline.id
        for epoch in range(1, 4):
            report("epoch", wanted.id, {"epoch": epoch, "val_accuracy": epoch / 4, "seconds": 0.0})
        match wanted.method.name, wanted.architecture.name:
            case "float32", "broken":
                raise ValueError("no network today")
            case "float32", "absent":
                raise AbsentError("there is no gpu today")
        match options.get("do"):
            case "sleep":
                time.sleep(options["seconds"])
            case "wait":  # until the test says so
                until = Path(options.get("until", Path(setup.store) / "go"))
                while not until.exists():
                    time.sleep(0.01)
            case "raise":
                raise ValueError("as it was told")
            case "absent":  # until the test brings it
                if not (Path(setup.store) / "device").exists():
                    raise AbsentError("there is no gpu today")
            case "abort":
                os.abort()
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "hoard":  # 1 GiB, and keep it
                for _ in range(32):
                    hoard.append(np.ones(2**22))
                while True:
                    time.sleep(1)
            case "once":  # fails the first time
                if len(list(began.glob(f"{wanted.id}.*"))) == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
            case "spoil" | "spoil always" as how:  # what it starts from goes wrong under its hands
                if how == "spoil always" or len(list(began.glob(f"{wanted.id}.*"))) == 1:
                    store.weights(wanted.baseline.id).write_text("spoilt")
                    raise ValueError("these are not the weights")
            case "swell":  # and stay so
                hoard.append(np.ones(2**25))  # 256 MiB
            case "full":  # in the words of a library, of a file that is half written
                try:
                    files.write(store.folder(wanted.id) / "x", _full)
                except OSError as error:
                    raise ValueError("Keras cannot save this") from error
            case "half":  # and wait, to be stopped
                files.make_folder(store.folder(wanted.id))
                files.write(store.folder(wanted.id) / "x", _half)
            case "no memory":
                raise MemoryError("too large")
            case "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                report("epoch", wanted.id, {"epoch": 4, "val_accuracy": 1.0, "seconds": 0.0})
                while True:
                    time.sleep(1)
        if wanted.method.name == "float32":
            path = store.weights(wanted.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, wanted.id.encode())
        accuracy, predictions = expected(wanted)
        if options.get("do") == "more than all":
            accuracy = 8.7
        return TrialResult(
            wanted,
            "ok",
            metrics={"accuracy": accuracy, "epochs": 3, "worker": os.getpid()},
            facts={"affinity": ",".join(map(str, sorted(os.sched_getaffinity(0))))},
            history=[{"epoch": 1, "val_accuracy": accuracy, "seconds": 0.0}],
            predictions=predictions,
        )

    return run


def _full(path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _half(path):
    path.write_bytes(b"half")
    while True:
        time.sleep(1)


def prepared():
    """Make this module importable in the worker processes under the name ``quick``."""
    if HERE not in sys.path:
        sys.path.insert(0, HERE)
