"""The grid engine: against fresh processes, one job against two, and what a trial costs beside its work.

- 40 PTQ trials of a trained LeNet by ``precision run``, from its start to its report, against 40 fresh Python
  processes that each do one of them by hand: import, images, weights, rounding, evaluation.
- A grid of four networks in two jobs against one job, which already splits large operations among all cores,
  and against one job on one core; beside it, what two processes that only count gain on the machine.
- A trial that has a result already, and a trial that does nothing, in a run of many.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import Row

POLICIES = 40
CACHED, FRESH = 2000, 200
ROOT = Path(__file__).parent.parent
PTQ = """\
name: fast
datasets: [digits]
architectures: [lenet]
policies:
  float32: float32
{policies}
training: {{epochs: 2}}
"""
JOBS = """\
name: jobs
datasets: [digits]
architectures:
  - mlp
  - {name: lenet, width: 0.5}
  - {name: resnet, depth: 8, width: 0.25}
  - {name: vgg, width: 0.1}
policies:
  float32: float32
  fixed: {weights: {each: ["fixed(8,7)", "fixed(6,5)", "fixed(4,3)"]}, activations: "fixed(8,4)"}
  float: {weights: {each: [float8_e4m3fn, "float(3,2)", "float(2,1)"]}, activations: float16}
training: {epochs: 1}
seeds: [0, 1]
"""
COUNT = "sum(i * i % 7 for i in range(20_000_000))"
BY_HAND = """\
import sys
import architectures, precision.data
from precision.startup import start_backend
start_backend()
from precision.deploy.predictor import KerasPredictor
from precision.methods.evaluation import evaluate
from precision.methods.training import prepare
from precision.quantization import apply, parse_policy
dataset = precision.data.load("digits")
network = architectures.build("lenet", input_shape=dataset.input_shape, classes=dataset.classes)
network.load_weights(sys.argv[1])
rounded = apply(network, parse_policy(sys.argv[2]))
prepare(rounded)
print(evaluate(KerasPredictor(rounded), dataset.x_test, dataset.y_test).accuracy)
"""


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return [_against_fresh(Path(folder)), *_two_jobs(Path(folder)), *_overheads(Path(folder))]


def _precision(*words: str, cwd: Path) -> float:
    code = "from precision.cli import main; main()"
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, *words], cwd=cwd, check=True, capture_output=True, env=_environment()
    )
    return time.perf_counter() - began


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _against_fresh(folder: Path) -> Row:
    formats = [f"fixed({bits},{fraction})" for bits in range(4, 12) for fraction in range(bits - 5, bits)]
    assert len(formats) == POLICIES
    lines = "\n".join(f'  "{text}": {text}' for text in formats)
    (folder / "fast.yaml").write_text(PTQ.format(policies=lines))
    _precision("run", "fast.yaml", "--only=policy=float32", cwd=folder)
    [weights] = folder.glob("runs/trials/*/trained.weights.h5")
    ours = _precision("run", "fast.yaml", cwd=folder)
    began = time.perf_counter()
    for text in formats:
        subprocess.run(
            [sys.executable, "-c", BY_HAND, str(weights), text],
            check=True,
            capture_output=True,
            env=_environment(),
        )
    peer = time.perf_counter() - began
    detail = f"{ours:.3g} s, fresh processes {peer:.3g} s"
    return Row(
        f"{POLICIES} PTQ trials", "fresh processes", peer / ours, peer / ours, peer / ours, 5, True, detail
    )


def _two_jobs(folder: Path) -> list[Row]:
    """Two jobs against one, which may use all cores, against one on one core, and what the machine gives."""
    (folder / "jobs.yaml").write_text(JOBS)
    everything = os.sched_getaffinity(0)
    first = {min(everything)}

    def grid(jobs: int, cores: set[int]) -> float:
        os.sched_setaffinity(0, cores)  # which the command inherits
        try:
            store = f"--store=runs-{jobs}-{len(cores)}"
            # As many threads as on the whole machine, so that all compute the same bits.
            threads = f"--set=runtime.threads={len(everything)}"
            return _precision("run", "jobs.yaml", f"--jobs={jobs}", store, threads, cwd=folder)
        finally:
            os.sched_setaffinity(0, everything)

    def count(processes: int) -> float:
        began = time.perf_counter()
        running = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(processes)]
        assert [process.wait() for process in running] == [0] * processes
        return time.perf_counter() - began

    two, one, narrow = grid(2, everything), grid(1, everything), grid(1, first)
    machine = 2 * count(1) / count(2)
    name = "56 PTQ trials and trainings of 4 networks, 2 jobs"

    def against(peer: str, seconds: float, limit: float | None) -> Row:
        ratio = seconds / two
        return Row(name, peer, ratio, ratio, ratio, limit, True, f"{two:.3g} s, {peer} {seconds:.3g} s")

    return [
        against("1 job", one, 1.6),
        against("1 job on one core", narrow, 1.6),
        Row("2 processes that only count", "1 process", machine, machine, machine, None, True, "the machine"),
    ]


def _overheads(folder: Path) -> list[Row]:
    sys.path.append(str(ROOT / "tests" / "engine"))
    import quick

    from precision.grid import Store
    from precision.grid.execution.scheduler import run_trials
    from precision.grid.execution.watcher import Watcher
    from precision.grid.execution.worker import Setup

    store = Store(folder / "quick")
    store.create()
    setup = Setup(store.root, runner="quick:runner")

    class Stamps(Watcher):
        def __init__(self) -> None:
            self.finished_at: list[float] = []

        def finished(self, trial, result, seconds) -> None:
            self.finished_at.append(time.perf_counter())

    stamps = Stamps()
    run_trials([quick.trial(i, baseline=False) for i in range(FRESH)], store, setup, stamps)
    # From one end to the next; the first ones also wait for the process to start.
    fresh = [b - a for a, b in itertools.pairwise(stamps.finished_at[1:])]
    for index in range(FRESH, CACHED):
        trial = quick.trial(index, baseline=False)
        _store(store, trial)
    cached = []
    for _ in range(10):
        again = [quick.trial(i, baseline=False) for i in range(CACHED)]
        began = time.perf_counter()
        run_trials(again, store, setup, stamps)
        cached.append((time.perf_counter() - began) / CACHED)
    assert len(stamps.finished_at) == FRESH
    return [
        _within(f"a trial with a result, of {CACHED:,}", cached, 0.005),
        _within(f"a fresh trial that does nothing, of {FRESH}", fresh, 0.050),
    ]


def _store(store, trial) -> None:
    import quick

    from precision.grid.execution.provenance import provenance
    from precision.trial import TrialResult

    accuracy, predictions = quick.expected(trial)
    history = [{"epoch": n, "loss": 0.1, "val_accuracy": accuracy, "seconds": 1.0} for n in range(1, 6)]
    store.save(
        TrialResult(
            trial,
            "ok",
            metrics={"accuracy": accuracy},
            history=history,
            provenance=provenance(trial),
            predictions=predictions,
        )
    )


def _within(name: str, times: list[float], limit: float) -> Row:
    low, middle, high = (value / limit for value in statistics.quantiles(times, n=4))
    detail = f"{middle * limit * 1e3:.3g} ms"
    return Row(name, f"{limit * 1e3:g} ms", middle, low, high, 1, False, detail)
