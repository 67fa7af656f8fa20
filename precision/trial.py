"""What one experiment is, and what comes of it: plain data that every part may hold.

A trial's identity is the hash of its scientific content alone, so that two grids which ask for the same
experiment share its result, under any name and on any machine.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from precision.registry import MODEL_FILE
from precision.samples import Samples

# Raised by hand whenever a change of the code changes the numbers that a trial yields.
NUMERICS_VERSION = 7

_json = json.JSONEncoder(sort_keys=True).encode

STATUSES = ("ok", "failed", "diverged", "timeout", "out_of_memory", "killed", "skipped")


@dataclass(frozen=True)
class Training:
    """How a network is trained. Epochs are passes over the training images.

    Attributes:
        optimizer: a Keras optimizer by its lower-case name.
        learning_rate: initial rate; None takes the default of the optimizer in Keras.
        schedule: ``constant``, or ``cosine`` to fall to zero over all epochs.
        momentum: of ``sgd`` and ``rmsprop`` only.
    """

    epochs: int = 5
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float | None = None
    schedule: str = "constant"
    momentum: float = 0.0
    weight_decay: float = 0.0

    @cached_property
    def text(self) -> str:
        """The options as JSON with sorted keys."""
        return _json(asdict(self))


@dataclass(frozen=True)
class Runtime:
    """On what a trial runs, where the grid says so; None leaves it to the run.

    Attributes:
        device: ``cpu`` or ``gpu``.
        threads: of one operation. Sums are split among them, so that other threads give other bits.
        backend: of Keras, where it is not TensorFlow; other code gives other bits.
    """

    device: str | None = None
    threads: int | None = None
    backend: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON-ready data, without a backend where it is TensorFlow."""
        data = asdict(self)
        if self.backend is None:
            del data["backend"]
        return data


_ANY_RUNTIME = Runtime()


@dataclass(frozen=True)
class Choice:
    """A registered thing with its options, for example the architecture vgg with width 0.5."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """Name and options as JSON with sorted keys."""
        return _json(asdict(self))

    @property
    def words(self) -> str:
        """Name and options as words."""
        return " ".join([self.name, *(f"{name}={value}" for name, value in sorted(self.options.items()))])


FLOAT32 = Choice("float32")
_OF_TRAINING = ("dataset ", "architecture ")  # with what the plugins begin that a baseline depends on


@dataclass(frozen=True)
class ResolvedPolicy:
    """What many trials share: a resolved policy, and what it depends on, as in :class:`Trial`."""

    policy: dict[str, Any]
    plugins: dict[str, str] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The policy as JSON with sorted keys."""
        return _json(self.policy)


