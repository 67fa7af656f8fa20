"""The packages of docs/adding-a-format.md and docs/extending.md, installed and found by a run."""

import hashlib
import json
import os
import re

import pytest
from commands import here, precision, python
from pages import blocks

PACKAGES = {
    "takum_formats": ("docs/adding-a-format.md", ("takum8.py", "bfloat16x2.py")),
    "own_things": ("docs/extending.md", ("tiny.py", "three_sigma.py", "best.py")),
}
FILES = {
    package: {block.name: block.text for block in blocks(page) if block.what == "file"}
    for package, (page, _) in PACKAGES.items()
}
# What each of them gives a trial, and the file in which it stands.
GIVEN = {
    "takum8": ("takum-formats", FILES["takum_formats"]["takum8.py"]),
    "bfloat16x2": ("takum-formats", FILES["takum_formats"]["bfloat16x2.py"]),
    "architecture tiny": ("own-things", FILES["own_things"]["tiny.py"]),
    "observer three_sigma": ("own-things", FILES["own_things"]["three_sigma.py"]),
}
GRID = """\
name: installed
datasets: [{name: digits, train_size: 64, test_size: 32}]
architectures: [tiny]
training: {epochs: 1}
policies:
  float32: float32
  takum8: takum8
  bfloat16x2: bfloat16x2
  int4: {weights: {format: int(4), scaling: real, observer: three_sigma}}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The PYTHONPATH of a process that finds both packages, which one command installs."""
    folder = tmp_path_factory.mktemp("packages")
    for package, (_, modules) in PACKAGES.items():
        source = folder / package / "src" / package
        source.mkdir(parents=True)
        for name in ("__init__.py", *modules):
            (source / name).write_text(FILES[package].get(name, ""))
        (folder / package / "pyproject.toml").write_text(FILES[package]["package/pyproject.toml"])
    site = folder / "site"
    words = ("--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--target", site)
    done = python(folder, "-m", "pip", "install", *words, *(f"./{package}" for package in PACKAGES))
    assert done.returncode == 0, done.stderr
    return os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="module")
def finished(path, tmp_path_factory):
    """The folder of a grid that names what the packages have, after its run."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "grid.yaml").write_text(GRID)
    done = precision(folder, "run", "grid.yaml", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    return folder


def test_what_a_package_gave_a_trial_is_part_of_its_identity(finished):
    trials = [json.loads(path.read_text())["trial"] for path in (finished / "runs").rglob("result.json")]
    used = {name: text for trial in trials for name, text in trial["plugins"].items()}
    assert used == {
        name: f"{package} 1.0 sha256 {hashlib.sha256(text.encode()).hexdigest()}"
        for name, (package, text) in GIVEN.items()
    }


def test_its_section_stands_in_the_report(finished):
    assert "## The best run" in (finished / "reports/installed/report.md").read_text()


def test_the_list_of_plugins_names_the_package(path, tmp_path):
    listed = precision(tmp_path, "plugins", PYTHONPATH=path).stdout
    assert re.search(r"architecture +tiny +own-things 1\.0 ", listed)


def test_without_the_packages_the_names_are_unknown(finished, tmp_path):
    missing = here(finished, "plan", "grid.yaml").stderr
    assert "grid.yaml:3: architectures: unknown architecture 'tiny'" in missing
    (tmp_path / "grid.yaml").write_text(GRID.replace("[tiny]", "[mlp]"))
    assert "unknown format 'takum8'" in here(tmp_path, "plan", "grid.yaml").stderr
