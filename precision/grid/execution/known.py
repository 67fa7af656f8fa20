"""What this machine has found out already about the data sets and the networks of trials.

To build a network takes a process with Keras. What it tells, its size and which policies fit it, follows from
the code and the shape of the images, and is kept with the digest of the code.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import architectures
import precision
from precision import data, kept
from precision.data import Dataset, Extent
from precision.grid.execution.elsewhere import elsewhere
from precision.grid.execution.networks import Misfit, Size, distinct, survey
from precision.registry import MODEL_FILE
from precision.trial import Trial


def extent(trial: Trial) -> Extent | None:
    """Return how many images of what size a trial's data set has; None where it was never loaded here."""
    found = data.extent(trial.dataset.name, trial.dataset.options)
    if found is None and (known := kept.find("extent", *_dataset(trial))):
        found = Extent(**{**known, "shape": tuple(known["shape"])})
    return found


def remember(trial: Trial, dataset: Dataset) -> None:
    """Keep how many images of what size a data set has, once it is loaded."""
    if data.extent(trial.dataset.name, trial.dataset.options) is None:
        kept.keep("extent", *_dataset(trial), value=asdict(Extent.of(dataset)))


def networks(trials: Iterable[Trial], extent: Extent) -> tuple[dict[str, Size], list[Misfit]]:
    """Return what ``networks.survey`` says of the networks and policies of trials.

    Those of which this machine does not know yet are built, in another process.
    """
    asked = distinct(trials)
    found = {text: kept.find("network", *_network(one, extent)) for text, one in _first(asked).items()}
    known = {text: one for text, one in found.items() if one and one.get("code") == _code()}
    sizes = {text: one["size"] for text, one in known.items()}
    fits = {text: set(one["fits"]) for text, one in known.items()}
    new = [trial for trial in asked if _policy(trial) not in fits.get(trial.architecture.text, ())]
    if not new:
        return sizes, []
    backend = new[0].runtime.backend
    built, misfits = elsewhere(survey, new, extent.shape, extent.classes, extent.task, backend=backend)
    wrong = {_id(trial) for trial, _, _ in misfits}
    for text, size in built.items():
        its = [trial for trial in new if trial.architecture.text == text]
        fitting = fits.get(text, set()) | {_policy(one) for one in its if _id(one) not in wrong}
        value = {"code": _code(), "size": size, "fits": sorted(fitting)}
        kept.keep("network", *_network(its[0], extent), value=value)
    return sizes | built, misfits


def _id(trial: Trial) -> tuple[str, str]:
    """Return what ``distinct`` tells trials apart by; they come back from another process as copies."""
    return trial.architecture.text, _policy(trial)


def _first(trials: Sequence[Trial]) -> Mapping[str, Trial]:
    return {trial.architecture.text: trial for trial in reversed(trials)}


def _dataset(trial: Trial) -> tuple[str, ...]:
    options = {k: v for k, v in trial.dataset.options.items() if not k.endswith("path")}
    own = trial.plugins.get(f"dataset {trial.dataset.name}", "")
    return (trial.dataset.name, repr(sorted(options.items())), trial.fingerprint or "", own)


def _network(trial: Trial, extent: Extent) -> tuple[object, ...]:
    own = trial.plugins.get(f"architecture {trial.architecture.name}", "")
    backend = trial.runtime.backend or ""
    file = trial.plugins.get(MODEL_FILE, "")
    return (trial.architecture.text, own, file, *extent.shape, extent.classes, extent.task, backend)


def _policy(trial: Trial) -> str:
    text = trial.policy_text + repr(sorted(trial.plugins.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def _code() -> str:
    """Return the digest of the code that builds networks and fits policies, this project's and Keras'."""
    digest = hashlib.sha256(version("keras").encode())
    for package in (architectures, precision):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
