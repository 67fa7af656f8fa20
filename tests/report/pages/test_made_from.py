"""A report is not replaced by another grid's, nor by one with fewer results, unless that is asked for."""

import json
from pathlib import Path

import pytest
from stored import make_result
from typer.testing import CliRunner

import precision
from precision.cli.app import app
from precision.errors import PrecisionError
from precision.grid import Changes, Store, expand, load_grid
from precision.report.pages.made_from import MadeFrom, check, recorded

GRID = """\
name: same
datasets: [{name: digits, train_size: 40, test_size: 20}]
architectures: [{name: mlp, width: 0.1}]
policies: {float32: float32, fixed8: "fixed(8,6)", fixed4: "fixed(4,3)"}
training: {epochs: 1}
"""
REPORT = Path("reports/same/report.md")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Two grids of one name, with all results of the first, of another training, and of the second."""
    monkeypatch.chdir(tmp_path)
    Path("other").mkdir()
    Path("mine.yaml").write_text(GRID)
    Path("other/yours.yaml").write_text(GRID.replace("mlp", "lenet"))
    save("mine.yaml")
    save("mine.yaml", Changes(["training.epochs=2"]))
    save("other/yours.yaml")


def save(grid, changes=None):
    store = Store("runs")
    store.create()
    for cell in expand(*load_grid(grid, changes=changes)):
        weights = store.weights(cell.trial.id)  # without which a baseline would be trained again
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.touch()
        store.save(make_result(cell.trial, metrics={"accuracy": 0.5, "loss": 1.0}))


def call(*words):
    done = CliRunner().invoke(app, list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code


def test_the_report_of_another_grid_stays():
    call("report", "mine.yaml")
    before = REPORT.read_bytes()
    for words in (["report"], ["run"]):
        with pytest.raises(PrecisionError) as caught:
            call(*words, "other/yours.yaml")
        assert str(caught.value) == (
            "reports/same/report.md: this is the report of mine.yaml, not of other/yours.yaml; "
            "give another --output, or --force to replace it"
        )
    assert REPORT.read_bytes() == before
    assert call("report", "other/yours.yaml", "--output", "reports/yours") == 0
    assert call("report", "other/yours.yaml", "--force") == 0
    assert "lenet" in REPORT.read_text()
    assert call("report", "other/yours.yaml") == 0  # its own by now


def test_the_report_of_other_changes_stays():
    call("report", "mine.yaml", "--set", "training.epochs=2")
    message = r"the report of mine\.yaml --set=training\.epochs=2, not of mine\.yaml; give another --output"
    with pytest.raises(PrecisionError, match=message):
        call("report", "mine.yaml")
    with pytest.raises(PrecisionError, match=r"not of mine\.yaml --seeds=2"):
        precision.run("mine.yaml", seeds="2", quiet=True)  # before anything is trained
    assert call("report", "mine.yaml", "--set", "training.epochs=2") == 0


def test_a_report_with_more_results_stays():
    call("report", "mine.yaml")
    text = Path("mine.yaml").read_text()
    Path("mine.yaml").write_text(text.replace("epochs: 1", "epochs: 7"))
    with pytest.raises(PrecisionError, match="this report has 3 results, and there are only 0 now"):
        call("report", "mine.yaml")
    save("mine.yaml")
    assert call("report", "mine.yaml") == 0  # the same file, all of it done
    Path("mine.yaml").write_text(text.replace(', fixed4: "fixed(4,3)"', ""))
    with pytest.raises(PrecisionError, match="3 results, and there are only 2 now"):
        call("run", "mine.yaml")
    assert precision.write_report("mine.yaml", force=True) is not None


def test_only_leaves_the_report_of_the_whole_grid():
    call("report", "mine.yaml")
    assert call("run", "mine.yaml", "--only", "policy=fixed8") == 0


def test_grids_of_one_file_name_elsewhere_are_told_apart(tmp_path_factory):
    for _ in range(2):
        folder = tmp_path_factory.mktemp("far")
        (folder / "grid.yaml").write_text(GRID)
        path = str(folder / "grid.yaml")
        if not REPORT.exists():
            assert call("report", path) == 0
            assert call("report", path) == 0
    with pytest.raises(PrecisionError, match=r"the report of 'grid\.yaml \([0-9a-f]{8}\)', not of"):
        call("report", path)
    assert str(folder.parent) not in (REPORT.parent / "made_from.json").read_text()


def test_the_record_beside_a_report():
    call("report", "mine.yaml", "--set", "training.epochs=2")
    assert json.loads((REPORT.parent / "made_from.json").read_text()) == {
        "report.md": {"grid": "mine.yaml", "options": ["--set=training.epochs=2"], "results": 3}
    }


@pytest.mark.parametrize("content", ["", "[]", "{", '{"report.md": {"grid": 1}}', '{"report.md": 3}', "\0"])
def test_a_record_that_is_none_of_ours_protects_nothing(tmp_path, content):
    path = tmp_path / "report.md"
    path.touch()
    (tmp_path / "made_from.json").write_text(content)
    new = MadeFrom("g.yaml", (), 3)
    check(path, new)
    assert json.loads(recorded(path, new))["report.md"]["results"] == 3


def test_several_reports_in_one_folder(tmp_path):
    one, two = tmp_path / "report.md", tmp_path / "search.md"
    (tmp_path / "made_from.json").write_text(recorded(one, MadeFrom("a.yaml", (), 3)))
    one.touch()
    check(two, MadeFrom("b.yaml", ()))
    (tmp_path / "made_from.json").write_text(recorded(two, MadeFrom("b.yaml", ())))
    two.touch()
    with pytest.raises(PrecisionError):
        check(one, MadeFrom("b.yaml", (), 3))
    with pytest.raises(PrecisionError):
        check(two, MadeFrom("b.yaml", ("--tolerance=2",)))
    check(one, MadeFrom("a.yaml", (), 4))
    check(two, MadeFrom("b.yaml", (), 0))
