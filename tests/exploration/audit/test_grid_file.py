import re
from pathlib import Path

import pytest
import yaml

from precision.errors import PrecisionError
from precision.exploration.audit import grid_file
from precision.exploration.audit.ladder import TARGETS, chosen
from precision.grid import expand, load_grid
from precision.quantization import parse_policy

COMMAND = ["precision", "audit", "my model.keras", "--data", "digits.npz"]


@pytest.fixture
def text(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    (workplace / "out").mkdir()
    (workplace / "my model.keras").symlink_to("model.keras")
    dataset = {"name": "npz", "path": "digits.npz", "scale": "none"}
    return grid_file.text_of(
        "mine", dataset, Path("my model.keras"), TARGETS, Path("out"), tolerance=0.5, command=COMMAND
    )


def test_the_grid_has_every_format_and_plans(text, workplace):
    path = workplace / "out" / "audit.yaml"
    grid_file.write(path, text)
    cells = expand(*load_grid(path))
    labels = [label for target in TARGETS for label in target.policies]
    assert [cell.policy for cell in cells] == ["float32", *labels] and len(set(labels)) == len(labels)
    assert {cell.architecture for cell in cells} == {"my_model"}
    for target in TARGETS:
        for label, spec in target.policies.items():
            cell = next(cell for cell in cells if cell.policy == label)
            assert cell.trial.policy == parse_policy(dict(spec)).to_json()
    plain = yaml.safe_load(text)
    assert plain["datasets"] == [{"name": "npz", "path": "../digits.npz", "scale": "none"}]
    assert plain["architectures"][0]["path"] == "../my model.keras" and plain["report"] == {"tolerance": 0.5}
    assert "&id" not in text and "'my model.keras' --data digits.npz" in text.splitlines()[0]


def test_a_path_elsewhere_stays_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = grid_file.text_of(
        "mine",
        {"name": "digits"},
        Path("/far/m.keras"),
        chosen(["fixed"]),
        Path("."),
        tolerance=1,
        command=[],
    )
    assert yaml.safe_load(text)["architectures"][0]["path"] == "/far/m.keras"


def test_a_grid_that_the_user_changed_is_not_replaced(text, workplace):
    path = workplace / "out" / "audit.yaml"
    grid_file.write(path, text)
    made = grid_file.text_of(
        "other", {"name": "digits"}, Path("model.keras"), TARGETS, Path("out"), tolerance=1, command=COMMAND
    )
    grid_file.write(path, made)  # as an audit made it, so another may replace it
    path.write_text(path.read_text().replace("fixed(8,auto)", "fixed(9,auto)"))
    with pytest.raises(PrecisionError, match=re.escape(f"{path}: this grid was changed since")):
        grid_file.write(path, text)
    assert "fixed(9,auto)" in path.read_text()
    grid_file.write(path, text, force=True)
    assert path.read_text() == text


def test_the_command_repeats_what_was_asked(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    options = {"classes": ["a", "b"], "scale": "none"}
    given = grid_file.Given(Path("model.keras"), "digits.npz", options, Path("/mine"), ["p.py"])
    assert grid_file.command(given, ["fixed"], 0.5) == [
        *("precision", "audit", "model.keras", "--data", "digits.npz"),
        *("--data-option=classes=[a, b]", "--data-option=scale=none", "--target=fixed", "--tolerance=0.5"),
        "--plugin=p.py",
    ]
    assert grid_file.command(grid_file.Given(Path("/x/m.keras"), "mnist"), [], 1.0) == [
        *("precision", "audit", "m.keras", "--data", "mnist", "--data-dir", "DATA")
    ]


def test_an_unknown_target_is_suggested():
    with pytest.raises(PrecisionError, match="unknown target 'interger'; did you mean 'integer'"):
        chosen(["interger"])
