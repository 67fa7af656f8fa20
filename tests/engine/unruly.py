"""Runners that misbehave, for tests of how workers are started and stopped."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import quick

from precision.trial import TrialResult


def preload():
    """Look as if TensorFlow had begun to compute."""
    if os.environ.get("UNRULY_COMPUTES"):
        context = types.ModuleType("tensorflow.python.eager.context")
        context._context = types.SimpleNamespace(_initialized=True)
        sys.modules[context.__name__] = context


def runner(setup, report):
    """Run quick trials, some of which do what no trial should."""
    run = quick.runner(setup, report)

    def unruly(trial):
        options = trial.method.options
        match options.get("do"):
            case "where":
                facts = {
                    "told": os.environ.get("UNRULY_TOLD", ""),
                    "folder": os.getcwd(),
                    "on the path": str("unruly-path" in sys.path),
                    "parent": str(os.getppid()),
                    "frozen": str(gc.get_freeze_count() > 0),
                    "preloaded": str("tensorflow.python.eager.context" in sys.modules),
                }
                return TrialResult(trial, "ok", metrics={"accuracy": 0.0}, facts=facts)
            case "leave":  # with status 0, as a native library may
                os._exit(0)
            case "offspring":  # which leave the group and the session, and whose parents are gone
                starter = (
                    "import subprocess as s; "
                    "print(s.Popen(['sleep', '300'], start_new_session=True, stdout=s.DEVNULL).pid)"
                )
                for _ in range(2):
                    out = subprocess.run([sys.executable, "-c", starter], stdout=subprocess.PIPE, check=True)
                    with open(Path(setup.store) / "offspring", "ab") as file:
                        file.write(out.stdout)
                if options.get("then") == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                if options.get("then") == "sleep":
                    report("epoch", trial.id, {"epoch": 1, "val_accuracy": 1.0, "seconds": 0.0})
                    time.sleep(300)
        return run(trial)

    return unruly


def dies(setup, report):
    """A library that the processor cannot run."""
    with open(Path(setup.store) / "starts", "ab") as file:
        file.write(b"1")
    os.kill(os.getpid(), signal.SIGILL)


def slow(setup, report):
    """A worker that hangs where it was forked from a server that has imported things."""
    if os.environ.get("UNRULY_HANGS") and not (Path(setup.store) / "hung").exists():
        (Path(setup.store) / "hung").touch()
        time.sleep(300)
    return quick.runner(setup, report)
