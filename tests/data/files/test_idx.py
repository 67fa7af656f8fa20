"""IDX files, written by hand: what is read, and every way in which a file can be wrong."""

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from precision.data.files.idx import read_images, read_labels
from precision.errors import PrecisionError

Idx = Callable[[int, tuple[int, ...], bytes], bytes]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reads_images_and_labels(tmp_path: Path, idx: Idx, suffix: str) -> None:
    pack = gzip.compress if suffix else bytes
    (tmp_path / f"images{suffix}").write_bytes(pack(idx(0x803, (2, 2, 3), bytes(range(12)))))
    (tmp_path / f"labels{suffix}").write_bytes(pack(idx(0x801, (3,), bytes([9, 0, 4]))))
    images = read_images(tmp_path / f"images{suffix}", (2, 3), 10)
    assert images.dtype == np.uint8
    assert images[..., 0].tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    labels = read_labels(tmp_path / f"labels{suffix}", 10, 10)
    assert labels.dtype == np.int64
    assert labels.tolist() == [9, 0, 4]
    images[0] = 0  # the caller owns the array


def refused(path: Path, content: bytes) -> str:
    """Return why a file of 2x3 images is refused."""
    path.write_bytes(content)
    with pytest.raises(PrecisionError) as caught:
        read_images(path, (2, 3), 10)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("magic", "sizes", "count", "message"),
    [
        (
            0x801,
            (2, 2, 3),
            12,
            "an IDX image file starts with 0x00000803, but got 0x00000801; fetch the file again",
        ),
        (0x803, (2, 3, 2), 12, "images are 2x3, but got 3x2; fetch the file again"),
        (0x803, (0, 2, 3), 0, "the header counts 1 to 10 images, but got 0"),
        (0x803, (11, 2, 3), 66, "the header counts 1 to 10 images, but got 11"),
        (0x803, (2**32 - 1, 2, 3), 12, "the header counts 1 to 10 images, but got 4294967295"),
        (0x803, (2, 2, 3), 11, "2 images are 12 bytes after the header, but got only 11"),
        (0x803, (2, 2, 3), 13, "2 images are 12 bytes after the header, but got more"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.faults("an IDX file of another structure")
def test_wrong_structure(
    tmp_path: Path, idx: Idx, suffix: str, magic: int, sizes: tuple[int, ...], count: int, message: str
) -> None:
    content = idx(magic, sizes, bytes(count))
    assert message in refused(tmp_path / f"images{suffix}", gzip.compress(content) if suffix else content)


def test_short_headers(tmp_path: Path, idx: Idx) -> None:
    path = tmp_path / "images"
    assert refused(path, b"") == "an IDX image file has a header of 16 bytes, but got 0; fetch the file again"
    assert "16 bytes, but got 10" in refused(path, idx(0x803, (2, 2, 3), b"")[:10])


def test_compressed_content_without_the_suffix(tmp_path: Path, idx: Idx) -> None:
    content = gzip.compress(idx(0x803, (2, 2, 3), bytes(12)))
    assert "starts with 0x00000803, but got 0x1f8b08" in refused(tmp_path / "images", content)


def test_broken_compression(tmp_path: Path, idx: Idx) -> None:
    path = tmp_path / "images.gz"
    plain = idx(0x803, (2, 2, 3), bytes(range(12)))
    good = gzip.compress(plain)
    assert "complete gzip stream, but got: Not a gzipped file" in refused(path, plain)
    assert "but got: Compressed file ended" in refused(path, good[:-9])
    assert "but got: Compressed file ended" in refused(path, good[:-1])
    wrong_sum = good[:-8] + bytes([good[-8] ^ 1]) + good[-7:]
    assert "but got: CRC check failed" in refused(path, wrong_sum)
    assert "but got: Error -3" in refused(path, good[:10] + b"\xff" * 20)
    assert "but got: Not a gzipped file" in refused(path, good + b"garbage")
    # A second stream after the first is lawful gzip; here it makes the content too long.
    assert "but got more" in refused(path, good + gzip.compress(b"x"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PrecisionError, match="none: there is no such file"):
        read_images(tmp_path / "none", (2, 3), 10)


def test_labels_above_the_classes(tmp_path: Path, idx: Idx) -> None:
    path = tmp_path / "labels"
    path.write_bytes(idx(0x801, (3,), bytes([9, 10, 4])))
    with pytest.raises(PrecisionError, match=r"labels: labels are in 0\.\.9, but got 10 at index 1; fetch"):
        read_labels(path, 10, 10)


@pytest.mark.faults("an archive that becomes much larger")
def test_a_decompression_bomb_is_not_decompressed(tmp_path: Path, idx: Idx) -> None:
    path = tmp_path / "images.gz"
    bomb = gzip.compress(idx(0x803, (2, 2, 3), bytes(64 << 20)), 1)
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    assert "but got more" in refused(path, bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 4 << 20
