"""MNIST and Fashion-MNIST: finding the files, their rules together, and the real ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from precision.data import load
from precision.errors import PrecisionError


def test_reads_the_four_files(mnist_dir: Path) -> None:
    dataset = load("mnist", data_dir=mnist_dir)
    assert dataset.title == "MNIST subset (20/10)"
    assert dataset.x_train.shape == (20, 28, 28, 1)
    assert dataset.x_test.shape == (10, 28, 28, 1)
    assert [int(image.mean()) for image in dataset.x_train] == list(range(20))
    assert dataset.y_train.tolist() == [i % 10 for i in range(20)]
    assert dataset.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    "spelling",
    ["{part}-{kind}-idx{rank}-ubyte", "{part}-{kind}.idx{rank}-ubyte", "{part}-{kind}.idx{rank}-ubyte.gz"],
)
def test_other_spellings(tmp_path: Path, small_mnist: dict[str, bytes], spelling: str) -> None:
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for part in ("train", "t10k"):
        for kind, rank in (("images", 3), ("labels", 1)):
            content = small_mnist[f"{part}-{kind}-idx{rank}-ubyte"]
            name = spelling.format(part=part, kind=kind, rank=rank)
            (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    dataset = load("fashion_mnist", data_dir=str(tmp_path))
    assert dataset.title == "Fashion-MNIST subset (20/10)"
    assert dataset.class_names[9] == "Ankle boot"


def test_the_environment_names_the_data_directory(mnist_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECISION_DATA", str(mnist_dir))
    assert len(load("mnist").y_train) == 20


def test_a_data_directory_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PrecisionError, match=r"existing folder, but got .*nowhere from --data-dir"):
        load("mnist", data_dir=tmp_path / "nowhere")
    monkeypatch.setenv("PRECISION_DATA", str(tmp_path / "gone"))
    with pytest.raises(PrecisionError, match=r"but got .*gone from the environment variable PRECISION_DATA"):
        load("digits")


def test_what_is_missing_comes_from_the_cache(mnist_dir: Path, cache: Path) -> None:
    (cache / "mnist").mkdir(parents=True)
    name = "t10k-labels-idx1-ubyte.gz"
    (mnist_dir / "mnist" / name).rename(cache / "mnist" / name)
    assert len(load("mnist", data_dir=mnist_dir).y_test) == 10


def test_one_label_per_image(mnist_dir: Path) -> None:
    path = mnist_dir / "mnist" / "train-labels-idx1-ubyte.gz"
    path.write_bytes((mnist_dir / "mnist" / "t10k-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(PrecisionError) as caught:
        load("mnist", data_dir=mnist_dir)
    assert str(caught.value) == (
        f"{path}: there is one label per image of train-images-idx3-ubyte.gz, "
        "but got 10 labels and 20 images; fetch both files again"
    )


TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(
    ("name", "title", "train", "test", "mean", "deviation"),
    [
        ("mnist", "MNIST", TRAIN, TEST, 0.1307, 0.3081),
        ("fashion_mnist", "Fashion-MNIST", [6000] * 10, [1000] * 10, 0.2860, 0.3530),
    ],
)
def test_real_files(
    real_data: Path, name: str, title: str, train: list[int], test: list[int], mean: float, deviation: float
) -> None:
    dataset = load(name, data_dir=real_data)
    assert dataset.title == title
    assert dataset.input_shape == (28, 28, 1)
    assert np.bincount(dataset.y_train).tolist() == train
    assert np.bincount(dataset.y_test).tolist() == test
    # By the counts of the 256 values: exact, and without 47 million floats.
    counts = np.bincount(dataset.x_train.reshape(-1), minlength=256) / dataset.x_train.size
    values = np.arange(256) / 255
    assert (counts * values).sum() == pytest.approx(mean, abs=5e-5)
    assert np.sqrt((counts * (values - mean) ** 2).sum()) == pytest.approx(deviation, abs=5e-5)
