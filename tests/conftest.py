"""Quiet TensorFlow in the tests and in the processes that they start, and disks that fail."""

import contextlib
import gc
import os
import subprocess
import sys
import tempfile

import attacks
import pytest
from hypothesis import settings

from precision.measure.machine import calibration

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PRECISION_CACHE" not in os.environ:  # else a worker of these tests, which shares that of all
    _cache = tempfile.TemporaryDirectory(prefix="precision-tests-")
    os.environ["PRECISION_CACHE"] = _cache.name

# No test waits for a clock: on a busy machine an example may take long.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


# No test asks how disturbed the machine is, but for those of the loop itself.
calibration.PRODUCTS, calibration.COPIES = 1, 1


# The files that take longest, which begin first: what is left at the end is then in small pieces.
LONGEST = (
    "tests/test_experiments.py",
    "tests/grid/execution/ray/test_ray.py",
    "tests/test_pages.py",
    "tests/grid/execution/test_run.py",
    "tests/methods/test_checkpoint.py",
    "tests/methods/test_native.py",
    "tests/formats/families/test_qtorch.py",
    "tests/formats/engine/test_backends.py",
    "tests/report/render/test_markdown.py",
    "tests/test_adding_a_format.py",
    "tests/grid/execution/test_faults.py",
    "tests/formats/conformance/test_conformance.py",
    "tests/quantization/test_sums.py",
    "tests/grid/execution/test_workers.py",
    "tests/methods/test_workbench.py",
    "tests/formats/kernels/test_block_formats.py",
    "tests/grid/editor/test_same_verdict.py",
    "tests/grid/execution/test_jax.py",
    "tests/quantization/test_model.py",
    "tests/quantization/test_families.py",
    "tests/methods/test_low_precision.py",
    "tests/formats/test_every_format.py",
    "tests/grid/execution/test_rerun.py",
    "tests/methods/test_qat.py",
    "tests/test_extending.py",
    "tests/methods/test_ptq.py",
    "tests/formats/test_rounding_modes.py",
    "tests/methods/test_restored.py",
    "tests/grid/execution/test_plugins_in_grids.py",
    "tests/test_packages.py",
)


def pytest_configure(config):
    config.pluginmanager.register(attacks.Plugin(config), "attacks")


def pytest_collection_finish():
    """Look for no garbage among what is imported by now, and less often: it takes a twentieth of the time."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def pytest_runtest_setup():
    """Draw with few dots: no test looks at those of a picture that a report has written."""
    if style := sys.modules.get("precision.report.figures.style"):
        style.DPI = 40


@pytest.fixture(scope="session")
def tally(pytestconfig):
    """A context for one attack and what must come of it, which counts it; see the module ``attacks``."""
    return pytestconfig.pluginmanager.get_plugin("attacks").counted


def pytest_collection_modifyitems(items):
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.split("::")[0], len(places)))


@pytest.fixture
def small_disk(tmp_path):
    """A file system with 1 MiB and few files."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def read_only():
    """A context within which a folder cannot be written."""

    @contextlib.contextmanager
    def shut(folder):
        if os.geteuid():
            folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
            for path in folders:
                path.chmod(0o555)
            yield
            for path in folders:
                path.chmod(0o755)
            return
        bind = ["mount", "--bind", str(folder), str(folder)]
        if subprocess.run(bind, capture_output=True, check=False).returncode:
            pytest.skip("root may write everywhere, and may not mount here")
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)

    return shut


@pytest.fixture
def umask():
    """A function that sets the bits that new files of this process lack."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)
