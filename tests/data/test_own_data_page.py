"""docs/data.md and ``precision datasets NAME``: every option of every source, all within reach of a grid."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from precision.cli.app import app
from precision.data import describe_options, load
from precision.data.options import COMMON, model_of
from precision.errors import PrecisionError
from precision.grid import expand, load_grid
from precision.registry import ARCHITECTURES, DATASETS, METHODS

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
OWN = [name for name in DATASETS if DATASETS.options(name)]


def printed(*words: str) -> str:
    done = CliRunner().invoke(app, ["datasets", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_option_is_printed_with_what_it_may_be_and_what_it_means(name: str) -> None:
    rows = describe_options(name)
    assert {row["option"] for row in rows} == set(model_of(name).model_fields) >= set(COMMON)
    text = printed(name)
    for row in rows:
        assert row["value"] and row["meaning"] and "``" not in row["meaning"], row
        assert f"\n{row['option']}: {row['value']} (" in text


@pytest.mark.parametrize("name", [*OWN, "digits"])
def test_the_page_has_the_options_as_they_are(name: str) -> None:
    assert printed(name, "--markdown") in PAGE
    assert {"csv", "npy", "npz", "image_folder"} == set(OWN)


def table(folder: Path) -> Path:
    rows = [f"{i % 2 + 7},{i % 2},{i},{i + 1},{i + 2},{i + 3}" for i in range(40)]
    path = folder / "table.csv"
    path.write_text("\n".join(["writer,kind,a,b,c,d", *rows]) + "\n")
    return path


def test_a_grid_says_in_which_column_the_labels_stand(tmp_path: Path) -> None:
    table(tmp_path)
    (tmp_path / "grid.yaml").write_text(
        "name: x\ndatasets: [{name: csv, path: table.csv, label: mine, label_column: kind, shape: [1, 5]}]\n"
        "architectures: [mlp]\npolicies: {float32: float32}\n"
    )
    [cell] = expand(*load_grid(tmp_path / "grid.yaml"))
    assert cell.dataset == "mine"
    dataset = load("csv", **cell.trial.dataset.options)
    assert dataset.class_names == ("0", "1")  # of kind, not of writer


@pytest.mark.parametrize("registry", [ARCHITECTURES, DATASETS, METHODS], ids=lambda r: r.kind)
@pytest.mark.parametrize("option", ["name", "label"])
def test_no_option_has_the_name_of_a_key_that_every_entry_has(registry, option: str) -> None:
    for name in registry:
        assert not {"name", "label"} & set(registry.options(name))
    scope: dict = {}
    exec(f"def own(*given, {option}=None): pass", scope)
    with pytest.raises(PrecisionError, match=f"has an option '{option}', which in a grid is a key of every"):
        registry.register("own")(scope["own"])
    assert "own" not in registry


def test_a_single_file_that_is_split_says_so(tmp_path: Path) -> None:
    path = table(tmp_path)
    options = {"path": path, "label_column": "kind", "shape": [1, 5]}
    assert load("csv", **options).title == "table, 20 % of each class split off for testing"
    assert load("csv", **options, test_fraction=0.125).title.endswith(
        ", 12.5 % of each class split off for testing"
    )
    assert load("csv", **options).split
    assert not load("csv", **options, test_path=path).split
    assert load("csv", **options, test_path=path).title == "table"
    x, y = np.zeros((8, 4, 4)), np.arange(8) % 2
    np.savez(tmp_path / "whole.npz", x=x, y=y)
    np.savez(tmp_path / "parts.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert load("npz", path=tmp_path / "whole.npz").title.startswith("whole, 20 % of each class")
    assert load("npz", path=tmp_path / "parts.npz").title == "parts"
    reduced = load("npz", path=tmp_path / "whole.npz", train_size=4)
    assert reduced.title == "whole, 20 % of each class split off for testing (4/2)"
    assert reduced.split
    named = tmp_path / "split off for testing.npz"  # a title says nothing of its data
    (tmp_path / "parts.npz").rename(named)
    assert not load("npz", path=named).split
