"""Where and with what a result was made."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from architectures.given import identity
from precision import plugins
from precision.arithmetic.threads import processors
from precision.measure.machine.environment import environment
from precision.measure.machine.threads import pools
from precision.quantization import Policy
from precision.registry import ARCHITECTURES, DATASETS, METHODS
from precision.startup import started
from precision.trial import Trial


def plugins_of(trial: Trial) -> dict[str, str]:
    """Return what a trial depends on beyond this project, as it is in this process; see ``Trial.plugins``.

    Raises:
        PrecisionError: when something that it names is unknown here.
    """
    chosen = [
        (DATASETS, trial.dataset.name),
        (ARCHITECTURES, trial.architecture.name),
        (METHODS, trial.method.name),
    ]
    network = identity(trial.architecture.name, trial.architecture.options)
    network |= plugins.of_layers(network)
    return {**plugins.identities((), chosen), **network, **Policy.from_json(trial.policy).plugins()}


def provenance(trial: Trial, threads: int | None = None, ran_here: bool = False) -> dict[str, str]:
    """Return where a trial ran, its plugins, the command that repeats it, and the time (UTC) at its end.

    Args:
        threads: of one operation; None for those of this process.
        ran_here: whether this process ran it, so that its GPUs and the threads of its libraries are known.
    """
    here = started() if ran_here and "keras" in sys.modules else {}
    gpus = here.get("GPUs", "")
    return {
        **environment(threads, trial.runtime.backend),
        **({"gpus": gpus} if gpus else {}),
        **({"pools": pools(here, processors())} if here else {}),
        "rerun": f"precision rerun {trial.id}",
        **({"plugins": plugins.sources(trial.plugins)} if trial.plugins else {}),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
