"""Rows for a listing of all datasets, and of the options of one."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from precision.data.files.catalogue import ENTRIES, Entry
from precision.data.files.locate import data_directory
from precision.data.options import COMMON, CommonOptions, model_of, path_options
from precision.data.sources import cifar, mnist
from precision.options import meanings, rule_of
from precision.registry import DATASETS
from precision.tasks import CLASSIFICATION


def describe(data_dir: str | Path | None = None) -> list[dict[str, str]]:
    """Return one row per dataset: name, summary, images, shape, classes and found, all text.

    ``found`` is the folder where the files lie, or says where the data come from instead. The files
    are not read.

    Raises:
        PrecisionError: if the data directory is not a folder.

    >>> from precision.data import describe
    >>> [row["name"] for row in describe() if row["found"] == "bundled"]
    ['breast_cancer', 'diabetes', 'digits', 'iris', 'wine']
    """
    directory = data_directory(data_dir)
    return [_row(name, directory) for name in DATASETS]


def describe_options(name: str) -> list[dict[str, str]]:
    """Return one row per option of a dataset, its own first: option, value, default and meaning, all text.

    Raises:
        PrecisionError: for an unknown dataset.

    >>> from precision.data import describe_options
    >>> describe_options("npz")[1]["value"]
    'a number above 0 and below 1, such as 0.2'
    """
    model = model_of(name)
    own = DATASETS.options(name)
    said = meanings(CommonOptions) | meanings(DATASETS[name])
    options = [*own, *(option for option in COMMON if option not in own)]
    return [
        {
            "option": option,
            "value": rule_of(model, option),
            "default": _default(model.model_fields[option].get_default()),
            "meaning": said.get(option, ""),
        }
        for option in options
    ]


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "required"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _row(name: str, data_dir: Path | None) -> dict[str, str]:
    entry = ENTRIES.get(name)
    unknown = "as in the files" if path_options(name) else "?"
    return {
        "name": name,
        "summary": DATASETS.summary(name),
        "images": f"{entry.train} + {entry.test}" if entry else unknown,
        "shape": "x".join(map(str, entry.shape)) if entry else unknown,
        "classes": _asked(entry) if entry else unknown,
        "found": _found(name, data_dir),
    }


def _asked(entry: Entry) -> str:
    """Return how many classes there are, or what else is asked of a network."""
    count = str(len(entry.class_names))
    return count if entry.task == CLASSIFICATION.name else f"{entry.task} of {count}"


def _found(name: str, data_dir: Path | None) -> str:
    entry = ENTRIES.get(name)
    if entry is None:
        return "given by its options"
    if not entry.files:
        return "bundled"
    folder: Path | None = None
    if name == "cifar10":
        batches = cifar.find(data_dir)
        folder = batches.test[0].parent if batches else None
    else:
        paths = mnist.find(name, data_dir)
        folder = paths[entry.files[0].name].parent if len(paths) == len(entry.files) else None
    return str(folder) if folder else "no; downloaded on first use"
