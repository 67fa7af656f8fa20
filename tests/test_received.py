"""Files and values as nobody expects them: each ends with one sentence, before anything is read."""

import os
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest
from stored import make_result, make_trial

from precision import plugins, received
from precision.api.folder import report_folder
from precision.data import fingerprint, load
from precision.deploy.model_file import check_free, load_model
from precision.deploy.packed.file import read as read_packed
from precision.errors import MOST, LocatedError, PrecisionError, shown, suggest
from precision.formats import parse
from precision.formats.comparison import samples
from precision.grid import Changes, Store, load_grid

READERS = {
    ".yaml": [load_grid],
    ".py": [plugins.read],
    ".npy": [samples, lambda path: parse(f"codebook({str(path)!r})")],
    ".csv": [lambda path: load("csv", path=path), lambda path: fingerprint("csv", {"path": path})],
    ".npz": [lambda path: load("npz", path=path), lambda path: fingerprint("npz", {"path": path})],
    ".keras": [load_model],
    ".safetensors": [read_packed],
}
CASES = [(ending, read) for ending, reads in READERS.items() for read in reads]
PLACES = [Store, lambda path: check_free(path, force=False), lambda path: report_folder(path, "x")]


def refused(function, *arguments, **options):
    with pytest.raises(PrecisionError) as caught:
        function(*arguments, **options)
    text = str(caught.value)
    assert text.isprintable() and len(text) <= MOST
    return text


@pytest.mark.parametrize(("ending", "read"), CASES)
def test_what_is_no_file(tmp_path, ending, read, tally):
    for name, make, why in [
        ("folder", os.mkdir, "this is a folder, and a file is needed"),
        ("fifo", os.mkfifo, "this is a FIFO, and a file is needed"),
        ("zero", lambda path: os.symlink("/dev/zero", path), "this is a device, and a file is needed"),
        ("loop", lambda path: os.symlink(path, path), "cannot be read (Too many levels"),
    ]:
        path = f"{tmp_path}/{name}{ending}"
        make(path)
        with tally("a folder, FIFO, device or loop where a file is needed"):
            assert why in refused(read, path)


@pytest.mark.parametrize(("ending", "read"), CASES)
@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a" * 300, "/".join(["b" * 200] * 30)])
@pytest.mark.faults("a name that no file can have")
def test_what_no_file_is_called(tmp_path, ending, read, name):
    refused(read, f"{tmp_path}/{name}{ending}")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a" * 300])
@pytest.mark.faults("a name that no file can have")
def test_what_nothing_can_be_written_to(tmp_path, place, name):
    assert "no file can have this name" in refused(place, f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a" * 300, "no such folder"])
def test_folders(tmp_path, name):
    folder = f"{tmp_path}/{name}"
    assert "existing folder" in refused(load, "mnist", data_dir=folder)
    assert "must be a folder" in refused(load, "image_folder", path=folder)
    refused(fingerprint, "image_folder", {"path": folder})


@pytest.mark.faults("a folder, FIFO, device or loop where a file is needed")
def test_a_fifo_among_images(tmp_path):
    (tmp_path / "images" / "a").mkdir(parents=True)
    os.mkfifo(tmp_path / "images" / "a" / "1.png")
    assert "this is a FIFO" in refused(load, "image_folder", path=tmp_path / "images")


@pytest.mark.faults("a folder, FIFO, device or loop where a file is needed")
def test_a_folder_given_as_a_table_is_not_read(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "unreadable").write_text("")
    (tmp_path / "folder" / "unreadable").chmod(0)
    assert "this is a folder" in refused(fingerprint, "csv", {"path": tmp_path / "folder"})


def header(text, body=b""):
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04" + bytes(40), "no array in NumPy's format"),
        (
            header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"),
            "8000000000000 bytes",
        ),
        (header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", bytes(80)), "-8 bytes"),
        (header(b"(" * 5000), "no array in NumPy's format"),
        (header(b"[" * 5000 + b"]" * 5000), "no array in NumPy's format"),
        (
            header(b"{'descr': 'O', 'fortran_order': False, 'shape': (2,), }", pickle.dumps([1])),
            "Python objects",
        ),
        (b"\x93NUMPY\x09\x00" + bytes(100), r"version (9, 0) of the format is unknown"),
        (b"", "no array in NumPy's format"),
    ],
)
@pytest.mark.faults("an array that is none, or promises terabytes")
def test_arrays_that_are_none(tmp_path, content, why):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    for read in READERS[".npy"]:
        assert why in refused(read, str(path))