@dataclass(frozen=True)
class Trial:
    """The complete description of one experiment.

    Attributes:
        policy: the resolved policy as plain data (see ``quantization.policy``); empty means float32.
        fingerprint: sha256 of the files of a dataset that the user gave; None for catalogue datasets.
        plugins: what the trial depends on beyond this project, by the names of formats, or kind and name of
            anything else: the sha256 of a plugin file, or name and version of a package (see
            ``precision.plugins``).
        repeat: counts runs of the same experiment, which differ in nothing but their times, from 0.
        latency: sizes of batches for which the trained network is timed; empty for none.
    """

    dataset: Choice
    architecture: Choice
    method: Choice
    policy: dict[str, Any]
    training: Training
    seed: int
    fingerprint: str | None = None
    plugins: dict[str, str] = field(default_factory=dict)
    runtime: Runtime = field(default_factory=Runtime)
    repeat: int = 0
    latency: tuple[int, ...] = ()

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits of the sha256 of the content and NUMERICS_VERSION."""
        return self.identity(NUMERICS_VERSION)

    def identity(self, numerics: int) -> str:
        """Return the id that the trial has under a value of NUMERICS_VERSION."""
        # The JSON text of the whole with sorted keys, put together from the texts of parts that many trials
        # share, because a plan may ask for the ids of 100,000 trials.
        parts = [
            ("architecture", self._architecture_text()),
            ("dataset", self._dataset_text()),
            ("fingerprint", "null" if self.fingerprint is None else _json(self.fingerprint)),
            ("latency", _json(self.latency) if self.latency else ""),
            ("method", self.method.text),
            ("numerics", str(numerics)),
            ("plugins", _json(self.plugins) if self.plugins else ""),
            ("policy", self.policy_text),
            ("repeat", str(self.repeat) if self.repeat else ""),
            ("runtime", _json(self.runtime.to_json()) if self.runtime != _ANY_RUNTIME else ""),
            ("seed", str(self.seed)),
            ("training", self.training.text),
        ]
        content = ", ".join([f'"{name}": {text}' for name, text in parts if text])
        return hashlib.sha256(f"{{{content}}}".encode()).hexdigest()[:12]

    @cached_property
    def policy_text(self) -> str:
        """The policy as JSON with sorted keys."""
        return _json(self.policy)

    def _architecture_text(self) -> str:
        if MODEL_FILE not in self.plugins:
            return self.architecture.text
        options = {k: v for k, v in self.architecture.options.items() if k not in ("path", "weights")}
        return replace(self.architecture, options=options).text

    def _dataset_text(self) -> str:
        if self.fingerprint is None:
            return self.dataset.text
        # The content of the files counts, not where they lie.
        options = {k: v for k, v in self.dataset.options.items() if not k.endswith("path")}
        return replace(self.dataset, options=options).text

    @cached_property
    def baseline(self) -> Trial:
        """The float32 training that this trial starts from or is compared with."""
        kept = {key: code for key, code in self.plugins.items() if key.startswith(_OF_TRAINING)}
        if self.method == FLOAT32 and kept == self.plugins and not (self.policy or self.repeat):
            return self
        return replace(self, policy={}, method=FLOAT32, plugins=kept, repeat=0)

    def rounded(self, method: Choice, resolved: ResolvedPolicy, plugins: dict[str, str]) -> Trial:
        """Return the trial that rounds what this one, a baseline, trains.

        Args:
            plugins: what the method depends on, as in :class:`Trial`.
        """
        trial = Trial(
            self.dataset,
            self.architecture,
            method,
            resolved.policy,
            self.training,
            self.seed,
            self.fingerprint,
            {**self.plugins, **plugins, **resolved.plugins},
            self.runtime,
            latency=self.latency,
        )
        # As the properties have them, and made only once.
        vars(trial).update(baseline=self, policy_text=resolved.text)
        return trial

    def continued(self, method: Choice) -> Trial:
        """Return the float32 training that goes on from what this one, a baseline, trains."""
        trial = replace(self, method=method)
        vars(trial)["baseline"] = self
        return trial

    def repeated(self, number: int) -> Trial:
        """Return the same experiment once more; ``number`` counts from 1."""
        trial = replace(self, repeat=number)
        vars(trial)["baseline"] = self.baseline
        return trial

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON-ready data; :meth:`from_json` gives it back."""
        data = asdict(self)
        # What is left out is as it was before there was such a thing, and so is the identity.
        if not self.plugins:
            del data["plugins"]
        data["runtime"] = self.runtime.to_json()
        if self.runtime == _ANY_RUNTIME:
            del data["runtime"]
        if not self.repeat:
            del data["repeat"]
        if not self.latency:
            del data["latency"]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Trial:
        """Return the trial that :meth:`to_json` described."""
        return cls(
            dataset=Choice(**data["dataset"]),
            architecture=Choice(**data["architecture"]),
            method=Choice(**data["method"]),
            policy=data["policy"],
            training=Training(**data["training"]),
            seed=data["seed"],
            fingerprint=data["fingerprint"],
            plugins=data.get("plugins", {}),
            runtime=Runtime(**data.get("runtime", {})),
            repeat=data.get("repeat", 0),
            latency=tuple(data.get("latency", ())),
        )


@dataclass
class TrialResult:
    """What came of a trial: plain data, and the predictions as an array.

    Attributes:
        status: one of STATUSES; ``reason`` says in one sentence why it is not ``ok``.
        metrics: numbers by name; ``precision.metrics`` says what each of them is.
        facts: texts by name: the dataset's title, the digest of its images, the timing mark.
        history: one mapping per epoch: epoch, loss, accuracy, val_loss, val_accuracy, seconds; rmse and
            val_rmse of a regression instead; joules where the machine counts energy.
        provenance: versions, machine, threads, commit, time.
        attempts: how often the trial was begun until this came of it.
        predictions: the predicted class of every test image, shape (test images,), uint8 (uint16 from 256
            classes on); the largest value of the type stands for no prediction. Of several labels 0 and 1,
            (test images, labels), of a regression its errors, float32 (test images, targets).
        seconds: that the last attempt took in all, loading and evaluation included; NaN when unknown.
        by_class: what is kept of each class, by name, see ``tasks.by_class``; empty of other tasks and of
            results that are older.
        samples: what was sampled meanwhile, kept beside the result; None where there is nothing, and in what
            a store gives back, which reads them when they are asked for.
        batches: a row for each size of a batch for which the network was timed, see ``methods.latency``.
    """

    trial: Trial
    status: str
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    provenance: dict[str, str] = field(default_factory=dict)
    attempts: int = 1
    predictions: np.ndarray | None = None
    seconds: float = math.nan
    by_class: Mapping[str, np.ndarray] = field(default_factory=dict)
    samples: Samples | None = None
    batches: list[dict[str, float]] = field(default_factory=list)
