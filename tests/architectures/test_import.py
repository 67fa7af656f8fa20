"""Checking a grid must not wait for Keras, so the package works without it until a model is built."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import architectures
from precision.errors import PrecisionError
architectures.names(), architectures.describe()
architectures.check("resnet", {"depth": 32, "width": 0.5})
for call in (
    lambda: architectures.build("resnet", depth=3),
    lambda: architectures.build("resnet", (3, 3, 3)),
    lambda: architectures.build("resnet", classes=0),
):
    try:
        call()
    except PrecisionError:
        pass
print(*sorted({"keras", "tensorflow", "numpy", "torch", "jax"} & set(sys.modules)))
"""


def test_only_building_imports_keras() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
