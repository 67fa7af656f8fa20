import itertools
import shutil
from pathlib import Path

import inside
import pytest
import yaml

import precision
from precision.analysis.search import OBJECTIVES
from precision.errors import PrecisionError
from precision.exploration import network_search
from precision.exploration.options import SearchOptions
from precision.exploration.search import search
from precision.report.pages.search import policy_yaml


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the trained tiny grid that a test may change."""
    return Path(shutil.copytree(trained.parent, tmp_path / "copy"))


def searched(folder, policies=(), **settings):
    settings = {"tolerance": 2.0, "images": 150, **settings}
    options = SearchOptions(**settings)
    (found,) = search(
        folder / "tiny.yaml", store=folder / "runs", options=options, quiet=True, policies=policies
    ).networks
    return found


def test_it_finds_what_enumeration_finds(folder):
    """Two layers and three policies: nine assignments, all of which NSGA-II evaluates too."""
    exhaustive = searched(folder, method="nsga2", trials=9).frame
    assert len(exhaustive) == 9
    assert len(set(exhaustive["assignment"])) == 9
    within = exhaustive[exhaustive["accuracy_loss"] <= 2.0]
    assert exhaustive["feasible"].tolist() == (exhaustive["accuracy_loss"] <= 2.0).tolist()
    least = within.sort_values(["weight_bytes", "accuracy_loss", "loss"]).iloc[0]
    for method in ("greedy", "nsga2"):
        found = searched(folder, method=method)
        chosen = found.frame[found.frame["chosen"]].iloc[0]
        assert chosen["weight_bytes"] == least["weight_bytes"]
        assert chosen["assignment"] == least["assignment"]
        assert [unit.policy for unit in found.units] == [
            words.split(" ")[-1] for words in chosen["assignment"].split(", ")
        ]
    for objective in ("energy", "activations", "bops"):
        found = searched(folder, objective=objective).frame
        chosen, column = found[found["chosen"]].iloc[0], OBJECTIVES[objective].column
        assert chosen[column] == within[column].min()


def test_the_policy_runs_in_a_grid_as_it_is(folder):
    found = searched(folder)
    grid = yaml.safe_load((folder / "tiny.yaml").read_text().replace("5e-3", "0.005"))
    grid["policies"].update(yaml.safe_load(policy_yaml([found]))["policies"])
    (folder / "with.yaml").write_text(yaml.safe_dump(grid, sort_keys=False))
    with inside.trials():
        results = precision.run(
            folder / "with.yaml", store=folder / "runs", output=folder / "out", quiet=True
        )
    cells = results.cells()
    assert (cells["status"] == "ok").all(), cells[["policy", "reason"]]
    chosen = found.frame[found.frame["chosen"]].iloc[0]
    own = cells[cells["policy"] == "searched"]
    assert set(own["weight_bytes"]) == {chosen["weight_bytes"]}
    same = cells[cells["policy"] == found.uniform]
    assert own["weight_bytes"].iloc[0] <= same["weight_bytes"].iloc[0]


def test_evaluations_are_kept_and_shared(folder, monkeypatch):
    first = searched(folder, trials=5)
    calls = []
    logits = network_search.Evaluator.logits
    monkeypatch.setattr(
        network_search.Evaluator, "logits", lambda self, model: calls.append(model) or logits(self, model)
    )
    again = searched(folder, trials=5)
    assert calls == []
    assert again.frame.equals(first.frame) and again.policy == first.policy and again.checks == first.checks
    searched(folder, method="nsga2", objective="energy", trials=3)  # the single policies are known
    assert len(calls) <= 2 * 2  # at most the check of another choice, on two seeds


def test_the_test_images_are_not_looked_at(folder, monkeypatch):
    before = searched(folder, trials=3).frame
    shutil.rmtree(folder / "runs" / "search")
    original = network_search._parts

    def blind(dataset, images):
        object.__setattr__(dataset, "x_test", None)
        object.__setattr__(dataset, "y_test", None)
        return original(dataset, images)

    monkeypatch.setattr(network_search, "_parts", blind)
    assert searched(folder, trials=3).frame.equals(before)


def test_the_check_is_on_other_images(folder):
    found = searched(folder, images=100)
    assert set(found.frame["images"]) == {100}
    assert found.check_images == 100
    assert set(found.checks) == {"float32", "found", "uniform"}
    rest = searched(folder, images=220)
    assert rest.check_images == 80  # of 300
    everything = searched(folder, images=5000)
    assert set(everything.frame["images"]) == {300}
    assert everything.check_images == 0 and everything.checks == {}


def test_the_parts_are_disjoint_and_always_the_same():
    from types import SimpleNamespace

    dataset = SimpleNamespace(x_train=range(50))
    a, b = network_search._parts(dataset, 20)
    assert len(set(a) | set(b)) == 40
    c, _ = network_search._parts(dataset, 10)
    assert list(a[:10]) == list(c)


def test_a_tolerance_that_nothing_meets(folder):
    path = folder / "tiny.yaml"
    path.write_text(path.read_text().replace("  int2:", '  none: {weights: "fixed(2,9)"}\n  int2:'))
    found = searched(folder, policies=["none"], tolerance=0.0)
    assert found.policy is None and found.uniform == "" and found.units == ()
    assert set(found.checks) == {"float32"}
    assert policy_yaml([found]) == "policies: {}\n"


def test_choices_come_in_every_combination(folder):
    found = searched(folder, policies=["int8", "int2"], method="nsga2", trials=4)
    names = [unit.split(" ")[0] for unit in found.frame["assignment"].iloc[0].split(", ")]
    expected = {
        ", ".join(f"{name} {label}" for name, label in zip(names, labels, strict=True))
        for labels in itertools.product(("int8", "int2"), repeat=2)
    }
    assert set(found.frame["assignment"]) == expected
    assert set(found.frame["policy"]) == {"int8", "int2", ""}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"objective": "speed"}, "unknown objective 'speed'"),
        ({"method": "gready"}, "unknown method 'gready'; did you mean 'greedy'"),
        ({"tolerance": -1.0}, "--tolerance is in percentage points, from 0 to 100"),
        ({"tolerance": float("nan")}, "--tolerance is in percentage points"),
        ({"images": 0}, "--images must be a whole number above 0"),
        ({"trials": 0}, "--trials must be a whole number above 0"),
    ],
)
def test_wrong_settings(options, text):
    with pytest.raises(PrecisionError, match=text):
        SearchOptions(**options)


def test_wrong_policies(folder):
    with pytest.raises(PrecisionError, match="unknown policy 'int9'"):
        searched(folder, policies=["int8", "int9"])
