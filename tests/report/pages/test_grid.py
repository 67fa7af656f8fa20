import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from precision.errors import PrecisionError
from precision.report import write

FILES = ["accuracy_vs_bits.png", "loss_curves.png", "report.md", "results.csv", "summary.csv"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_report_is_complete_and_the_same_twice(grid, results, tmp_path):
    given = results(grid(policies={"float32": 32.0, "fixed8": 8.0}))
    path = write(given, tmp_path / "a" / "b")
    assert path == tmp_path / "a" / "b" / "report.md"
    first = contents(path.parent)
    assert sorted(first) == FILES
    assert first["accuracy_vs_bits.png"].startswith(b"\x89PNG")
    for name in ("accuracy_vs_bits.png", "loss_curves.png", "results.csv", "summary.csv"):
        assert f"({name})".encode() in first["report.md"]
    write(given, path.parent)
    assert contents(path.parent) == first


@pytest.mark.faults("a full disk under a report")
def test_a_full_disk_leaves_the_former_report(grid, results, tmp_path, monkeypatch):
    given = results(grid(policies={"float32": 32.0, "fixed8": 8.0}))
    write(given, tmp_path)
    before = contents(tmp_path)
    whole, left = Path.write_bytes, [3]

    def full(path, content):
        left[0] -= 1
        whole(path, content[:100] if left[0] == 0 else content)
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PrecisionError, match=r"cannot be written \(No space left on device\); make room"):
        write(results(grid(policies={"float32": 32.0})), tmp_path)
    assert left == [0] and contents(tmp_path) == before


def test_several_datasets_have_figures_of_their_own(grid, results, tmp_path):
    frame = grid(policies={"float32": 32.0, "fixed8": 8.0}, methods=("ptq",), datasets=("mnist", "cifar10"))
    text = write(results(frame), tmp_path).read_text(encoding="utf-8")
    more = [f"{stem}_{d}.png" for stem in ("accuracy_vs_bits", "loss_curves") for d in ("mnist", "cifar10")]
    assert sorted(contents(tmp_path)) == sorted([*FILES, *more])
    assert all(f"({name})" in text for name in more)


def test_a_figure_that_no_longer_applies_is_removed(grid, results, tmp_path):
    given = results(grid(policies={"float32": 32.0, "fixed8": 8.0}))
    write(given, tmp_path)
    write(replace(given, histories={}), tmp_path)
    assert sorted(contents(tmp_path)) == [name for name in FILES if name != "loss_curves.png"]
    assert "No trial of this grid trained." in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_all_failed_is_reported_without_figures(grid, results, failed, tmp_path):
    text = write(results(failed(grid(), "failed", "broken")), tmp_path).read_text(encoding="utf-8")
    assert sorted(contents(tmp_path)) == ["report.md", "results.csv", "summary.csv"]
    assert "There is no accuracy to show." in text
    assert "broken" in text


def test_wrong_results_leave_an_earlier_report_alone(grid, results, tmp_path):
    given = results(grid(policies={"float32": 32.0}))
    write(given, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(PrecisionError):
        write(replace(given, frame=given.frame.drop(columns="loss")), tmp_path)
    assert contents(tmp_path) == before


def test_tables_in_latex_are_written_on_request_and_never_of_an_earlier_report(
    grid, results, failed, tmp_path
):
    given = results(failed(grid(), "failed", "broken"))
    write(given, tmp_path, latex=True)
    assert "\\toprule" in (tmp_path / "tables.tex").read_text(encoding="utf-8")
    write(given, tmp_path)
    assert not (tmp_path / "tables.tex").exists()
