"""Trials, and what a run tells of them, without running any."""

import numpy as np

from precision.grid import Cell
from precision.trial import Choice, Training, Trial, TrialResult

FIXED = {"weights": "fixed(8,6)", "activations": "fixed(8,4)", "layers": ["conv*", {"weights": "fixed(4,3)"}]}


def trial(seed=0, policy=None, method="qat", **more):
    return Trial(
        dataset=Choice("digits", {"train_size": 200}),
        architecture=Choice("mlp", {"width": 0.25}),
        method=Choice(method),
        policy=FIXED if policy is None else policy,
        training=Training(epochs=2, learning_rate=0.01),
        seed=seed,
        **more,
    )


def cell(of):
    return Cell("digits", "mlp width=0.25", "fixed8", "qat", "", of.seed, of)


def row(epoch, loss=None):
    loss = 1.0 / epoch if loss is None else loss
    return {
        "epoch": epoch,
        "loss": loss,
        "accuracy": 0.5,
        "val_loss": 2.0 / epoch,
        "val_accuracy": 0.25 * epoch,
        "seconds": 1.5,
    }


def sample(seconds):
    return {"seconds": float(seconds), "cpu_percent": 150.0, "memory_bytes": 2.0**30 + seconds}


def result(of, status="ok", **more):
    ok = status == "ok"
    return TrialResult(
        of,
        status,
        reason="" if ok else "it went wrong",
        metrics={"accuracy": 0.5, "loss": 1.0, "train_seconds": float("nan")} if ok else {},
        facts={"timing": "emulated"},
        history=[row(1), row(2)] if ok else [],
        provenance={"machine": "some machine, 2 cores", "tensorflow": "2.21.0"},
        predictions=np.arange(5, dtype=np.uint8) if ok else None,
        **more,
    )


def two_at_once(trackers, store, first, second):
    """Two trials side by side; the second one fails at first and is run again."""
    for tracker in trackers:
        tracker.started(first)
        tracker.started(second)
    told = [
        ("epoch", first, row(1)),
        ("sample", second, sample(1)),
        ("sample", first, sample(1)),
        ("retried", second, result(second, "timeout")),
        ("started", second),
        ("sample", first, sample(2)),
        ("epoch", second, row(1)),
        ("epoch", first, row(2)),
    ]
    for name, *arguments in told:
        for tracker in trackers:
            getattr(tracker, name)(*arguments)
    for done in (first, second):
        store.save(result(done))
        for tracker in trackers:
            tracker.finished(done, result(done), 3.0)
