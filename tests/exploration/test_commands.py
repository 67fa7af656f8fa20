"""The two commands as a user starts them: real processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from precision.exploration.sensitivity import sensitivity

CODE = "from precision.cli import main; main()"


def command(*words):
    return [sys.executable, "-c", CODE, *map(str, words)]


def run(*words, cwd):
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=600, check=False, cwd=cwd, env=os.environ
    )


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained.parent, tmp_path / "copy"))


def test_a_search_from_nothing_trains_and_writes_everything(trained, tmp_path):
    text = trained.read_text().replace("epochs: 8", "epochs: 2").replace("[0, 1]", "[5]")
    (tmp_path / "tiny.yaml").write_text(text)
    words = ["search", "tiny.yaml", "--policies", "int8,int2", "--tolerance", "3", "--images", "100"]
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[1/1] digits mlp float32 seed 5:" in done.stderr
    out = tmp_path / "reports" / "tiny-search"
    assert {file.name for file in out.iterdir()} == {"search.md", "search.csv", "policy.yaml", "search.png"}
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
    for _ in range(5):  # a busy machine may let the whole of it pass before the signal is sent
        shutil.rmtree(rows, ignore_errors=True)
        process = subprocess.Popen(
            command(*words), cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 300
        while not any(file.read_bytes().count(b"\n") >= 2 for file in rows.glob("*.jsonl")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
        if process.returncode != 0:
            break
    assert process.returncode == 130, errors
    assert "interrupted; what is finished is kept" in errors
    kept = {file: file.read_bytes() for file in rows.glob("*.jsonl")}
    assert 2 <= sum(content.count(b"\n") for content in kept.values()) < 2 * (1 + 4)
    done = run(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    for file, content in kept.items():
        assert file.read_bytes().startswith(content)
    out = folder / "reports" / "tiny-sensitivity"
    assert {file.name for file in out.iterdir()} == {
        "sensitivity.md",
        "sensitivity.csv",
        "digits_mlp_weights.png",
        "digits_mlp_activations.png",
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
    pd.testing.assert_frame_equal(stored, whole.frame, check_dtype=False, rtol=1e-9)


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
    done = run(*words, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("precision: ") and done.stderr.count("\n") == 1, done.stderr
    assert text in done.stderr
