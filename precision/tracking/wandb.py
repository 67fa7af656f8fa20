"""Weights & Biases: a project per grid and a run per attempt at a trial.

Offline, unless WANDB_MODE says otherwise. Offline runs lie in <store>/tracking/wandb, and ``wandb sync``
uploads them later.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from precision.tracking.description import Described, End


class WeightsAndBiases:
    """Keeps runs in the project that has the name of the grid."""

    def __init__(self, folder: Path, grid_name: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nothing is sent anywhere unasked
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self._wandb: Any = wandb
        self._folder = folder
        self._grid_name = grid_name
        self._project = re.sub(r"[/\\#?%:]", "_", grid_name)[:128]
        self._settings = _settings(wandb)
        wandb.setup(settings=self._settings)  # without this a missing key would be asked for on the terminal

    def begin(self, described: Described) -> _Run:
        """Create a run with its parameters."""
        trial = described.trial
        run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", self._project),
            name=described.name[:128],
            group=os.environ.get("WANDB_RUN_GROUP", self._grid_name[:128]),
            job_type=trial.method.name,
            tags=[trial.architecture.name[:64], *(["attempt"] if described.attempt > 1 else [])],
            config=dict(described.parameters),
            dir=os.environ.get("WANDB_DIR", str(self._folder)),
            mode=os.environ.get("WANDB_MODE", "offline"),
            reinit="create_new",  # several trials run at a time
            settings=self._settings,
        )
        run.define_metric("epoch")
        for name in ("train/*", "val/*"):
            run.define_metric(name, step_metric="epoch")
        run.define_metric("seconds")
        run.define_metric("resources/*", step_metric="seconds")
        return _Run(self._wandb, run, trial.id)

    def close(self) -> None:
        """End the process of the package."""
        self._wandb.teardown()


class _Run:
    def __init__(self, wandb: Any, run: Any, trial_id: str) -> None:
        self._wandb, self._run, self._trial_id = wandb, run, trial_id

    def epoch(self, epoch: int, metrics: dict[str, float], time: float) -> None:
        """Add metrics over epochs."""
        self._run.log({"epoch": epoch, **metrics, "_timestamp": time})

    def sample(self, seconds: float, metrics: dict[str, float], time: float) -> None:
        """Add metrics over seconds."""
        self._run.log({"seconds": seconds, **metrics, "_timestamp": time})

    def end(self, end: End) -> None:
        """Add final metrics and texts to the summary, files as an artifact, and finish the run."""
        self._run.summary.update({**end.metrics, "status": end.status, "reason": end.reason})
        self._run.config.update(end.texts)
        if end.retried:
            self._run.summary["retried"] = True
        if end.files:
            artifact = self._wandb.Artifact(f"trial-{self._trial_id}", type="trial")
            for path in end.files:
                # Results are not changed once they are stored: no copy is needed until they are uploaded.
                artifact.add_file(str(path), name=path.name, policy="immutable", skip_cache=True)
            self._run.log_artifact(artifact)
        self._run.finish(exit_code=0 if end.status in ("ok", "diverged", "skipped") else 1)


def _settings(wandb: Any) -> Any:
    """Return settings under which nothing is printed, asked or measured, those that this version knows."""
    wanted = {
        "silent": True,
        "console": "off",
        "disable_git": True,
        "disable_code": True,
        "save_code": False,
        "x_disable_stats": True,  # of the process that looks on, which is not the one that trains
        "x_save_requirements": False,  # provenance has the versions that matter
        "init_timeout": 30,
        "finish_timeout": 30,
    }
    known = type(wandb.Settings()).model_fields
    return wandb.Settings(**{key: value for key, value in wanted.items() if key in known})
