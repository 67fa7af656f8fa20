import pytest

from precision.grid import Store


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "runs")
    found.create()
    return found
