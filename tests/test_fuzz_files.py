"""Files that are damaged at random, of every kind beyond a user's own tables: one sentence each."""

import contextlib
import gzip
import io
import json
import random
import struct
import tarfile
import warnings
from functools import partial

import keras
import numpy as np
import pytest
from fuzzing import damaged, refuses
from stored import make_result, make_trial

from precision import plugins
from precision.analysis.stored import stored
from precision.data.files import archive, idx
from precision.data.files.streams import read_bytes
from precision.data.loading import load
from precision.data.shared import share, shared
from precision.deploy import model_file
from precision.deploy.packed import file as packing
from precision.exploration.journal import Journal
from precision.grid import Store
from precision.grid.store import clean
from precision.grid.store.registered import registrations
from precision.quantization import parse_policy
from precision.report.pages.made_from import MadeFrom, check, recorded


def batter(path, read, rng, times, attack=contextlib.nullcontext):
    """Damage a file again and again; return how often reading it was refused.

    ``attack`` gives a context that counts, and ``read`` may return True for damage that it has told.
    """
    good = path.read_bytes()
    assert not refuses(read)
    refused = 0
    for _ in range(times):
        path.write_bytes(damaged(rng, good))
        with attack() as counted:
            refused += refuses(read, attack=counted)
    path.write_bytes(good)
    return refused


def ignoring(read):
    """Return a reader that may also warn of what it leaves out."""

    def quiet():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()

    return quiet


PIXELS = np.arange(24, dtype=np.uint8)
IMAGES = struct.pack(">4I", 0x803, 2, 4, 3) + PIXELS.tobytes()
LABELS = struct.pack(">2I", 0x801, 2) + bytes([1, 0])
ONE = tarfile.TarInfo("a/one.bin")
ONE.size = 5


def archived():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(ONE, io.BytesIO(b"12345"))
    return gzip.compress(out.getvalue(), mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("images", IMAGES, lambda path: idx.read_images(path, (4, 3), 10)),
        ("images.gz", gzip.compress(IMAGES, mtime=0), lambda path: idx.read_images(path, (4, 3), 10)),
        ("labels.gz", gzip.compress(LABELS, mtime=0), lambda path: idx.read_labels(path, 2, 10)),
        ("batch.bin.gz", gzip.compress(IMAGES, mtime=0), lambda path: read_bytes(path, 100)),
        ("one.tar.gz", archived(), lambda path: archive.extract(path, {"a/one.bin": 5}, path.parent / "out")),
    ],
    ids=["images", "images.gz", "labels.gz", "batch.bin.gz", "one.tar.gz"],
)
def test_data_of_known_sources(tmp_path, name, content, read, tally):
    path = tmp_path / name
    path.write_bytes(content)
    # A label or a pixel may be another one, and nobody can tell.
    attack = partial(tally, "a file of images or values, damaged at random")
    assert batter(path, lambda: read(path), random.Random(5), 60, attack) > 15


def test_a_packed_file(tmp_path, tally):
    layers = [keras.Input((6,)), keras.layers.Dense(5, name="a"), keras.layers.Dense(3, name="b")]
    model = keras.Sequential(layers)
    policy = parse_policy({"weights": {"format": "int(4)", "scaling": "real", "per": "channel"}})
    path = tmp_path / "model.safetensors"
    path.write_bytes(packing.to_bytes(packing.pack_model(model, policy), policy))
    read = ignoring(lambda: packing.load_into(model, packing.read(path), path))
    attack = partial(tally, "a packed file, damaged at random")
    assert batter(path, read, random.Random(6), 150, attack) > 75


def test_a_model_file(tmp_path, tally):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)]).save(path)
    attack = partial(tally, "a model file, damaged at random")
    assert batter(path, ignoring(lambda: model_file.load_model(path)), random.Random(7), 20, attack) > 10


PLUGIN = '''\
"""A format."""
from precision.formats import Codebook, register_format

@register_format("signs")
def signs():
    """Two values."""
    return Codebook("signs", bits=1, values=[-1.0, 1.0])
'''


def test_a_plugin(tmp_path, tally):
    path, former = tmp_path / "signs.py", plugins.loaded()
    path.write_text(PLUGIN)

    def read():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser of Python
            plugins.load([path])

    try:
        assert batter(path, read, random.Random(8), 150, partial(tally, "a plugin, damaged at random")) > 75
    finally:
        plugins.load(former)


def test_the_images_that_workers_share(tmp_path, tally):
    folder = share(load("digits", train_size=20, test_size=10), tmp_path)
    for number, path in enumerate(sorted(folder.iterdir())):
        attack = partial(tally, "images that workers share, changed")
        assert batter(path, lambda: shared(folder), random.Random(number), 20, attack) == 20


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "runs")
    found.create()
    for seed in range(2):
        found.save(make_result(make_trial(seed)))
    found.register(tmp_path / "grid.yaml", "g", [make_trial(0).id])
    with Journal(found.root, "sensitivity", {"content": make_trial().to_json()}, {}) as rows:
        rows.append({"layer": "a", "loss": 1.0})
    stored(found)
    return found


def test_a_store(store, tally):
    """A file of it that cannot be trusted is left out, and said so; nothing else comes of it."""
    trial = make_trial(0).id
    folder = store.folder(trial)
    good = repr(store.load(trial)), repr(store.results()), store.predictions(trial).tolist()

    def everything():
        """Read all; the result is the one that was stored, or there is none."""
        store.summaries(), stored(store)
        found, results = store.load(trial), store.results()
        assert (found is None) == (trial not in results)
        assert found is None or (repr(found), repr(results)) == good[:2]
        return found is None

    cache = store.root / "index.sqlite"

    def whatever_the_index_holds():
        before = cache.read_bytes()
        everything()
        assert repr(store.results()) == good[1]
        return cache.read_bytes() != before  # it was made anew

    def predictions():
        assert store.predictions(trial).tolist() == good[2]

    record, cached = (partial(tally, f"{what}, damaged at random") for what in ("a record", "an index"))
    batter(folder / "result.json", ignoring(everything), random.Random(9), 20, record)
    batter(cache, ignoring(whatever_the_index_holds), random.Random(10), 8, cached)
    attack = partial(tally, "predictions, damaged at random")
    batter(folder / "predictions.npy", predictions, random.Random(11), 60, attack)
    (entry,) = (store.root / "grids").iterdir()
    assert batter(entry, lambda: registrations(store.root), random.Random(12), 60) > 30
    (journal,) = (store.root / "sensitivity").iterdir()

    def rows():
        with Journal(store.root, "sensitivity", {"content": make_trial().to_json()}, {}):
            pass

    batter(journal, ignoring(rows), random.Random(13), 60)
    batter(journal, ignoring(lambda: clean.find(store, set())), random.Random(14), 8)


def test_what_a_report_was_made_from(tmp_path):
    made = MadeFrom("grid.yaml", ("--seeds 2",), 3)
    path = tmp_path / "report.md"
    path.touch()
    (tmp_path / "made_from.json").write_text(recorded(path, made))
    # A damaged one counts as none, or as that of another grid.
    batter(tmp_path / "made_from.json", lambda: check(path, made, False), random.Random(15), 100)
    assert json.loads(recorded(path, made)).keys() == {"report.md"}
