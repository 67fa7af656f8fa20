"""NumPy archives of images and labels. Nothing in them is ever unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from precision import received
from precision.data.dataset import Dataset
from precision.data.files import npy
from precision.data.files.budget import Budget
from precision.data.rules import FilePath, Fraction, Gibibytes
from precision.data.sources.assembly import Part, assemble, check_finite
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
    most_gib: Gibibytes | None = None,
) -> Dataset:
    """Images and labels of your own in a NumPy .npz file.

    Args:
        data_dir: not used; the path says it all.
        path: a file with the arrays x_train, y_train, x_test and y_test, or with x and y. Images are
            (N, H, W) or (N, H, W, C), uint8 in 0..255 or floats, usually in 0..1, taken as they are;
            labels are integers (N,), numbered anew from 0 in ascending order.
        test_fraction: for x and y, how much of each class to split off for testing; 0.2 if not given.
        most_gib: how much memory the arrays may take, once decompressed; 4 if not given.

    Raises:
        PrecisionError: if the file cannot be read or its arrays are anything else.
    """
    arrays = _read(path, Budget(path, most_gib))
    if all(key in arrays for key in _SPLIT):
        train, test = _part(path, arrays, "x_train", "y_train"), _part(path, arrays, "x_test", "y_test")
        return assemble("npz", path, train, test, test_fraction)
    return assemble("npz", path, _part(path, arrays, "x", "y"), None, test_fraction)


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


def _part(path: Path, arrays: dict[str, np.ndarray], x: str, y: str) -> Part:
    images, labels = arrays[x], arrays[y]
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise PrecisionError(
            f"{path}: {x} must have the shape (N, H, W) or (N, H, W, C), but got {images.shape}"
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise PrecisionError(f"{path}: {x} must be uint8 or floats, but got {images.dtype}; convert it")
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
        raise PrecisionError(
            f"{path}: {y} must hold one integer for each of {len(images)} images, "
            f"but got {labels.dtype} {labels.shape}"
        )
    if images.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused
            images = images.astype(np.float32)
        check_finite(images, f"{path}: {x}")
    return images.reshape(*images.shape[:3], -1), labels
