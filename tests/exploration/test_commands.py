"""The two commands, as a user gives them."""

import shutil
from pathlib import Path

import inside
import pandas as pd
import pytest
import yaml
from commands import here
from stopped import interrupted_at

from precision.exploration.sensitivity import sensitivity


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained.parent, tmp_path / "copy"))


def test_a_search_from_nothing_trains_and_writes_everything(trained, tmp_path):
    text = trained.read_text().replace("epochs: 8", "epochs: 2").replace("[0, 1]", "[5]")
    (tmp_path / "tiny.yaml").write_text(text)
    words = ["search", "tiny.yaml", "--policies", "int8,int2", "--tolerance", "3", "--images", "100"]
    with inside.trials():
        done = here(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert "[1/1] digits mlp float32 seed 5:" in done.stderr
    out = tmp_path / "reports" / "tiny-search"
    assert {file.name for file in out.iterdir()} == {
        *("search.md", "search.csv", "policy.yaml", "search.png", "made_from.json")
    }
    report = (out / "search.md").read_text()
    assert (
        "precision search tiny.yaml --policies=int8,int2 --tolerance=3 --objective=memory --method=greedy "
        "--images=100"
    ) in report
    assert set(yaml.safe_load((out / "policy.yaml").read_text())["policies"]) == {"searched"}
    assert "for comparison, int" in done.stdout and "policies: reports/tiny-search/policy.yaml" in done.stdout
    assert "nan" not in done.stdout


def test_an_interrupted_sensitivity_goes_on_where_it_was(folder):
    words = ["sensitivity", "tiny.yaml", "--policy", "int2", "--slot", "weights", "--slot", "activations"]
    rows = folder / "runs" / "sensitivity"
    with interrupted_at("row kept", 2):
        stopped = here(folder, *words)
    assert stopped.returncode == 130, stopped.stderr
    assert "interrupted; what is finished is kept" in stopped.stderr
    kept = {file: file.read_bytes() for file in rows.glob("*.jsonl")}
    assert sum(content.count(b"\n") for content in kept.values()) == 1 + 2
    done = here(folder, *words)
    assert done.returncode == 0, done.stderr
    for file, content in kept.items():
        assert file.read_bytes().startswith(content)
    out = folder / "reports" / "tiny-sensitivity"
    assert {file.name for file in out.iterdir()} == {
        "sensitivity.md",
        "sensitivity.csv",
        "digits_mlp_weights.png",
        "digits_mlp_activations.png",
        "made_from.json",
    }
    said = "precision sensitivity tiny.yaml --slot=weights --slot=activations --policy=int2"
    assert said in (out / "sensitivity.md").read_text()
    shutil.rmtree(rows)
    whole = sensitivity(
        folder / "tiny.yaml",
        store=folder / "runs",
        policies=["int2"],
        slots=["weights", "activations"],
        quiet=True,
    )
    stored = pd.read_csv(out / "sensitivity.csv", keep_default_na=False)
    known = whole.frame.dropna(axis="columns", how="all")  # those of a regression are empty
    pd.testing.assert_frame_equal(stored[list(known)], known, check_dtype=False, rtol=1e-9)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["sensitivity", "tiny.yaml", "--slot", "weight"], "unknown slot 'weight'"),
        (["search", "tiny.yaml", "--objective", "speed"], "unknown objective 'speed'"),
        (["search", "tiny.yaml", "--policies", "int8,float32"], "policy 'float32' rounds nothing"),
        (["search", "none.yaml"], "no such file"),
    ],
)
def test_wrong_words_are_one_sentence(folder, words, text):
    done = here(folder, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("precision: ") and done.stderr.count("\n") == 1, done.stderr
    assert text in done.stderr
