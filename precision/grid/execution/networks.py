"""Build the networks of a grid before anything is trained, count them, and see whether policies fit them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from precision.errors import PrecisionError
from precision.quantization import Policy
from precision.registry import ARCHITECTURES
from precision.trial import Choice, Trial

Misfit = tuple[Trial, str, str]
"""A trial that cannot be, its ``architecture`` or ``policy`` that is the reason, and why."""

Size = Mapping[str, int]
"""The counts of ``measure.counted.size.NetworkSize`` by name; empty for a network that cannot be counted."""


def distinct(trials: Iterable[Trial]) -> list[Trial]:
    """Return one trial per network and policy."""
    found: dict[tuple[str, str], Trial] = {}
    for trial in trials:
        found.setdefault((trial.architecture.text, trial.policy_text), trial)
    return list(found.values())


def survey(
    trials: Sequence[Trial], input_shape: tuple[int, ...], classes: int, task: str
) -> tuple[dict[str, Size], list[Misfit]]:
    """Build the networks of trials once for inputs of a shape and what is asked of them.

    A network of a plugin is built twice, as policies address its layers by names that must be the same each
    time. Imports Keras.

    Returns:
        The sizes by the text of the architecture; and which networks cannot be built, and which policies do
        not fit theirs.
    """
    sizes: dict[str, Size] = {}
    misfits: list[Misfit] = []
    for text in dict.fromkeys(trial.architecture.text for trial in trials):
        asking = [trial for trial in trials if trial.architecture.text == text]
        try:
            model = _built(asking[0].architecture, input_shape, classes, task)
        except PrecisionError as error:
            misfits.append((asking[0], "architecture", str(error)))
            continue
        sizes[text] = _size(model)
        for trial in asking:
            try:
                _check_policy(model, Policy.from_json(trial.policy), input_shape)
            except PrecisionError as error:
                misfits.append((trial, "policy", f"{error}; the network is {trial.architecture.name}"))
    return sizes, misfits


def _size(model: Any) -> Size:
    from precision.measure.counted.size import network_size

    try:
        return asdict(network_size(model))
    except PrecisionError:  # it can be trained, but takes images of any size
        return {}


def _built(choice: Choice, input_shape: tuple[int, ...], classes: int, task: str) -> Any:
    import architectures
    from precision.quantization.layers.flat import address, flat

    def build() -> Any:
        return architectures.build(choice.name, input_shape, classes, task, **choice.options)

    model = build()
    if ARCHITECTURES.owner(choice.name).builtin:
        return model
    first, second = (
        [address(layer) for layer in flat(each).layers if type(layer).__name__ != "InputLayer"]
        for each in (model, build())
    )
    if first != second:
        differing = next(iter(set(first) ^ set(second)), "another order")
        raise ARCHITECTURES.error(
            choice.name,
            "must call its layers the same at every build, by which policies address them, but one build "
            f"alone gave {differing!r}; give every layer a name",
        )
    return model


def _check_policy(model: Any, policy: Policy, input_shape: tuple[int, ...]) -> None:
    from precision.quantization.model import structure
    from precision.quantization.transforms.prepared import prepared

    def noise() -> np.ndarray:  # a transform is tried on a few images that nobody has to load
        return np.random.default_rng(0).random((8, *input_shape), np.float32)

    structure(prepared(model, policy, noise), policy)
