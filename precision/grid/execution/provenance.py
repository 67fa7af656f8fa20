"""Where and with what a result was made."""

from __future__ import annotations

from datetime import UTC, datetime

from precision import plugins
from precision.measure.machine.environment import environment
from precision.trial import Trial


def provenance(trial: Trial, threads: int | None = None) -> dict[str, str]:
    """Return where a trial ran, its plugins, the command that repeats it, and the time (UTC) at its end.

    Args:
        threads: of one operation; None for those of this process.
    """
    return {
        **environment(threads),
        "rerun": f"precision rerun {trial.id}",
        **({"plugins": plugins.sources(trial.plugins)} if trial.plugins else {}),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
