import io
import math

import pandas as pd
import pytest
import yaml

from precision.analysis.search import SEARCH_COLUMNS, Found, Unit
from precision.quantization import parse_policy
from precision.report import document
from precision.report.figures.search import search_figure
from precision.report.pages.search import found_text, policy_yaml, write_search
from precision.report.text import number

POLICY = parse_policy(
    {
        "layers": {
            "conv[1]": {"weights": {"format": "int(4)", "scaling": "real", "per": "channel"}},
            "logits": {"weights": "fixed(8,6)", "activations": {"format": "int(8)", "scaling": "real"}},
        },
        "exempt": ["additions"],
        "calibration": {"images": 100},
    }
)


def row(policy, assignment, size, lost, **more):
    return {
        "dataset": "mnist",
        "architecture": "lenet",
        "training": "",
        "policy": policy,
        "assignment": assignment,
        "weight_bytes": size,
        "peak_activation_bytes": 1024,
        "bops": 2.0 * size,
        "energy_pj": 100.0 * size,
        "accuracy": 0.99 - lost / 100,
        "baseline_accuracy": 0.99,
        "accuracy_loss": lost,
        "loss": lost / 10,
        "baseline_loss": 0.01,
        "images": 5000,
        "seeds": 3,
        "feasible": lost <= 1,
        "front": False,
        "chosen": False,
        **more,
    }


def found(**changes):
    rows = [
        row("int2", "a int2, b int2", 10_000, 60.0, front=True),
        row("", "a int2, b int4", 12_000, 0.8, front=True, chosen=True),
        row("", "a int4, b int2", 18_000, 7.0),
        row("int4", "a int4, b int4", 20_000, 0.2, front=True),
        row("int8", "a int8, b int8", 40_000, 0.2),
    ]
    values = {
        "title": "mnist, lenet",
        "frame": pd.DataFrame(rows, columns=list(SEARCH_COLUMNS)),
        "label": "searched",
        "policy": POLICY.to_json(),
        "units": (Unit("a", "int2", 100, 2000, 5e6), Unit("b", "int4", 50, 50, math.nan)),
        "uniform": "int4",
        "checks": {"float32": 0.985, "found": 0.975, "uniform": 0.984},
        "check_images": 5000,
        "missing": {},
        "environment": {},
        **changes,
    }
    return Found(**values)


def report(tmp_path, *every, objective="memory"):
    path = write_search(
        every,
        name="g",
        command=["precision", "search", "g.yaml"],
        objective=objective,
        energy_table="a chip, 3 nm",
        method="greedy",
        tolerance=1.0,
        output=tmp_path,
        environment={"tensorflow": "2.20", "commit": "abc"},
    )
    return path.read_text()


def test_the_report(tmp_path):
    text = report(tmp_path, found())
    assert "5,000 of them, with the float32 networks of 3 seeds" in text
    assert (
        "Found: 11.7 KiB of weights at 98.20 % on the deciding images, -0.80 points against float32." in text
    )
    assert "int4, takes 19.5 KiB of weights; 40 % is saved." in text
    assert "other training images, which had no say: the found policy -1.00 points, int4 -0.10 points" in text
    assert "is a model (a chip, 3 nm; one memory" in text
    lines = [" ".join(line.replace("|", " ").split()) for line in text.splitlines()]
    assert "a int2 100 2,000 5 µJ" in lines
    assert "b int4 50 50 —" in lines
    assert "**mixed, found** 11.7 KiB 1.0 KiB 2.4e+04 1.2 µJ 98.20 -0.80 0.0800 yes yes" in lines
    assert not any(line.startswith("mixed 17") for line in lines)  # neither on the front nor a single policy
    assert "- commit: abc" in lines
    assert len(pd.read_csv(tmp_path / "search.csv")) == 5
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")
    assert yaml.safe_load((tmp_path / "policy.yaml").read_text())["policies"]["searched"]


def test_the_energy_is_called_modelled(tmp_path):
    text = report(tmp_path, found(), objective="energy")
    assert "Found: 1.2 µJ of modelled energy" in text
    assert "at least modelled energy" in text
    figure = search_figure(found().frame, "energy", 1.0, "t")
    assert "a model, not measured" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize(
    ("objective", "cost", "label"),
    [
        ("activations", "1.0 KiB of activations at once", "activation memory at once (KiB)"),
        ("bops", "2.4e+04 bit operations", "bit operations of one inference (millions)"),
    ],
)
def test_other_objectives(tmp_path, objective, cost, label):
    assert f"Found: {cost} at" in report(tmp_path, found(), objective=objective)
    assert search_figure(found().frame, objective, 1.0, "t").axes[0].get_xlabel() == label


def test_nothing_within_the_tolerance(tmp_path):
    frame = found().frame.assign(feasible=False, chosen=False)
    text = report(tmp_path, found(frame=frame, policy=None, units=(), uniform="", checks={}))
    assert "No evaluated assignment loses at most 1 percentage point." in text
    assert "a int4, b int4" in text
    assert (tmp_path / "policy.yaml").read_text() == "policies: {}\n"


def test_only_a_mixed_one_within_the_tolerance(tmp_path):
    assert "No single policy is within the tolerance." in report(tmp_path, found(uniform=""))


def test_seeds_that_are_missing_are_told(tmp_path):
    assert "Seed 2 has no float32 network: diverged: why." in report(
        tmp_path, found(missing={2: "diverged: why"})
    )


def test_several_networks_have_a_figure_and_a_policy_each(tmp_path):
    text = report(tmp_path, found(label="searched-lenet"), found(label="searched-vgg", title="mnist, vgg"))
    assert "](search_1_mnist_lenet.png)" in text and "](search_2_mnist_vgg.png)" in text
    assert set(yaml.safe_load((tmp_path / "policy.yaml").read_text())["policies"]) == {
        "searched-lenet",
        "searched-vgg",
    }


def test_the_policy_reads_back_as_it_was():
    text = policy_yaml([found(label="searched: lenet")])
    (read,) = yaml.safe_load(text)["policies"].values()
    assert parse_policy(read) == POLICY
    # One line per layer, so that it can be read and edited.
    assert sum("weights:" in line for line in text.splitlines()) == 2


def test_the_policy_is_read_by_the_reader_of_grids(tmp_path):
    from precision.grid import load_grid

    head = "name: g\ndatasets: [digits]\narchitectures: [lenet]\n"
    (tmp_path / "g.yaml").write_text(head + policy_yaml([found()]))
    assert load_grid(tmp_path / "g.yaml")[0].policies["searched"] == POLICY


def test_lines_for_a_terminal():
    lines = found_text([found(), found(policy=None, title="other")], "memory").splitlines()
    assert lines == [
        "mnist, lenet: 11.7 KiB of weights, -0.80 points",
        "  a: int2",
        "  b: int4",
        "  for comparison, int4 alone: 19.5 KiB of weights",
        "other: no evaluated assignment is within the tolerance",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(5e6, "5 µJ"), (1.234e7, "12.3 µJ"), (999.0, "0.999 nJ"), (math.nan, "—")]
)
def test_energies_in_words(value, text):
    assert number(value, document.Unit.PICOJOULES) == text


def test_the_figure_draws_what_there_is():
    frame = found().frame
    figure = search_figure(frame, "memory", 1.0, "a $title")
    texts = sorted(text.get_text() for text in figure.axes[0].texts)
    assert texts == ["int2", "int4", "int8", "tolerance 1"]
    search_figure(frame[frame["policy"] != ""].assign(front=False, chosen=False), "memory", 0.0, "t").savefig(
        io.BytesIO(), format="png"
    )
