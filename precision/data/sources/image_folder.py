"""Image files in one folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from precision import received
from precision.data.dataset import Dataset
from precision.data.files import images
from precision.data.files.budget import Budget
from precision.data.rules import Background, Color, FolderPath, Fraction, Gibibytes, Size
from precision.data.sources.assembly import assemble
from precision.data.sources.targets import Targets
from precision.errors import PrecisionError
from precision.registry import DATASETS
from precision.tasks import CLASSIFICATION


@DATASETS.register("image_folder")
def image_folder(
    data_dir: Path | None,
    *,
    path: FolderPath,
    test_fraction: Fraction | None = None,
    color: Color = "rgb",
    background: Background = "white",
    resize: Size | None = None,
    most_gib: Gibibytes | None = None,
) -> Dataset:
    """Image files of your own (PNG, JPEG, BMP, GIF, PPM, TIFF or WEBP), one folder per class.

    Args:
        data_dir: not used; the path says it all.
        path: a folder with ``train/<class>/<image>`` and ``test/<class>/<image>``, or with
            ``<class>/<image>``. Classes are numbered in the order of their names. Files that begin with
            a dot are left out.
        test_fraction: without a folder ``test``, how much of each class to split off for testing; 0.2
            if not given.
        color: the kind of image into which all are converted.
        background: what is seen where an image is transparent.
        resize: the size that every image gets, which may have come in different ones; each is interpolated
            bilinearly.
        most_gib: how much memory all images may take, once decompressed; 4 if not given.

    Raises:
        PrecisionError: if a folder is missing or empty, or an image unreadable or of another size.
    """
    if not received.is_folder(path):
        raise PrecisionError(f"{path}: must be a folder with one folder per class; check the path")
    parts = [part for part in ("train", "test") if (path / part).is_dir()]
    if len(parts) == 1:
        raise PrecisionError(f"{path}: needs both folders train and test, or none, but got only {parts[0]}")
    budget = Budget(path, most_gib)
    folders = [path / part for part in parts] or [path]
    found = [_read(folder, color, background, resize, budget) for folder in folders]
    targets = Targets(CLASSIFICATION, [labels for _, labels in found], ())
    return assemble("image_folder", path, [pixels for pixels, _ in found], targets, test_fraction)


def _read(
    folder: Path, color: str, background: str, size: tuple[int, int] | None, budget: Budget
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and the names of their classes."""
    classes = _visible(folder)
    if not classes:
        raise PrecisionError(f"{folder}: needs one folder per class, but it is empty")
    found: list[np.ndarray] = []
    labels: list[str] = []
    for of_class in classes:
        if not of_class.is_dir():
            raise PrecisionError(f"{of_class}: only folders, one per class, belong here; move the file away")
        files = _visible(of_class)
        if not files:
            raise PrecisionError(f"{of_class}: the class has no image; add images or remove the folder")
        for file in files:
            pixels = np.asarray(images.read(file, color, background, size, budget), np.uint8)
            image = pixels.reshape(*pixels.shape[:2], -1)
            if found and image.shape != found[0].shape:
                raise PrecisionError(
                    f"{file}: all images must have one size, but got {_extent(image)} "
                    f"after {_extent(found[0])}; set the option 'resize'"
                )
            found.append(image)
            labels.append(of_class.name)
    return np.stack(found), np.array(labels)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _extent(image: np.ndarray) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