@pytest.mark.parametrize("digits", ["9" * 5000, "0x" + "f" * 5000, "-0x" + "f" * 5000, "0b" + "1" * 20_000])
def test_integers_of_thousands_of_digits_in_format_texts(digits, tally):
    for text in (
        *("fixed({},4)", "fixed(8,{})", "float({},3)", "posit({},1)", "int({})", "bfp(8,block={})"),
        *("fixed(8,4,symmetric={})", "ternary(threshold={})", "nvfp4(tensor_scale={})", "codebook({})"),
        *("codebook('x.npy',sha256={})", "block(int(4),{})", "mxint8(scale={})", "lns(8,{})", "{}", "{}(1)"),
    ):
        with tally("an integer of thousands of digits"):
            refused(parse, text.format(digits))


def test_integers_of_thousands_of_digits_in_options(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("name: x\ndatasets: [digits]\narchitectures: [lenet]\npolicies: {float32: float32}\n")
    huge = "9" * 5000
    assert "is a count, such as 5" in refused(load_grid, path, changes=Changes(seeds=huge))
    assert "is a count, such as 5" in refused(load_grid, path, changes=Changes(seeds=f"1,{huge}"))
    refused(load_grid, path, changes=Changes(entries=[f"training.epochs={huge}"]))
    refused(load_grid, path, changes=Changes(entries=[f"architectures.{huge}.width=1"]))
    path.write_text(f"{path.read_text()}seeds: [{huge}]\n")
    refused(load_grid, path)


def test_what_was_received_is_shortened():
    text = refused(parse, "x" * 10_000_000)
    assert text.startswith("malformed format 'xxx") and text.endswith("write it as 'float16' or 'fixed(8,4)'")
    assert len(shown(["y" * 1000] * 1000)) <= 300
    assert len(suggest("z", [f"name{i}" for i in range(1000)])) <= 320
    assert shown({"b": 1, "a": [2.5, None, True]}) == "{'b': 1, 'a': [2.5, None, True]}"
    error = PrecisionError("first\nsecond\0third\ud800" + "x" * 1000 + "; the end")
    assert str(error).startswith("first second\\x00third\\ud800xxx") and str(error).endswith("xxx; the end")
    assert len(str(error)) == MOST


def test_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(LocatedError(("layers", 1), "wrong")))
    assert (error.location, str(error)) == (("layers", 1), "wrong")


@pytest.mark.parametrize("text", [r"codebook('C:\data\x.npy')", r"codebook('a\d.npy')"])
def test_backslashes_that_mean_nothing(text):
    assert refused(parse, text).endswith("a backslash in a path is written twice")


def test_paths_with_quotes_and_backslashes_parse_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a\\\"b'.npy", np.array([0.0, 1.0]))
    found = parse("""codebook("a\\\\\\"b'.npy")""")
    assert parse(found.name) == found


@pytest.mark.parametrize("kind", ["folder", "fifo", "zero", "large", "grown"])
@pytest.mark.faults("a folder, FIFO, device or endless file in the place of a record")
def test_what_lies_in_the_place_of_a_stored_file_is_not_read(tmp_path, kind):
    path = tmp_path / "result.json"
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "zero":
            path.symlink_to("/dev/zero")
        case "large":
            with path.open("wb") as stream:
                stream.truncate(2**40)
        case "grown":  # a file of /proc has no size either
            path.symlink_to("/proc/self/status")
    with pytest.raises(ValueError, match=r"this is a (folder|FIFO|device)|a file here has at most 100 bytes"):
        received.stored(path, 100)


def test_a_store_of_a_stranger_neither_hangs_nor_takes_the_memory(tmp_path, tally):
    """Each file in turn is a FIFO, a device without end, or a promise."""
    store = Store(tmp_path / "runs")
    store.create()
    trial = make_trial()
    store.save(make_result(trial))
    lie = header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }")
    for name, reads in {
        "result.json": lambda: (store.load(trial.id), store.results(), store.summaries()),
        "predictions.npy": lambda: store.predictions(trial.id),
    }.items():
        path = store.folder(trial.id) / name
        good = path.read_bytes()
        for make in (
            os.mkfifo,
            lambda path: path.symlink_to("/dev/zero"),
            lambda path: path.write_bytes(lie),
        ):
            path.unlink()
            make(path)
            attack = tally("a FIFO, a device or a promise of terabytes in the place of a stored file")
            with attack, warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                if name == "result.json":
                    assert reads() == (None, {}, []) and len(told) == 3
                else:
                    refused(reads)
        path.unlink()
        path.write_bytes(good)
    assert store.load(trial.id) is not None and len(store.predictions(trial.id)) == 5


@pytest.mark.faults("an archive that becomes much larger")
def test_a_model_file_that_becomes_much_larger_is_not_read(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2**24))
    assert path.stat().st_size < 20_000
    text = refused(load_model, path)
    assert "announces 16777216 bytes, more than the " in text and "model.save" in text
