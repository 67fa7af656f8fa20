"""Models that Keras wrote to a file, read without running anything that the file names."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from precision import received
from precision.errors import PrecisionError, said
from precision.options import Rule
from precision.startup import start_backend

SUFFIXES = (".keras", ".h5")
_RATIO = 20  # of what weights are to their compressed form, at most


def _path(value: Any) -> Any:
    return Path(value) if isinstance(value, str) and value else value


ModelPath = Annotated[  # in a grid it counts from the grid's file, ``~`` is the home
    Path,
    BeforeValidator(_path, json_schema_input_type=Annotated[str, Field(min_length=1)]),
    Rule("a path"),
]


def load(path: str | Path) -> Any:
    """Return the model of a ``.keras`` or ``.h5`` file, without its optimizer.

    Raises:
        PrecisionError: when the file is missing, of another kind, damaged, has code in it, or needs layers
            that nobody registered.
    """
    path = Path(path).expanduser()
    received.check(path, received.memory(), near="*.keras")
    if path.suffix == ".h5":
        _check_hdf5(path)
    else:
        _check_archive(path)
    start_backend()
    import keras

    import architectures

    objects = architectures.custom_objects()
    try:
        return keras.saving.load_model(path, custom_objects=objects, compile=False, safe_mode=True)
    except Exception as error:  # a file from elsewhere can raise anything
        raise PrecisionError(f"{path}: Keras cannot load this model ({said(error)})") from None


def _check_archive(path: Path) -> None:
    """Refuse what is no zip archive, and one that becomes much larger than the models that Keras writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = sum(member.file_size for member in archive.infolist())
    except Exception as error:  # a damaged archive can lead to anything
        raise PrecisionError(
            f"{path}: this is no .keras file (a zip archive), or a damaged one ({said(error)})"
        ) from None
    most = min(_RATIO * path.stat().st_size + 2**20, received.memory())
    if held > most:
        raise PrecisionError(
            f"{path}: this archive announces {held} bytes, more than the {most} that a model in a file of "
            "this size has; save it anew with model.save"
        )


def _check_hdf5(path: Path) -> None:
    """Refuse a file that is no HDF5, holds weights alone, or has Python code in it.

    What Keras calls its safe mode did not look into this older kind of file in all of its versions.
    """
    import h5py  # type: ignore[import-untyped]

    try:
        with h5py.File(path, "r") as stream:
            text = stream.attrs.get("model_config")
            config = None if text is None else json.loads(text)
    except (OSError, ValueError, RecursionError, UnicodeDecodeError) as error:
        raise PrecisionError(
            f"{path}: this is no .h5 file of Keras, or a damaged one ({said(error)})"
        ) from None
    if config is None:
        raise PrecisionError(
            f"{path}: there is no model in this file, only weights perhaps; write it with "
            "model.save('model.keras')"
        )
    if _has_code(config):
        raise PrecisionError(
            f"{path}: the model has Python code in it (a Lambda layer), which is not run; put the function "
            "into a layer class of a plugin"
        )


def _has_code(config: Any) -> bool:
    """Return whether a configuration names a Lambda layer or a function as code, at any depth."""
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if value.get("class_name") in ("Lambda", "__lambda__"):
                return True
            left += value.values()
        elif isinstance(value, list):
            left += value
    return False
