"""Every grid that ships is read, and run with its own axes at a reduced size."""

import json
import warnings
from fnmatch import fnmatchcase
from pathlib import Path

import inside
import pytest
import yaml

import precision
from precision.cli.init import STARTER
from precision.grid import Store, expand, load_grid, schedule
from precision.grid.execution.scheduler import run_trials, setup
from precision.grid.execution.watcher import Watcher

FOLDER = Path(__file__).parent.parent / "experiments"
PUBLISHED = sorted((FOLDER / "published").glob("*.yaml"))
FILES = [*sorted(FOLDER.glob("*.yaml")), *PUBLISHED]
GRIDS = [*FILES, STARTER]
IDS = Path(__file__).parent / "trial_ids.json"


def test_there_are_experiments():
    assert {path.name for path in FILES} >= {"quickstart.yaml", "mnist_formats.yaml", "adadelta.yaml"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_is_valid(path):
    assert expand(*load_grid(path))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_trials_keep_their_identity(path):
    """An id is what stored results are found by: it changes with NUMERICS_VERSION, or with the experiment."""
    trials = schedule(expand(*load_grid(path)))
    assert [trial.id for trial in trials] == json.loads(IDS.read_text())[path.name]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda p: p.name)
def test_published_figures_have_their_source_and_margins(path):
    grid, _ = load_grid(path)
    published = grid.report.published
    assert published.source and "Margins, said before the run" in grid.description
    assert published.figures and not published.accuracy


def one_figure(grid):
    """Leave of the published figures the last one of the first data set, with its policy and one method."""
    first, published = label(grid["datasets"][0]), grid["report"]["published"]
    figure = [one for one in published["figures"] if one.get("dataset", first) == first][-1]
    named = next(name for name in grid["policies"] if fnmatchcase(name, figure["policy"]))
    kept = {named, grid["report"].get("baseline", "float32")}
    grid["policies"] = {name: policy for name, policy in grid["policies"].items() if name in kept}
    grid["methods"] = [{**one, "epochs": 1} if "epochs" in one else one for one in grid["methods"][:1]]
    published["figures"] = [figure]


def reduced(grid):
    """The same grid on a few digits, with one seed, thin networks and one epoch.

    Much of the time of such trials goes into the graph of each training, and that of a report into its
    figures. So networks that no inclusion or exclusion names are left to the quickstart, which has them all,
    and of networks and data sets of which none is named the first is taken; of policies, and of the values of
    a sweep, the first and the last and those that the grid names elsewhere; of the policies that an inclusion
    trains with only the first, and of those of a sweep the last. Where optimizers are compared, one network
    does. No time is taken twice, and no device is asked for: one that is absent is tried again by each run,
    in a process of its own.
    """
    if "figures" in (grid.get("report", {}).get("published") or {}):
        one_figure(grid)
    chosen = [*grid.get("include", []), *grid.get("exclude", [])]
    named = [name for one in chosen for name in listed(one.get("architecture", []))]
    if grid["name"] != "quickstart":
        first = grid["architectures"][0]
        grid["architectures"] = [a for a in grid["architectures"] if label(a) in named] or [first]
    said = set(texts([chosen, grid.get("report", {}), grid.get("methods", [])]))
    grid["policies"] = ends(grid["policies"], said)
    for policy in grid["policies"].values():
        for slot in policy.values() if isinstance(policy, dict) else ():
            if isinstance(slot, dict) and isinstance(slot.get("each"), dict):
                slot["each"] = ends(slot["each"], said)
    if isinstance(grid["training"].get("optimizer"), list):
        grid["architectures"] = grid["architectures"][:1]
    for times in ("repeats", "latency"):
        grid.pop(times, None)
    grid.get("runtime", {}).pop("device", None)
    for inclusion in grid.get("include", []):
        if "policy" in inclusion:
            inclusion["policy"] = listed(inclusion["policy"])[:1]
    trained = [label(method) for method in listed(grid.get("methods", [])) if "epochs" in method]
    swept = [sweep for policy in grid["policies"].values() for sweep in sweeps(policy)]
    if trained and swept:
        others = [f"*{name}" for sweep in swept for name in list(sweep)[:-1]]
        grid["exclude"] = [*grid.get("exclude", []), {"method": trained, "policy": others}]
    labels = [label(entry) for entry in grid["datasets"]]
    if not any("dataset" in one for one in chosen):
        labels = labels[:1]
    small = {"name": "digits", "train_size": 20, "test_size": 20}  # of one shape: compiled once
    grid["datasets"] = [{**small, "label": label} for label in labels]  # one trial under several labels
    grid["seeds"] = [0]
    for policy in grid["policies"].values():
        if isinstance(policy, dict):
            policy["calibration"] = {**policy.get("calibration", {}), "images": 16}
    thin = [a if isinstance(a, dict) else {"name": a} for a in grid["architectures"]]
    grid["architectures"] = [
        {**a, "width": 0.1, "label": label(a)} | ({"depth": 8} if a["name"] == "resnet" else {}) for a in thin
    ]
    for options in (grid["training"], *(i["training"] for i in grid.get("include", []) if "training" in i)):
        if "epochs" in options:
            options["epochs"] = [1, 2] if isinstance(options["epochs"], list) else 1
        if "batch_size" in options:
            options["batch_size"] = 20  # all images, as with any other; so grids share their baselines
    for inclusion in grid.get("include", []):
        if isinstance(inclusion.get("method"), dict):
            inclusion["method"]["epochs"] = 1
    return grid


