"""The listing says what there is and where it was found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from precision.data import describe
from precision.errors import PrecisionError
from precision.registry import DATASETS


def rows(data_dir: Path | None = None) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in describe(data_dir)}


def test_every_dataset_has_a_complete_row() -> None:
    listed = rows()
    assert list(listed) == list(DATASETS)
    for row in listed.values():
        assert list(row) == ["name", "summary", "images", "shape", "classes", "found"]
        assert all(row.values())
    assert listed["mnist"] == {
        "name": "mnist",
        "summary": "Handwritten digits, 28x28 gray (LeCun, Cortes and Burges).",
        "images": "60000 + 10000",
        "shape": "28x28x1",
        "classes": "10",
        "found": "no; downloaded on first use",
    }
    assert listed["digits"]["found"] == "bundled"
    assert listed["npz"]["found"] == "given by its options"


def test_found(mnist_dir: Path, records: Callable[..., bytes]) -> None:
    (mnist_dir / "cifar10").mkdir()
    for name in ("train_first2.bin", "test_first2.bin"):
        (mnist_dir / "cifar10" / name).write_bytes(records(2))
    listed = rows(mnist_dir)
    assert listed["mnist"]["found"] == str(mnist_dir / "mnist")
    assert listed["fashion_mnist"]["found"] == "no; downloaded on first use"
    assert listed["cifar10"]["found"] == str(mnist_dir / "cifar10")
    (mnist_dir / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert rows(mnist_dir)["mnist"]["found"] == "no; downloaded on first use"


def test_a_data_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(PrecisionError, match="nowhere from --data-dir"):
        describe(tmp_path / "nowhere")


def test_a_plugin_without_details() -> None:
    @DATASETS.register("plain")
    def plain(data_dir: object) -> None:
        """Someone else's images."""

    try:
        assert rows()["plain"]["shape"] == "?"
    finally:
        del DATASETS._factories["plain"]
