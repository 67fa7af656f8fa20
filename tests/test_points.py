"""A process stops where a test asks it to, once, and nowhere else."""

import subprocess
import sys

import pytest
from stopped import STOP, await_stop, let_go, stop_at

from precision import points

CODE = """
import sys
from precision import points
for n in range(4):
    points.reached("a point")
    print(n, flush=True)
    points.reached("another")
"""


@pytest.mark.parametrize(("times", "before"), [(1, []), (3, ["0\n", "1\n"])])
def test_a_process_stops_where_it_is_asked_to(tmp_path, times, before):
    with subprocess.Popen(
        [sys.executable, "-c", CODE],
        stdout=subprocess.PIPE,
        text=True,
        env=stop_at(tmp_path, "a point", times),
    ) as process:
        assert await_stop(tmp_path, process) == [process.pid]
        for line in before:
            assert process.stdout.readline() == line
        let_go(tmp_path)
        assert process.stdout.read() == "".join(f"{n}\n" for n in range(times - 1, 4))
    assert process.returncode == 0 and not list((tmp_path / STOP).iterdir())


def test_unasked_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.delenv(points.VARIABLE, raising=False)
    points.reached("a point")
    monkeypatch.setenv(points.VARIABLE, f"another={tmp_path}")
    points.reached("a point")
    assert not list(tmp_path.iterdir())
