"""Reading and writing the files of Keras models: one sentence for what is wrong, and nothing half-written."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from architectures._model_file import load
from precision import files, received
from precision.errors import PrecisionError


def load_model(path: str | Path) -> Any:
    """Return the model of a ``.keras`` file, without its optimizer; no code that the file names is run.

    Raises:
        PrecisionError: when the file is missing, of another kind, damaged, or needs unknown layers.
    """
    if Path(path).suffix != ".keras":
        raise PrecisionError(f"{path}: a model is a .keras file, as model.save('model.keras') writes it")
    return load(path)


def save_model(model: Any, path: str | Path, *, force: bool = False) -> None:
    """Write a model to a ``.keras`` file, entirely or not at all.

    Raises:
        PrecisionError: when the file exists and ``force`` is not set, or cannot be written.
    """
    if Path(path).suffix != ".keras":
        raise PrecisionError(f"{path}: the name of a model's file must end in .keras")
    from precision.quantization.layers.flat import plain

    write(path, plain(model).save, force=force)


def weights_of(model: Any) -> memoryview:
    """Return what ``model.save_weights`` writes.

    It is made in memory: HDF5 ends the whole process when a disk fills up under a file of its own.
    """
    content = _Memory()
    model.save_weights(content)
    return content.getbuffer()


class _Memory(io.BytesIO):
    """A file in memory with a name, on whose ending Keras insists."""

    def __str__(self) -> str:
        return "memory.weights.h5"


def check_free(path: str | Path, *, force: bool) -> None:
    """Refuse a place where nothing can be written, before the work is done.

    Raises:
        PrecisionError: when the file exists and ``force`` is not set, or its folder does not.
    """
    path = Path(path)
    received.check_name(path)
    if path.is_dir():
        raise PrecisionError(f"{path}: this is a folder; name a file in it")
    if path.exists() and not force:
        raise PrecisionError(f"{path}: this file exists; choose another name or add --force")
    if not path.parent.is_dir():
        raise PrecisionError(f"{path}: there is no folder {path.parent}")


def write(path: str | Path, content: bytes | Callable[[Path], Any], *, force: bool = False) -> None:
    """Write a file as :func:`precision.files.write` does.

    Raises:
        PrecisionError: as :func:`check_free`, and when the disk is full.
    """
    path = Path(path)
    check_free(path, force=force)
    with files.refused(path, "cannot be written"):
        files.write(path, content)
