"""Folders of image files: both layouts, conversions, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from precision.data import load
from precision.data.files.pixels import pixels
from precision.errors import PrecisionError


def paint(path: Path, value: int | tuple[int, ...], mode: str = "L", size: tuple[int, int] = (4, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of five gray 3x4 images; the value tells class and number."""
    for index, name in enumerate(("zebra", "ant")):
        for number in range(5):
            paint(tmp_path / "zoo" / name / f"{number}.png", 100 * index + number)
    return tmp_path / "zoo"


def test_splits_classes_in_the_order_of_their_names(folder: Path) -> None:
    (folder / ".hidden").write_text("x")
    (folder / "ant" / ".DS_Store").write_text("x")
    dataset = load("image_folder", path=folder)
    assert dataset.title == "zoo, 20 % of each class split off for testing"
    assert dataset.class_names == ("ant", "zebra")
    assert dataset.x_train.shape == (8, 3, 4, 3)
    assert np.bincount(dataset.y_test).tolist() == [1, 1]
    assert ((dataset.x_train[:, 0, 0, 0] >= 100) == (dataset.y_train == 0)).all()


def test_gray(folder: Path) -> None:
    dataset = load("image_folder", path=folder, color="gray", test_fraction=0.4)
    assert dataset.x_test.shape == (4, 3, 4, 1)
    values = np.concatenate([dataset.x_train, dataset.x_test])[:, 0, 0, 0]
    assert sorted(values.tolist()) == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]


def test_given_parts(tmp_path: Path) -> None:
    for part, value in (("train", (255, 0, 0)), ("test", (0, 0, 255))):
        for name in ("a", "b"):
            paint(tmp_path / part / name / "1.png", value, "RGB")
    dataset = load("image_folder", path=tmp_path)
    assert dataset.x_train[0, 0, 0].tolist() == [255, 0, 0]
    assert dataset.x_test[0, 0, 0].tolist() == [0, 0, 255]
    with pytest.raises(PrecisionError, match="beside a test part"):
        load("image_folder", path=tmp_path, test_fraction=0.3)
    paint(tmp_path / "test" / "c" / "1.png", 0)
    with pytest.raises(PrecisionError, match="every test label must occur in training, but got 'c'"):
        load("image_folder", path=tmp_path)
    for path in sorted((tmp_path / "test").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / "test").rmdir()
    with pytest.raises(
        PrecisionError, match="needs both folders train and test, or none, but got only train"
    ):
        load("image_folder", path=tmp_path)


def test_different_sizes_need_resize(folder: Path) -> None:
    paint(folder / "zebra" / "0.png", 7, size=(8, 8))
    with pytest.raises(PrecisionError) as caught:
        load("image_folder", path=folder)
    assert str(caught.value) == (
        f"{folder / 'zebra' / '0.png'}: all images must have one size, but got 8x8 after 3x4; "
        "set the option 'resize'"
    )
    dataset = load("image_folder", path=folder, resize=[5, 6])
    assert dataset.input_shape == (5, 6, 3)
    assert dataset.title == "zoo, 20 % of each class split off for testing"


@pytest.mark.parametrize(
    ("mode", "value"), [("1", 1), ("P", 3), ("RGBA", (1, 2, 3, 0)), ("LA", (9, 0)), ("L", 5)]
)
def test_other_modes_are_converted(folder: Path, mode: str, value: int | tuple[int, ...]) -> None:
    paint(folder / "ant" / "0.png", value, mode)
    assert load("image_folder", path=folder).input_shape == (3, 4, 3)


def read(folder: Path, image: Image.Image, color: str = "rgb", **options: Any) -> np.ndarray:
    """Return the pixels of an image in the place of all the files of the folder."""
    saved = {key: options.pop(key) for key in ("transparency", "exif") if key in options}
    for file in folder.rglob("*.png"):
        image.save(file, **saved)
    dataset = load("image_folder", path=folder, color=color, **options)
    assert dataset.x_train.dtype == np.uint8 and dataset.class_names == ("ant", "zebra")
    return dataset.x_train[0]


@pytest.mark.parametrize(
    ("options", "red", "nothing"),
    [
        ({}, [255, 127, 127], [255, 255, 255]),
        ({"background": "white"}, [255, 127, 127], [255, 255, 255]),
        ({"background": "black"}, [128, 0, 0], [0, 0, 0]),
    ],
)
def test_what_is_transparent_shows_the_background(
    folder: Path, options: dict, red: list[int], nothing: list[int]
) -> None:
    image = Image.fromarray(np.uint8([[[255, 0, 0, 128], [9, 9, 9, 0], [1, 2, 3, 255]]]))
    assert read(folder, image, **options).tolist() == [[red, nothing, [1, 2, 3]]]
    gray = Image.fromarray(np.uint8([[[40, 255], [40, 0]]]))
    assert gray.mode == "LA"
    assert read(folder, gray, "gray", **options).ravel().tolist() == [40, nothing[0]]


