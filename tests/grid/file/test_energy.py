"""The table of energies that a grid names, and each way in which its file can be wrong."""

import pytest
import yaml

from precision.errors import PrecisionError
from precision.grid import load_grid
from precision.grid.file.energy import energy_table
from precision.measure.counted.energy_table import _FOLDER, shipped

TEXT = (_FOLDER / "horowitz2014.yaml").read_text()
GRID = "name: g\ndatasets: [digits]\narchitectures: [mlp]\npolicies: [float32]\nreport:\n  energy_table: {}\n"


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_table_is_a_file_that_a_user_may_copy(name, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text((_FOLDER / f"{name}.yaml").read_text())
    assert energy_table(str(path)) == energy_table(name)


def test_the_path_counts_from_the_folder_of_the_grid(tmp_path, monkeypatch):
    folder = tmp_path / "grids"
    folder.mkdir()
    (folder / "mine.yaml").write_text(TEXT.replace("title: Horowitz 2014, 45 nm", "title: mine"))
    (folder / "grid.yaml").write_text(GRID.format("mine.yaml"))
    monkeypatch.chdir(tmp_path)
    grid, _ = load_grid("grids/grid.yaml")
    assert energy_table(grid.report.energy_table).title == "mine"
    assert energy_table(None).title == "Horowitz 2014, 45 nm"


def line(word):
    return next(number for number, text in enumerate(TEXT.splitlines(), 1) if word in text)


WRONG = {
    "no number": (
        "picojoules: 0.2,",
        "picojoules: little,",
        "multiply.integer.picojoules: .*, but got 'little'",
    ),
    "nothing": (
        "picojoules: 0.2,",
        "picojoules: 0,",
        "multiply.integer.picojoules: .*greater than 0, but got 0",
    ),
    "no source": (
        "picojoules: 0.2, source:",
        "picojoules: 0.2, of:",
        "unknown key 'of'; known: pico",
    ),
    "falling": ("picojoules: 3.1,", "picojoules: 0.1,", r"must be above the 0.2 before it, but got 0.1"),
    "not ascending": (
        "{width: 32, picojoules: 3.1",
        "{width: 8, picojoules: 3.1",
        "above the 8 before it, but got 8",
    ),
    "memory": ("memory: 1 MiB", "memory: 1 MB", "unknown memory '1 MB'; did you mean '1 MiB'"),
    "misspelt": ("memories:", "memory_of:", "unknown key 'memory_of'; did you mean"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_sentence_with_its_line(name, tmp_path):
    old, new, sentence = WRONG[name]
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(PrecisionError, match=sentence) as caught:
        energy_table(str(path))
    assert str(caught.value).startswith(f"{path}:{line(old)}: ")
    (tmp_path / "grid.yaml").write_text(GRID.format("mine.yaml"))
    with pytest.raises(PrecisionError, match=rf"grid.yaml:6: report.energy_table: .*mine.yaml:{line(old)}: "):
        load_grid(tmp_path / "grid.yaml")


def test_files_that_are_no_tables(tmp_path):
    for text, sentence in (
        ("", "the file is empty; an energy table needs at least title"),
        ("- 1", ":1: an energy table is a mapping with keys such as 'title:', but this is a list"),
    ):
        (tmp_path / "t.yaml").write_text(text)
        with pytest.raises(PrecisionError, match=sentence):
            energy_table(str(tmp_path / "t.yaml"))
    with pytest.raises(PrecisionError, match=r"missing\.yaml"):
        energy_table(str(tmp_path / "missing.yaml"))


def test_a_name_that_no_table_has(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID.format("horowitz"))
    sentence = "grid.yaml:6: .*unknown energy table 'horowitz'; did you mean 'horowitz2014'.*my-chip.yaml"
    with pytest.raises(PrecisionError, match=sentence):
        load_grid(tmp_path / "grid.yaml")


def test_tables_have_every_key(tmp_path):
    data = yaml.safe_load(TEXT)
    for key in data:
        path = tmp_path / f"{key}.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in data.items() if k != key}))
        with pytest.raises(PrecisionError, match=f"the key '{key}' is missing"):
            energy_table(str(path))
