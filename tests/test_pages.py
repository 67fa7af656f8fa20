"""Every example of the README and of docs/ does what it says: in the order of the page, as written."""

import json
import re
import shutil
from pathlib import Path

import inside
import numpy as np
import pytest
import yaml
from pages import ROOT, Reader, blocks, commands

from precision import plugins
from precision.grid import expand, load_grid
from precision.quantization.sites import resolve

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
ELSEWHERE = {"docs/adding-a-format.md": "test_adding_a_format", "docs/extending.md": "test_extending"}

# What no reader of the tests can do, by the words with which a command begins, and why.
NOT_RUN = {
    "make ": "make builds an environment; its commands are tested one by one",
    ". .venv/bin/activate": "the tests run in an environment already",
    "pip install": "installs something",
    "precision export 3e5228d43ca1 --to model.onnx": "tests/methods/test_onnx.py",
    "precision bundle ": "likewise",
    "precision results import": "likewise",
    "python3 run.py": "likewise",
    "build/aarch64/": "an emulated processor: likewise, where it is set up",
    "precision report my-grid.yaml --serve": "serves until it is interrupted: tests/cli/test_serve.py",
    "ray ": "a cluster: tests/grid/execution/ray",
    "precision run grid.yaml --executor ray": "likewise",
    "precision run grid.yaml --track": "the packages may be missing: tests/tracking",
    "precision clean --dry-run": "the store is that of all pages: tests/grid/store/test_clean.py",
    "precision clean": "likewise",
}
PYTHON_NOT_RUN = {"from precision.tracking import make": "goes on with cells of a run: tests/tracking"}
OF_A_TRIAL = re.compile(r"\b(rerun|export|show|certify) [0-9a-f]{12}\b")
TRAIN = ("run", "sensitivity", "search", "rerun")


def run_here(block):
    if block.language == "python":
        return not any(block.text.startswith(word) for word in PYTHON_NOT_RUN)
    return not (block.language == "sh" and all(c.startswith(tuple(NOT_RUN)) for c in commands(block)))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a model that tells digits apart, and such digits; least squares fit its last layer."""
    import keras

    import architectures
    from precision.data import as_float, load

    folder = tmp_path_factory.mktemp("own")
    digits = load("digits", train_size=400, test_size=200)
    model = architectures.build("lenet", input_shape=(28, 28, 1), classes=10)
    features = keras.Model(model.inputs, model.layers[-1].input)
    seen = np.pad(features.predict(as_float(digits.x_train), verbose=0), ((0, 0), (0, 1)), constant_values=1)
    solved = np.linalg.lstsq(seen, 8 * np.eye(10)[digits.y_train], rcond=None)[0]
    model.layers[-1].set_weights([solved[:-1], solved[-1]])
    model.save(folder / "model.keras")
    parts = {name: getattr(digits, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(folder / "images.npz", **parts)
    return folder


@pytest.fixture
def reader(tmp_path, store, own, monkeypatch):
    """A folder of a reader: results of earlier pages, a folder of data, a model, a grid of one's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(store)
    (tmp_path / "DATA").mkdir()
    for name, source in (("model.keras",) * 2, ("lenet.keras", "model.keras"), ("images.npz",) * 2):
        shutil.copyfile(own / source, tmp_path / name)
    found = Reader(tmp_path)
    found.write("grid.yaml", MINE.format(name="grid"))
    found.write("my-grid.yaml", MINE.format(name="my-grid"))
    with inside.trials():
        yield found
    plugins.load([])


MINE = """\
name: {name}
datasets: [digits]
architectures: [lenet]
policies:
  float32: float32
  half: float16
  fixed8: {{weights: "fixed(8,6)", biases: "fixed(8,6)", activations: "fixed(8,3)", inputs: "fixed(8,7)"}}
"""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_the_examples_of_a_page(reader, store, page):
    for block in blocks(page):
        if (not block.what and block.language == "yaml") or not run_here(block):
            continue
        if OF_A_TRIAL.search(block.text):
            block = block._replace(text=_known(block.text, store))
        if block.language == "sh":
            block = block._replace(
                text="\n".join(c for c in commands(block) if not c.startswith(tuple(NOT_RUN)))
            )
        reader.read(block)


def _known(text, store):
    """Return a command with the id of a trial that the store has."""
    ids = sorted(path.parent.name for path in store.glob("trials/*/trained.weights.h5"))
    if "certify" in text or ".tflite" in text:  # which not every policy can
        ids = [name for name in ids if not _trial(store / "trials" / name)["policy"]]
    return OF_A_TRIAL.sub(rf"\1 {ids[0]}", text)


