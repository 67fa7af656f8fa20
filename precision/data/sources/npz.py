"""NumPy archives of images or vectors, and their targets. Nothing in them is ever unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from precision import received
from precision.data.dataset import Dataset
from precision.data.files import npy
from precision.data.files.budget import Budget
from precision.data.rules import FilePath, Fraction, Gibibytes, TaskName
from precision.data.sources.arrays import as_inputs
from precision.data.sources.assembly import assemble
from precision.data.sources.targets import as_targets
from precision.errors import PrecisionError, said
from precision.registry import DATASETS

_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("x", "y")
_DEFLATE = 1032  # the highest ratio of the compression in a .npz file


@DATASETS.register("npz")
def npz(
    data_dir: Path | None,
    *,
    path: FilePath,
    test_fraction: Fraction | None = None,
    task: TaskName | None = None,
    most_gib: Gibibytes | None = None,
) -> Dataset:
    """Images or vectors of your own, and their labels or targets, in a NumPy .npz file.

    Args:
        data_dir: not used; the path says it all.
        path: a file with the arrays x_train, y_train, x_test and y_test, or with x and y. Images are
            (N, H, W) or (N, H, W, C), whole numbers in 0..255 (kept as uint8) or floats, usually in 0..1;
            vectors are (N, features), any numbers; labels are integers or text (N,), which are
            the names of the classes, numbered anew from 0 in ascending order. Numbers with fractions, (N,)
            or (N, targets), are the targets of a regression; 0 and 1, (N, labels), say which labels an image
            has.
        test_fraction: for x and y, how much of each class to split off for testing; 0.2 if not given.
        task: what y is, where it may be several things: classification, multi_label or regression.
        most_gib: how much memory the arrays may take, once decompressed; 4 if not given.

    Raises:
        PrecisionError: if the file cannot be read or its arrays are anything else.
    """
    arrays = _read(path, Budget(path, most_gib))
    pairs = [("x_train", "y_train"), ("x_test", "y_test")] if "x_train" in arrays else [_WHOLE]
    inputs = as_inputs([(f"{path}: {x}", arrays[x]) for x, _ in pairs])
    given = [(f"{path}: {y}", arrays[y], len(x)) for (_, y), x in zip(pairs, inputs, strict=True)]
    return assemble("npz", path, inputs, as_targets(given, task), test_fraction)


def _read(path: Path, budget: Budget) -> dict[str, np.ndarray]:
    received.check(path, received.memory(), near="*.npz")
    try:
        with zipfile.ZipFile(path) as archive:
            present = {name.removesuffix(".npy") for name in archive.namelist()}
            wanted = next((keys for keys in (_SPLIT, _WHOLE) if present.issuperset(keys)), None)
            if wanted is None:
                raise PrecisionError(
                    f"{path}: needs the arrays {', '.join(_SPLIT)}, or x and y, "
                    f"but got {', '.join(sorted(present)) or 'none'}"
                )
            for key in wanted:
                budget.take(_announced(path, archive, f"{key}.npy"))
        with np.load(path, allow_pickle=False) as loaded:
            return {key: loaded[key] for key in wanted}
    except PrecisionError:
        raise
    except OSError as error:
        raise PrecisionError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except Exception as error:  # a damaged archive can lead to anything
        raise PrecisionError(
            f"{path}: must be a .npz file as numpy.savez writes it, but got: {said(error)}"
        ) from None


def _announced(path: Path, archive: zipfile.ZipFile, member: str) -> int:
    """Return the bytes that NumPy will allocate for an array; its header and the archive must agree on them.

    Nothing is decompressed beyond the header, and pickled objects are refused.
    """
    with archive.open(member) as stream:
        held = archive.getinfo(member).file_size
        announced = npy.check_header(stream, held, member)
    if announced != held or announced > _DEFLATE * path.stat().st_size + 1024:
        raise ValueError(f"the header of {member} announces {announced} bytes, which the file cannot hold")
    return announced
