"""The benchmark for a machine with a GPU, as far as it runs without one: parts, data, record."""

import gzip
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "path", list(sys.path))  # which the script adds to
    yield importlib.import_module("gpu")
    for name in ("gpu", "timing", "run"):
        sys.modules.pop(name, None)


def test_rounding_runs_on_the_cpu_at_reduced_size(tmp_path):
    """In a process of its own, whose backend is JAX."""
    pytest.importorskip("jax")
    output = tmp_path / "gpu.json"
    words = [sys.executable, BENCHMARKS / "gpu.py", "rounding", "--reduced", "--output", output]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    subprocess.run(words, env=environment, capture_output=True, check=True, timeout=300)
    found = json.loads(output.read_text())
    ours = [row for row in found["rows"]["rounding"] if "values" in row["name"]]
    assert [row["name"].split(",4,096")[0] for row in ours] == [row["name"] for row in ours]
    assert len(ours) == 3 and all(row["ratio"] > 0 and row["limit"] is None for row in ours)
    assert found["where"]["gpus"] == "no GPU" and found["where"]["jax"]


def test_a_part_that_fails_costs_no_other_and_the_rows_are_recorded(gpu, monkeypatch, tmp_path, capsys):
    def broken(files, reduced):
        raise RuntimeError("no such kernel")

    def works(files, reduced):
        return [gpu.Row("lenet step", "float32 step", 1.25, 1.2, 1.3, 1.5, False, "1 ms")]

    monkeypatch.setattr(gpu, "PARTS", {"one": broken, "two": works, "three": works})
    pytest.importorskip("jax")
    found = gpu.measure(None, True, ["one", "two"])
    assert found["rows"]["one"][0]["detail"] == "skipped: RuntimeError: no such kernel"
    assert "three" not in found["rows"]
    (tmp_path / "gpu.json").write_text(json.dumps(found))
    import run

    readme = tmp_path / "README.md"
    readme.write_text(f"# Benchmarks\n\n{run.MARK}\n\n### plan\n\nelsewhere.\n\n| a |\n")
    write = run.write
    monkeypatch.setattr(run, "write", lambda *words: write(*words, readme))
    gpu.record(tmp_path / "gpu.json")
    text = readme.read_text()
    assert text.startswith("# Benchmarks\n") and "\n### plan\n\nelsewhere.\n" in text
    section = text.split("\n### gpu\n")[1]
    assert "| lenet step | float32 step | 1.25 (1.2 to 1.3) | <= 1.5 " in " ".join(section.split())
    assert "skipped: RuntimeError: no such kernel" in section and "nan" not in section
    assert "no such kernel" in capsys.readouterr().out


def test_the_data_for_a_machine_without_a_network(gpu, tmp_path):
    records = {label: bytes([label]) + bytes([label] * 3072) for label in range(10)}
    cifar, fashion = tmp_path / "cifar10", tmp_path / "fashion-mnist"
    cifar.mkdir()
    fashion.mkdir()
    (cifar / "train_first4.bin.gz").write_bytes(gzip.compress(b"".join(records[n] for n in (3, 0, 5, 3))))
    (cifar / "test_first2.bin.gz").write_bytes(gzip.compress(b"".join(records[n] for n in (9, 5))))
    (fashion / "images.gz").write_bytes(b"images")
    gpu.gather(tmp_path / "out", tmp_path)
    data = tmp_path / "out" / "data"
    assert sorted(path.name for path in data.rglob("*.gz")) == [
        "images.gz",
        "test_first1.bin.gz",
        "train_first3.bin.gz",
    ]
    kept = gzip.decompress((data / "cifar10" / "train_first3.bin.gz").read_bytes())
    assert kept == records[3] + records[5] + records[3]
    with pytest.raises(SystemExit, match="not both here"):
        gpu.gather(tmp_path / "other", data / "cifar10")
