import io

import pytest
from rich.console import Console

from precision.grid.progress import steps
from precision.grid.progress.steps import Steps


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(steps.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_is_that_of_the_steps_of_this_run(clock):
    steps = Steps(10, Console(file=io.StringIO()))
    steps.skip(4)  # from an earlier run: they took no time now
    for _ in range(2):
        clock[0] += 3
        steps.step("a step")
    assert steps.seconds_left() == pytest.approx(4 * 3)


def test_more_steps_than_expected_leave_no_time(clock):
    steps = Steps(1, Console(file=io.StringIO()))
    for _ in range(3):
        clock[0] += 1
        steps.step("a step")
    assert steps.seconds_left() == 0


def test_without_a_terminal_a_line_now_and_then(clock):
    out = io.StringIO()
    with Steps(100, Console(file=out, width=40)) as steps:
        for number in range(40):
            clock[0] += 1
            steps.step(f"step {number} [not markup]")
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0] == "[16/100] step 15 [not markup], about 1 min 24 s left"