def test_a_palette_becomes_its_colours(folder: Path) -> None:
    image = Image.fromarray(np.uint8([[0, 1, 2]]))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    assert image.mode == "P"
    colours = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    assert read(folder, image).tolist() == [colours]
    shown = read(folder, image, transparency=1, background="black").tolist()
    assert shown == [[colours[0], [0, 0, 0], colours[2]]]


def test_gray_of_16_bits_becomes_8(folder: Path) -> None:
    deep = Image.fromarray(np.uint16([[0, 128, 129, 257, 40000, 65535]]))
    wanted = [0, 0, 1, 1, 156, 255]  # 40000 / 257 is 155.6; clipped to 8 bits it would be white
    assert read(folder, deep, "gray").ravel().tolist() == wanted
    assert read(folder, deep).tolist() == [[[value] * 3 for value in wanted]]
    shown = read(folder, deep, "gray", transparency=40000)
    assert shown.ravel().tolist() == [*wanted[:4], 255, 255]


@pytest.mark.parametrize("mode", ["1", "L"])
def test_gray_images_in_colour(folder: Path, mode: str) -> None:
    image = Image.fromarray(np.uint8([[0, 255]])).convert(mode)
    assert read(folder, image).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_a_colour_in_gray_is_its_brightness(folder: Path) -> None:
    image = Image.fromarray(np.uint8([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]))
    assert read(folder, image, "gray").ravel().tolist() == [76, 150, 29]  # 0.299, 0.587, 0.114 of 255


@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (6, [[4, 1], [5, 2], [6, 3]]),  # to be turned clockwise
        (8, [[3, 6], [2, 5], [1, 4]]),
    ],
)
def test_a_photograph_is_turned_as_it_was_taken(
    folder: Path, orientation: int, wanted: list[list[int]]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.uint8([[1, 2, 3], [4, 5, 6]]))
    assert read(folder, image, "gray", exif=exif)[:, :, 0].tolist() == wanted


@pytest.mark.parametrize("image", [Image.new("F", (2, 2), 0.5), Image.new("I", (2, 2), 70000)])
def test_numbers_that_are_no_gray_levels_are_refused(image: Image.Image) -> None:
    with pytest.raises(ValueError, match="more than 16 bits per channel, mode"):
        pixels(image, "gray", "white")


def test_unreadable_images_are_refused_by_name(folder: Path) -> None:
    path = folder / "ant" / "2.png"
    good = path.read_bytes()

    def refused() -> str:
        with pytest.raises(PrecisionError) as caught:
            load("image_folder", path=folder)
        return str(caught.value).removeprefix(f"{path}: must be a readable image of 8 or 16 bits, but got: ")

    path.write_text("no image")
    assert refused() == (
        f"{path}: this is no image of one of the formats PNG, JPEG, BMP, GIF, PPM, TIFF, WEBP; replace or "
        "remove it"
    )
    path.write_bytes(good[: len(good) // 2])
    assert refused().endswith("; replace or remove it")
    path.unlink()
    path.mkdir()
    assert "this is a folder" in refused()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 3\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("other", ["EPS", "PCX", "SGI", "ICO", "TGA"])
def test_what_only_has_the_name_of_an_image_is_not_opened(
    folder: Path, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An EPS would start Ghostscript."""
    path = folder / "ant" / "2.png"
    if other == "EPS":
        path.write_bytes(EPS)
    else:
        Image.new("RGB", (4, 3)).save(path, format=other)
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("it was started"))
    with pytest.raises(PrecisionError, match="no image of one of the formats PNG, JPEG") as caught:
        load("image_folder", path=folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_formats_that_are_read_whatever_the_name(folder: Path, kind: str) -> None:
    Image.new("RGB", (4, 3), (10, 20, 30)).save(folder / "ant" / "2.png", format=kind)
    assert load("image_folder", path=folder).input_shape == (3, 4, 3)


def test_images_that_take_too_much_memory_are_refused_before_they_are_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 9 * 3 * 4 * 3 / 2**30  # of ten images
    with pytest.raises(PrecisionError, match=r"zoo: these images take more than .* the option 'most_gib'"):
        load("image_folder", path=folder, most_gib=limit)
    assert load("image_folder", path=folder, most_gib=11 / 9 * limit).input_shape == (3, 4, 3)
    monkeypatch.setattr("PIL.ImageOps.exif_transpose", lambda image: pytest.fail("it was decoded"))
    with pytest.raises(PrecisionError, match="these images take more than"):
        load("image_folder", path=folder, most_gib=1e-9)


def test_an_image_of_absurd_size_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)
    with pytest.raises(PrecisionError, match="decompression bomb"):
        load("image_folder", path=folder)


def test_wrong_folders(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(PrecisionError, match="nowhere: must be a folder with one folder per class"):
        load("image_folder", path=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PrecisionError, match="empty: needs one folder per class, but it is empty"):
        load("image_folder", path=tmp_path / "empty")
    (folder / "bee").mkdir()
    with pytest.raises(PrecisionError, match="bee: the class has no image"):
        load("image_folder", path=folder)
    (folder / "bee").rmdir()
    (folder / "notes.txt").write_text("x")
    with pytest.raises(PrecisionError, match=r"notes\.txt: only folders, one per class, belong here"):
        load("image_folder", path=folder)