def ends(entries, said):
    """Return the first and the last of named entries, and those that are named in what is said elsewhere."""
    names = list(entries)
    return {
        name: entry
        for name, entry in entries.items()
        if name in (names[0], names[-1]) or any(text.strip("*").endswith(name) for text in said)
    }


def texts(value):
    """Yield every text within lists and mappings, the keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value:
            yield from texts(each)
        yield from texts(list(value.values())) if isinstance(value, dict) else ()


def whole(path):
    """Return a grid with what the file adds to that it extends."""
    # 1e-3 is a text to PyYAML; the grid's own reader takes it as the number that it is.
    grid = yaml.safe_load(path.read_text().replace("1e-3", "0.001").replace("5e-4", "0.0005"))
    return {**whole(path.parent / base), **grid} if (base := grid.pop("extends", None)) else grid


def listed(value):
    return value if isinstance(value, list) else [value]


def sweeps(policy):
    """Return the named values of each sweep of a policy."""
    slots = policy.values() if isinstance(policy, dict) else ()
    return [each for slot in slots if isinstance(slot, dict) and isinstance(each := slot.get("each"), dict)]


def label(entry):
    return entry.get("label", entry["name"]) if isinstance(entry, dict) else entry


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The reduced grids, beside a store with the results of them all.

    Their trials run together, so that a network that is warm is so for every grid.
    """
    folder = tmp_path_factory.mktemp("reduced")
    for path in GRIDS:
        grid = reduced(whole(path))
        grid["plugins"] = [str(path.parent / plugin) for plugin in grid.get("plugins", [])]
        (folder / path.name).write_text(yaml.safe_dump(grid, sort_keys=False))
    trials = schedule([cell for path in GRIDS for cell in expand(*load_grid(folder / path.name))])
    store = Store(folder / "runs")
    store.create()
    with inside.trials():
        run_trials(trials, store, setup(store, None), Watcher())
    return folder


@pytest.mark.parametrize("path", GRIDS, ids=lambda p: p.name)
def test_runs_at_reduced_size(path, folder, tmp_path):
    small = folder / path.name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = precision.run(small, store=folder / "runs", output=tmp_path, quiet=True)
    cells = results.cells()
    assert (cells["status"] == "ok").all(), cells[["architecture", "policy", "status", "reason"]]
    assert len(cells) == len(expand(*load_grid(small)))
    assert (tmp_path / "report.md").read_text().startswith(f"# {results.name}\n")
