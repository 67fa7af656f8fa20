"""Importing the package is cheap: what is slow is imported by the function that needs it."""

import subprocess
import sys

import pytest

import precision.data

SLOW = ("keras", "tensorflow", "sklearn", "scipy", "PIL", "rich", "pandas", "urllib.request", "platformdirs")


@pytest.mark.parametrize("action", ["", "precision.data.check('mnist', {'train_size': 100})"])
def test_imports_nothing_slow(action: str) -> None:
    code = f"import sys, precision.data; {action}\nprint([m for m in {SLOW!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    for name in precision.data.__all__:
        assert hasattr(precision.data, name)
