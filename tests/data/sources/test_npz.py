"""NumPy archives: both layouts, and every array that is refused."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precision.data import load
from precision.errors import PrecisionError


def arrays(**changes: object) -> dict[str, Any]:
    x = np.arange(8 * 6, dtype=np.uint8).reshape(8, 2, 3)
    y = np.array([0, 1] * 4)
    return {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2]} | changes


def test_given_parts(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "own.npz", **arrays())
    dataset = load("npz", path=tmp_path / "own.npz")
    assert dataset.title == "own"
    assert dataset.x_train.shape == (8, 2, 3, 1)
    np.testing.assert_array_equal(dataset.x_train[..., 0], arrays()["x_train"])
    assert dataset.y_train.dtype == np.int64
    assert dataset.class_names == ("0", "1")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64, bool])
def test_vectors(tmp_path: Path, dtype: type) -> None:
    rows = (np.arange(20).reshape(10, 2) % 3).astype(dtype)
    labels = np.arange(10) % 2
    np.savez(tmp_path / "own.npz", x_train=rows, y_train=labels, x_test=rows, y_test=labels)
    dataset = load("npz", path=tmp_path / "own.npz", scale="none")
    assert dataset.vectors and dataset.x_train.dtype == np.float32
    assert dataset.x_train.tolist() == rows.astype(float).tolist()


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["dog", " cat"], ("cat", "dog")),
        ([b"dog", b"caf\xc3\xa9"], ("café", "dog")),
        ([True, False], ("False", "True")),
        ([3.0, -1.0], ("-1", "3")),
        ([[7], [9]], ("7", "9")),
    ],
)
def test_labels_are_names_or_numbers(tmp_path: Path, labels: list, names: tuple[str, ...]) -> None:
    y = np.array(labels * 4)
    np.savez(tmp_path / "own.npz", **arrays(y_train=y, y_test=y[:2]))
    dataset = load("npz", path=tmp_path / "own.npz")
    assert dataset.class_names == names
    assert dataset.y_test.tolist() == ([0, 1] if names == ("7", "9") else [1, 0])


def test_whole_numbers_are_bytes_where_all_of_them_can_be(tmp_path: Path) -> None:
    wide = arrays()["x_train"].astype(np.int64)
    np.savez(tmp_path / "own.npz", **arrays(x_train=wide))
    assert load("npz", path=tmp_path / "own.npz").x_train.dtype == np.uint8
    np.savez(tmp_path / "own.npz", **arrays(x_train=wide, x_test=wide[:2] + 255))
    dataset = load("npz", path=tmp_path / "own.npz", scale="none")
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.float32
    assert dataset.x_test.max() == wide[:2].max() + 255


def test_split_off_by_class(tmp_path: Path) -> None:
    labels = np.repeat([5, -1, 7], [50, 30, 20]).astype(np.int8)
    np.savez(tmp_path / "all.npz", x=np.arange(400).reshape(100, 2, 2, 1) / np.float64(400), y=labels)
    dataset = load("npz", path=str(tmp_path / "all.npz"))
    assert dataset.x_train.dtype == np.float32
    assert dataset.class_names == ("-1", "5", "7")
    assert np.bincount(dataset.y_train).tolist() == [24, 40, 16]
    assert np.bincount(dataset.y_test).tolist() == [6, 10, 4]
    seen = np.concatenate([dataset.x_train[:, 0, 0, 0], dataset.x_test[:, 0, 0, 0]])
    assert len(np.unique(seen)) == 100
    half = load("npz", path=tmp_path / "all.npz", test_fraction=0.5)
    assert np.bincount(half.y_test).tolist() == [15, 25, 10]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.zeros(3)}, "needs the arrays x_train, y_train, x_test, y_test, or x and y, but got x"),
        (
            arrays(x_train=np.zeros(8, np.uint8)),
            r"x_train must have the shape \(N, features\) of vectors, or \(N, H, W\).*but got \(8,\)",
        ),
        (arrays(x_test=np.zeros((0, 2, 3), np.uint8)), r"x_test must have the shape .*\(0, 2, 3\)"),
        (
            arrays(x_train=np.zeros((8, 2, 3), complex)),
            "x_train must be integers or floats, but got complex128; convert it",
        ),
        (
            arrays(y_train=np.full(8, np.inf)),
            "y_train must hold one label, an integer or a text, for each of 8 images, but got inf",
        ),
        (arrays(y_train=np.eye(8, 2)), r"for each of 8 images, but got float64 \(8, 2\)"),
        (arrays(y_train=np.array([" ", *"abcdefg"])), "every image needs a label, but image 0 has none"),
        (arrays(y_train=np.zeros(7, int)), r"for each of 8 images, but got int64 \(7,\)"),
        (arrays(y_test=np.array([0, 2])), "every test label must occur in training, but got 2; known: 0, 1"),
        (
            arrays(y_train=np.zeros(8, int), y_test=np.zeros(2, int)),
            "at least 2 classes are needed, but got 1",
        ),
        (arrays(x_test=np.zeros((2, 3, 3), np.uint8)), "train and test images must have one size"),
        (
            arrays(x_train=np.full((8, 2, 3), np.nan)),
            "x_train: numbers must be finite, but image or vector 0 has NaN",
        ),
        (arrays(x_train=np.full((8, 2, 3), 1e300)), "numbers must be finite"),
        (arrays(x_train=np.array([{}] * 8)), "x_train.npy holds Python objects; store plain numbers"),
    ],
)
def test_wrong_arrays(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "own.npz", **content)
    with pytest.raises(PrecisionError, match=message) as caught:
        load("npz", path=tmp_path / "own.npz")
    assert "own" in str(caught.value)


def test_a_fraction_beside_a_test_part_is_a_contradiction(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **arrays())
    with pytest.raises(PrecisionError, match=r"but got 0\.2 beside a test part; leave it out"):
        load("npz", path=tmp_path / "own.npz", test_fraction=0.2)


@pytest.mark.faults("a file of images or values that is torn, changed, or of something else")
def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    with pytest.raises(PrecisionError, match=r"own\.npz: there is no such file"):
        load("npz", path=path)
    np.savez(path, **arrays())
    good = path.read_bytes()
    path.write_bytes(good[:-100])
    with pytest.raises(PrecisionError, match=r"must be a \.npz file .* File is not a zip file"):
        load("npz", path=path)
    corrupt = bytearray(good)
    corrupt[good.index(bytes(range(48))) + 5] ^= 1
    path.write_bytes(corrupt)
    with pytest.raises(PrecisionError, match="Bad CRC-32"):
        load("npz", path=path)
    with zipfile.ZipFile(path, "w") as archive:
        for key in arrays():
            archive.writestr(f"{key}.npy", b"no array")
    with pytest.raises(PrecisionError, match=r"must be a \.npz file"):
        load("npz", path=path)
    path.write_bytes(pickle.dumps(arrays()))
    with pytest.raises(PrecisionError, match="File is not a zip file"):
        load("npz", path=path)


@pytest.mark.parametrize("lies", [False, True])
def test_an_absurd_header_allocates_nothing(tmp_path: Path, lies: bool) -> None:
    """Neither where the archive knows the true size, nor where that is forged as well."""
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 28, 28), }".ljust(117) + b"\n"
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    labels = io.BytesIO()
    np.save(labels, np.zeros(2, int))
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header + bytes(10))
        archive.writestr("y.npy", labels.getvalue())
    if lies:
        forged = bytearray(path.read_bytes())
        struct.pack_into("<I", forged, forged.index(b"PK\x01\x02") + 24, len(header) + 784_000_000)
        path.write_bytes(forged)
    with pytest.raises(PrecisionError, match=r"x\.npy announces 784000\d\d\d bytes.* cannot hold"):
        load("npz", path=path)


def test_a_small_file_of_large_arrays_needs_a_larger_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.npz"
    np.savez_compressed(path, x=np.zeros((1000, 30, 30), np.float32), y=np.arange(1000) % 2)
    assert path.stat().st_size < 20_000
    size = 1000 * 30 * 30 * 4 / 2**30
    assert load("npz", path=path, most_gib=1.1 * size).input_shape == (30, 30, 1)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(PrecisionError) as caught:
        load("npz", path=path, most_gib=size)
    assert str(caught.value).startswith(f"{path}: these images take more than {size:g} GiB of memory once ")
    assert "give the option 'most_gib' with a larger number" in str(caught.value)