def _trial(folder):
    return json.loads((folder / "result.json").read_text())["trial"]


@pytest.mark.parametrize("page", PAGES)
def test_nothing_that_a_page_shows_escapes_its_test(page):
    text = (ROOT / page).read_text()
    assert not re.search(r"^    (?:\$ )?(?:precision|make|pip|python) ", text, re.M), (
        "commands stand in sh blocks"
    )
    for block in blocks(page):
        assert block.language or "precision " not in block.text, block.text
        assert not re.search(r"\.venv/bin/precision|^\$ ", block.text, re.M), "one form of the command"


@pytest.mark.parametrize("page", PAGES)
def test_the_whole_grids_of_a_page_fit_their_networks(page, tmp_path, monkeypatch):
    """As written, without training: every policy resolves on every network that it meets."""
    import architectures

    monkeypatch.chdir(tmp_path)
    if page in ELSEWHERE:
        return
    grids = {}
    for block in blocks(page):
        if block.what == "add":
            for key, value in yaml.safe_load(block.text).items():
                old = grids[block.name].get(key)
                grids[block.name][key] = {**old, **value} if isinstance(value, dict) else value
        elif block.what == "file" and block.name.endswith(".yaml"):
            grids[block.name] = yaml.safe_load(block.text)
        elif block.what == "file":
            Path(block.name).parent.mkdir(exist_ok=True, parents=True)
            Path(block.name).write_text(block.text)
    shapes = {"cifar10": (32, 32, 3)}
    built = {}
    for name, grid in grids.items():
        if "csv" in str(grid["datasets"]):
            continue
        if "keras_file" in str(grid["architectures"]):
            architectures.build("lenet").save("model.keras")
        Path(name).write_text(yaml.safe_dump(grid, sort_keys=False))
        parsed, source = load_grid(name)
        seen = set()
        for cell in expand(parsed, source):
            key = (cell.trial.architecture.text, cell.policy)
            if key in seen:
                continue
            seen.add(key)
            if key[0] not in built:
                shape = shapes.get(cell.trial.dataset.name, (28, 28, 1))
                options = cell.trial.architecture.options
                built[key[0]] = architectures.build(cell.trial.architecture.name, shape, 10, **options)
            resolve(built[key[0]], parsed.policies[cell.policy])
    plugins.load([])


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A folder with the files that fragments of pages name."""
    monkeypatch.chdir(tmp_path)
    np.savez("images.npz", x=np.zeros((10, 28, 28), np.uint8), y=np.arange(10) % 2)
    np.save("signals.npy", np.zeros((10, 7)))
    np.save("kinds.npy", np.arange(10) % 2)
    for table in ("houses.csv", "films.csv"):
        Path(table).touch()
    for name in ("cats", "dogs"):
        Path("photographs", name).mkdir(parents=True)
        Path("photographs", name, "1.png").touch()
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if page not in (*ELSEWHERE, "docs/grid.md")])
def test_the_fragments_of_a_page_are_valid(page, own_data):
    """What is a part of a grid is one in a grid that has the rest; those of docs/grid.md: test_docs.py."""
    rest = {"name": "x", "datasets": ["digits"], "architectures": ["lenet"]}
    for block in blocks(page):
        if block.what or block.language != "yaml":
            continue
        part = yaml.safe_load(block.text)
        part["policies"] = {"float32": "float32", **part.get("policies", {"half": "float16"})}
        Path("part.yaml").write_text(yaml.safe_dump({**rest, **part}))
        assert expand(*load_grid("part.yaml")), block.text


def test_the_index_has_every_page():
    text = (ROOT / "docs" / "README.md").read_text()
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "README.md" or f"]({path.name})" in text, path.name


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        if file.startswith("http"):
            continue
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", found.read_text(), re.M)
            names = {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}
            assert anchor in names, target


@pytest.mark.parametrize(
    "sentence",
    [
        "use a trial of another cell",
        "hands on what was rounded",
        "pass on what",
        "leave their `zip`",
        "no longer part of their",
        "neither are sweeps",
        "a second meaning",
        "what is not named is not",
    ],
)
def test_sentences_that_nobody_understood_are_gone(sentence):
    for path in [*(ROOT / "precision").rglob("*.py"), *(ROOT / page for page in PAGES)]:
        assert sentence not in " ".join(path.read_text().split()), path
