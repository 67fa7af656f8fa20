"""A wheel has all that is needed to run, and nothing else; no network is needed to build it.

``make wheel`` also installs it in an environment of its own and runs a grid there, far from the checkout.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import precision

ROOT = Path(__file__).parent.parent
PACKAGES = ("precision", "architectures")
GRID = """\
name: small
datasets: [{name: digits, train_size: 40, test_size: 20}]
architectures: [{name: mlp, width: 0.1}]
policies: {float32: float32, fixed8: "fixed(8,6)"}
training: {epochs: 1}
"""


def done(*words, **options):
    words = [str(word) for word in words]
    found = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, so that nothing is left behind in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    built = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    done(sys.executable, "-m", "pip", "wheel", "--quiet", *built)
    [path] = folder.glob("*.whl")
    return path


def test_it_has_what_is_needed_and_nothing_else(wheel):
    files = set(zipfile.ZipFile(wheel).namelist())
    described = {name for name in files if ".dist-info/" in name}
    code = {path.relative_to(ROOT).as_posix() for top in PACKAGES for path in (ROOT / top).rglob("*.py")}
    data = {"precision/py.typed", "architectures/py.typed", "precision/cli/starter.yaml"}
    data |= {"architectures/released.json"}
    tables = (ROOT / "precision" / "measure" / "counted" / "energy_tables").glob("*.yaml")
    assets = (ROOT / "precision" / "report" / "html" / "assets").iterdir()
    data |= {path.relative_to(ROOT).as_posix() for path in (*tables, *assets)}
    assert files - described == code | data
    [points] = (name for name in described if name.endswith("entry_points.txt"))
    assert b"precision = precision.cli:main" in zipfile.ZipFile(wheel).read(points)
    assert wheel.name.startswith(f"precision-{precision.__version__}-")


@pytest.mark.skipif("PRECISION_WHEEL" not in os.environ, reason="make wheel runs it")
def test_it_works_far_from_the_checkout(wheel, tmp_path):
    """In an environment that has the dependencies of this one, and this project from the wheel alone."""
    venv.create(tmp_path / "env", symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    work = tmp_path / "work"
    work.mkdir()
    places = {"cwd": work, "env": {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}}
    # What lies in the folder that a .pth file names is found, but the .pth files in it are not read.
    [packages] = (tmp_path / "env").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = ("install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", wheel)
    done(sys.executable, "-m", "pip", "--python", python, *install, **places)
    where = done(python, "-c", "import architectures, precision; print(precision.__file__)", **places)
    assert Path(where.strip()).is_relative_to(tmp_path / "env")
    command = tmp_path / "env" / "bin" / "precision"
    assert done(command, "--version", **places) == f"precision {precision.__version__}\n"
    assert '"Grid of the precision framework"' in done(command, "schema", **places)
    done(command, "init", **places)
    assert done(command, "validate", "grid.yaml", **places) == "grid.yaml: ok, 12 cells, 12 trials\n"
    (work / "small.yaml").write_text(GRID)
    assert "report: reports/small/report.md" in done(command, "run", "small.yaml", **places)
    shutil.rmtree(work / "reports")
    done(command, "report", "small.yaml", **places)
    assert (work / "reports" / "small" / "report.md").read_text().startswith("# small")
