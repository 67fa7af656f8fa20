"""The command line: what it lists, and one sentence with exit code 2 for whatever is wrong."""

import contextlib
import errno
import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import here, precision

from precision.cli import main

GRID = """\
name: t
datasets: [{dataset}]
architectures: [lenet]
policies: [float32]
"""


def refused(done):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("precision: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("architectures", ["lenet", "resnet", "depth"]),
        ("datasets", ["mnist", "cifar10", "image_folder", "60000 + 10000"]),
        ("formats", ["fixed(wl, fl, ", "float8_e4m3fn", "bfloat16"]),
    ],
)
def test_lists(command, words):
    done = precision(".", command)  # a process of its own: what a command lists, it has imported itself
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word in done.stdout


def test_help_imports_nothing_slow():
    code = (
        "import sys; sys.argv = ['precision', '--help']\n"
        "from precision.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'numpy', 'pandas', 'keras', 'tensorflow', 'pydantic', 'matplotlib'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("run", "plan", "report", "status", "architectures", "datasets", "formats"):
        assert command in done.stdout


def write(folder: Path, text: str) -> Path:
    path = folder / "grid.yaml"
    path.write_text(text)
    return path


def test_wrong_grid_files(tmp_path):
    assert "no such file" in refused(here(".", "run", tmp_path / "none.yaml"))
    path = write(tmp_path, GRID.format(dataset="digits").replace("lenet", "lennet"))
    assert f"{path}:3: architectures: unknown architecture 'lennet'; did you mean 'lenet'?" in refused(
        here(".", "run", path)
    )


def test_wrong_folders(tmp_path):
    path = write(tmp_path, GRID.format(dataset="mnist"))
    words = ("run", path, "--store", tmp_path / "runs", "--output", tmp_path / "out")
    text = refused(here(".", *words, "--data-dir", tmp_path / "nowhere"))
    assert "nowhere" in text and "--data-dir" in text
    text = refused(here(".", *words, PRECISION_DATA=str(tmp_path / "nowhere")))
    assert "nowhere" in text and "PRECISION_DATA" in text
    (tmp_path / "file").touch()
    assert "must be a folder" in refused(here(".", "run", path, "--store", tmp_path / "file"))


def test_a_report_folder_that_cannot_be(tmp_path):
    path = write(tmp_path, GRID.format(dataset="digits"))
    (tmp_path / "file").touch()
    for command in ("run", "report"):
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            words = (command, path, "--store", tmp_path / "runs", "--output", folder)
            assert "the report cannot be written here" in refused(here(".", *words))


def test_a_corrupt_file_is_named_before_anything_is_trained(tmp_path):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for part, count in (("train", 60000), ("t10k", 10000)):
        labels = b"\0\0\x08\x01" + count.to_bytes(4, "big") + bytes(count)
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        images = (
            b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28)) + bytes(count * 784)
        )
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images)[:-2000])
    path = write(tmp_path, GRID.format(dataset="mnist"))
    words = ("run", path, "--store", tmp_path / "runs", "--output", tmp_path / "out")
    text = refused(here(".", *words, "--data-dir", tmp_path / "data"))
    assert "train-images-idx3-ubyte.gz" in text
    assert not list((tmp_path / "runs").rglob("result.json"))


class Full(io.StringIO):
    """A stream such as that of /dev/full."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.faults("a full disk under the output of a command")
def test_output_that_finds_no_room(monkeypatch):
    monkeypatch.setattr("sys.argv", ["precision", "schema"])
    with (
        pytest.raises(SystemExit) as end,
        contextlib.redirect_stdout(Full()),
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        main()
    assert end.value.code == 2
    assert err.getvalue() == (
        "precision: the output: cannot be written (No space left on device); make room and run the same "
        "command again, finished trials are kept\n"
    )
