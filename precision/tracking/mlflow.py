"""MLflow: an experiment per grid and a run per attempt at a trial, in SQLite or on a server.

Without MLFLOW_TRACKING_URI everything lies in the store: <store>/tracking/mlflow.db and mlflow-artifacts.
"""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path
from typing import Any

from precision.tracking.description import Described, End, Scalar

LONGEST_VALUE = 6000  # characters that MLflow takes of a parameter or tag
AT_ONCE = 100  # parameters in one request
_STATUSES = {"ok": "FINISHED", "diverged": "FINISHED", "killed": "KILLED", "skipped": "KILLED"}


class MLflow:
    """Keeps runs in the experiment that has the name of the grid."""

    def __init__(self, folder: Path, grid_name: str) -> None:
        # A run must not wait for statistics that are sent somewhere else.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # importing it sets its own level
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            folder.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=uri or f"sqlite:///{folder / 'mlflow.db'}")
        artifacts = None if uri else (folder / "mlflow-artifacts").as_uri()
        self._experiment = self._experiment_of(grid_name, artifacts)

    def begin(self, described: Described) -> _Run:
        """Create a run with its parameters."""
        tags = {"trial": described.trial.id, "attempt": str(described.attempt)}
        run = self._client.create_run(
            self._experiment, start_time=_milliseconds(described.began), tags=tags, run_name=described.name
        )
        return _Run(self._client, run.info.run_id, described.parameters)

    def close(self) -> None:
        """Nothing is open but records."""

    def _experiment_of(self, name: str, artifacts: str | None) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                created: str = self._client.create_experiment(name, artifact_location=artifacts)
                return created
            except MlflowException:  # another run was faster
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)


class _Run:
    """One run; metrics are sent together every few seconds, because each request is a transaction."""

    EVERY = 2.0

    def __init__(self, client: Any, run_id: str, parameters: dict[str, Scalar]) -> None:
        from mlflow.entities import Param

        self._client, self._id = client, run_id
        self._waiting: list[Any] = []
        self._sent = time.monotonic()
        params = [Param(_key(key), str(value)[:LONGEST_VALUE]) for key, value in parameters.items()]
        for start in range(0, len(params), AT_ONCE):
            client.log_batch(run_id, params=params[start : start + AT_ONCE])

    def epoch(self, epoch: int, metrics: dict[str, float], time: float) -> None:
        """Add metrics, with the epoch as step."""
        self._add(metrics, epoch, time)

    def sample(self, seconds: float, metrics: dict[str, float], time: float) -> None:
        """Add metrics, with the second as step."""
        self._add(metrics, int(seconds), time)

    def end(self, end: End) -> None:
        """Send what waits, the final metrics, texts as tags, artifacts, and the status."""
        from mlflow.entities import RunTag

        self._add(end.metrics, 0, end.time, at_once=True)
        texts = {"status": end.status, "reason": end.reason, **end.texts}
        texts |= {"retried": "yes"} if end.retried else {}
        tags = [RunTag(_key(key), text[:LONGEST_VALUE]) for key, text in texts.items() if text]
        self._client.log_batch(self._id, tags=tags)
        for path in end.files:
            self._client.log_artifact(self._id, str(path))
        status = _STATUSES.get(end.status, "FAILED")
        self._client.set_terminated(self._id, status, _milliseconds(end.time))

    def _add(self, metrics: dict[str, float], step: int, when: float, at_once: bool = False) -> None:
        from mlflow.entities import Metric

        self._waiting += [
            Metric(_key(key), value, _milliseconds(when), step) for key, value in metrics.items()
        ]
        if self._waiting and (at_once or time.monotonic() - self._sent > self.EVERY):
            waiting, self._waiting, self._sent = self._waiting, [], time.monotonic()
            for start in range(0, len(waiting), AT_ONCE):
                self._client.log_batch(self._id, metrics=waiting[start : start + AT_ONCE])


def _key(name: str) -> str:
    """Return a name that MLflow allows."""
    return re.sub(r"[^\w\-. /:]", "_", name)[:250]


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
