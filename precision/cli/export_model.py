"""What ``precision export`` does with a model file: a file to deploy, under a policy, without any trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precision.cli.echo import echo
from precision.errors import PrecisionError, shown, unknown


@dataclass(frozen=True)
class Asked:
    """What a user asks for.

    Attributes:
        model: a .keras or .h5 file.
        policy: as it was typed.
        data: to calibrate on, and its ``options``; None where there are none.
        scales: of a LiteRT file in integers; None for ours.
        dialect, int32_biases: of a .onnx file.
    """

    model: Path
    policy: str | None
    data: str | None
    options: Mapping[str, Any]
    scales: str | None
    dialect: str
    int32_biases: bool


def is_model(name: str) -> bool:
    """Return whether a name is that of a model file, and not of a trial."""
    from architectures._model_file import SUFFIXES

    return Path(name).suffix in SUFFIXES


def export_model(asked: Asked, path: Path, data_dir: Path | None, force: bool) -> None:
    """Write the LiteRT or ONNX file of a model under a policy.

    Raises:
        PrecisionError: for what the file cannot say; where the policy is wrong, before the data are loaded.
    """
    from precision.deploy import model_file
    from precision.quantization import parse_policy
    from precision.startup import start_backend

    if path.suffix not in (".tflite", ".onnx"):
        raise PrecisionError(
            f"{path}: of a model file a .tflite or .onnx file is written; precision pack packs codes"
        )
    if asked.policy is None:
        raise PrecisionError(
            f"{asked.model}: give --policy, such as float32 or int8, in which the file is written"
        )
    if asked.options and asked.data is None:
        raise PrecisionError("--data-option is of data, but no --data are given")
    policy = parse_policy(_spec(asked.policy))
    _check(asked, path, policy)
    start_backend()
    network, images = _loaded(asked, policy, data_dir)
    if path.suffix == ".onnx":
        from precision.deploy.onnx.of_model import file_of_model as onnx_of_model

        file = onnx_of_model(network, policy, images, dialect=asked.dialect, int32_biases=asked.int32_biases)
        content, more = file.to_bytes(), file.words
    else:
        from precision.deploy.lite.contents import listed
        from precision.deploy.lite.of_model import file_of_model

        content = file_of_model(network, policy, images, asked.scales or "ours")
        more = f"operators of real numbers: {listed(content)}"
    model_file.write(path, content, force=force)
    echo(f"{path}: {asked.model} as '{policy}' in {len(content):,} bytes")
    echo(more)


def _check(asked: Asked, path: Path, policy: Any) -> None:
    """Refuse what no file of this kind can say."""
    if path.suffix == ".onnx":
        from precision.deploy.onnx.elements import check_policy

        if asked.scales is not None:
            raise PrecisionError(f"{path}: --scales is for .tflite files; leave it out")
        check_policy(policy)
        return
    from precision.deploy.lite.policies import SCALES, kind_of

    scales = asked.scales or "ours"
    if scales not in SCALES:
        raise unknown("scales", scales, SCALES)
    kind_of(policy, scales)


def _spec(text: str) -> Any:
    """Return what a policy of the command line says, as a grid file would have it."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise PrecisionError(
            "--policy is a preset, a format or a mapping of slots, such as '{weights: float16, biases: "
            f"float16}}', but got {shown(text)}"
        ) from None


def _loaded(asked: Asked, policy: Any, data_dir: Path | None) -> tuple[Any, Any]:
    """Return the network of a model, with logits, and the images that it is calibrated on."""
    import architectures
    from precision import data as datasets
    from precision.data.files.locate import data_directory
    from precision.deploy.rounded import of_size
    from precision.exploration.audit.model import seen
    from precision.exploration.audit.request import request
    from precision.quantization.calibration.calibrator import calibration_images

    look, images = seen(asked.model), None
    shape: Any = look.input_shape
    outputs, task = look.outputs, "classification"
    if asked.data is not None:
        chosen = dict(request(asked.data, asked.options, look).dataset)
        loaded = datasets.load(chosen.pop("name"), data_dir=data_directory(data_dir), **chosen)
        images = calibration_images(loaded, policy.images_of(len(loaded.x_train)), 0)
        shape, outputs, task = loaded.input_shape, loaded.classes, loaded.task
    if None in shape:
        raise PrecisionError(
            f"{asked.model}: it takes images of any size, and a file those of one; give --data"
        )
    network = architectures.build("keras_file", shape, outputs, task, path=str(asked.model))
    return of_size(network, tuple(shape)), images
