import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["precision.analysis", "precision.report"])
def test_importing_does_not_load_slow_libraries(package):
    code = f"import sys, {package}; print(*(m.split('.')[0] for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"matplotlib", "tensorflow", "keras", "sklearn"} & set(loaded.split())
