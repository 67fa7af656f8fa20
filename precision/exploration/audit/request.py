"""The data of an audit: what the user gave, and what follows from the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from precision import data, received
from precision.data.files.locate import home
from precision.errors import PrecisionError, shown, suggest
from precision.exploration.audit.grid_file import flow
from precision.exploration.audit.model import Seen
from precision.registry import DATASETS

_KINDS = ("npz", "npy", "csv")
_TABLE = re.compile(r"\.csv(\.(gz|bz2|xz))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """The data of an audit.

    Attributes:
        dataset: name in the registry, and its options; paths count from the working directory.
        assumed: what was chosen for the user, in sentences.
    """

    dataset: dict[str, Any]
    assumed: tuple[str, ...] = ()


def source_of(given: str) -> dict[str, Any]:
    """Return the name of the data set that a path or a name stands for, with its path.

    Raises:
        PrecisionError: when it is neither.
    """
    path = home(given)
    if path.is_dir():
        return {"name": "image_folder", "path": str(path)}
    kind = "csv" if _TABLE.search(path.name) else path.suffix.lower()[1:]
    if kind in _KINDS:
        received.check(path, near=f"*.{kind}")
        return {"name": kind, "path": str(path)}
    if given in DATASETS:
        return {"name": given}
    if path.exists():
        raise PrecisionError(
            f"{given}: data are a folder of images, a .npz, .npy or .csv file, or the name of a data set"
        )
    raise PrecisionError(
        f"{given}: there is no such file or folder, and no data set of that name; {suggest(given, DATASETS)}"
    )


def request(given: str, options: Mapping[str, Any], model: Seen) -> Request:
    """Return the data set with the options of the user, and those that follow from the model.

    Args:
        given: a path, or the name of a data set.
        options: of the data set.

    Raises:
        PrecisionError: for what is no data set, and an option that it lacks or that is against its rule.
    """
    dataset = source_of(given)
    for key in options:
        if key == "name" or key in dataset:
            raise PrecisionError(f"option {shown(key)} of the data is given by --data already; leave it out")
    found, assumed = {**dataset, **options}, []
    for key, value, why in _follows(dataset["name"], model):
        if key not in options:
            found[key] = value
            assumed.append(f"{key}: {flow(value)}, as {why}")
    data.check(found["name"], {key: value for key, value in found.items() if key != "name"})
    return Request(found, tuple(assumed))


def _follows(name: str, model: Seen) -> list[tuple[str, Any, str]]:
    """Return options that a model leaves no choice about, each with the reason."""
    found: list[tuple[str, Any, str]] = []
    shape = model.input_shape
    if name == "image_folder" and len(shape) == 3:
        if shape[2] == 1:
            found.append(("color", "gray", "the model reads one channel"))
        if None not in shape[:2]:
            found.append(("resize", list(shape[:2]), "the model reads images of this size"))
    if name == "csv" and None not in shape and len(shape) in (1, 3):
        found.append(("shape", list(shape), "this is what the model reads"))
    if model.unscaled:
        found.append(("scale", "none", "the first layer of the model scales its images itself"))
    return found
