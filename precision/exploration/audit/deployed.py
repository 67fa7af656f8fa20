"""Which files that can be deployed say a format, and the command that writes each.

A file is said to fit only when it was written here, from the network that was audited: so a layer that it has
no words for is told, and its size is no estimate.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from precision.analysis.audit import File
from precision.data import Dataset
from precision.errors import PrecisionError
from precision.exploration.audit.grid_file import Given, flow
from precision.exploration.audit.ladder import Target
from precision.grid import Cell
from precision.quantization import Policy
from precision.quantization.calibration.calibrator import calibration_images
from precision.trial import Trial

Written = tuple[bytes, str]
"""The content of a file, and what it holds, in words."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: in words.
        ending: of the name of a file.
        words: of the command, beside those that every kind has.
        check: refuses a policy that no such file can say.
        installed: refuses where the package that writes it is missing.
        write: writes it from a float32 network, a policy and the images of calibration.
    """

    name: str
    ending: str
    words: tuple[str, ...]
    check: Callable[[Policy], object]
    installed: Callable[[], object]
    write: Callable[[Any, Policy, np.ndarray], Written]


def files(
    answers: Iterable[Mapping[Any, Any]],
    targets: Sequence[Target],
    cells: Mapping[str, Cell],
    dataset: Dataset,
    given: Given,
) -> Iterator[File]:
    """Yield every kind of file that the hardware of a target reads, for its smallest safe format.

    Args:
        answers: a mapping for each target, with ``architecture``, ``policy`` and ``verdict``.
        cells: of the grid of the audit, by the labels of policies.
        given: the model and its data, as the user gave them.
    """
    safe = {row["architecture"]: str(row["policy"]) for row in answers if row["verdict"] == "found"}
    for target in targets:
        label = safe.get(target.title)
        if label is not None:
            write = partial(_written, cells[label].trial, dataset)
            for name in target.files:
                yield _tried(KINDS[name], target, label, cells[label].trial, write, given)


def _written(trial: Trial, dataset: Dataset, kind: Kind) -> Written:
    """Return a file of the network of a trial, as ``precision export`` writes it of the model."""
    import architectures
    from precision.deploy.rounded import of_size

    choice, policy = trial.architecture, Policy.from_json(trial.policy)
    network = architectures.build(
        choice.name, dataset.input_shape, dataset.classes, dataset.task, **choice.options
    )
    images = calibration_images(dataset, policy.images_of(len(dataset.x_train)), 0)
    return kind.write(of_size(network, tuple(dataset.input_shape)), policy, images)


def _tried(
    kind: Kind, target: Target, label: str, trial: Trial, write: Callable[[Kind], Written], given: Given
) -> File:
    name = f"{given.label}-{label}{kind.ending}"
    words = ("--policy", spec(target.policies[label]), *kind.words, "--to", name)
    command, portable = (
        shlex.join(given.words("export", words, elsewhere=elsewhere)) for elsewhere in (False, True)
    )
    base = partial(File, target.title, label, kind.name)
    try:
        kind.check(Policy.from_json(trial.policy))
    except PrecisionError as error:
        return base(why=str(error))
    try:
        kind.installed()
    except PrecisionError as error:
        return base(command, portable, needs=str(error))
    try:
        content, holds = write(kind)
    except PrecisionError as error:
        return base(why=str(error))
    return base(command, portable, len(content), holds)


def spec(policy: Mapping[str, Any]) -> str:
    """Return a policy of the ladder as ``--policy`` takes it; a shell quotes double quotes by single ones."""
    return flow(dict(policy)).replace("'", '"')


def _lite(network: Any, policy: Policy, images: np.ndarray) -> Written:
    from precision.deploy.lite.contents import contents
    from precision.deploy.lite.of_model import file_of_model
    from precision.deploy.lite.policies import KINDS as TITLES
    from precision.deploy.lite.policies import kind_of

    content = file_of_model(network, policy, images)
    packed = any(tensor.kind == "INT4" for tensor in contents(content).tensors)
    return content, TITLES[kind_of(policy, "ours")] + (", weights of 4 bits" if packed else "")


def _check_lite(policy: Policy) -> None:
    from precision.deploy.lite.policies import kind_of

    kind_of(policy, "ours")


def _check_onnx(policy: Policy) -> None:
    from precision.deploy.onnx.elements import check_policy

    check_policy(policy)


def _schema() -> None:
    from precision.deploy.lite.schema import schema

    schema()


def _package() -> None:
    from precision.deploy.onnx.refusals import check_installed

    check_installed()


def _onnx(network: Any, policy: Policy, images: np.ndarray, dialect: str) -> Written:
    from precision.deploy.onnx.elements import element_of
    from precision.deploy.onnx.of_model import file_of_model
    from precision.quantization import Setting

    content = file_of_model(network, policy, images, dialect=dialect).to_bytes()
    told = []
    for slot in ("weights", "activations"):
        setting = policy.slots.get(slot)
        if isinstance(setting, Setting):
            kind = element_of(setting, slot, stored=slot == "weights").type
            bits = f"{setting.number_format.bits:g} bits"
            told.append(f"{slot} in {kind}" if dialect == "qdq" else f"{slot} of {bits}")
    return content, ", ".join(told)


KINDS = {
    "LiteRT": Kind("LiteRT", ".tflite", (), _check_lite, _schema, _lite),
    "ONNX": Kind("ONNX", ".onnx", (), _check_onnx, _package, partial(_onnx, dialect="qdq")),
    "QONNX": Kind(
        "QONNX",
        "-qonnx.onnx",
        ("--dialect", "qonnx"),
        _check_onnx,
        _package,
        partial(_onnx, dialect="qonnx"),
    ),
}
"""By name; a target names those that its hardware reads."""
