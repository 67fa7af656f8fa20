"""The loop of fixed work that says how disturbed the machine is, under a clock that the test moves."""

import math

import pytest

from precision.measure.machine.calibration import APART, FRESH, Calibration, milliseconds, work


class Clock:
    def __init__(self, *loops):
        self.now, self.loops = 100.0, list(loops)

    def __call__(self):
        return self.now

    def make(self):
        def loop():
            self.now += self.loops.pop(0)

        return loop


def test_a_look_is_the_time_of_the_loop_and_the_best_is_kept():
    clock = Clock(0.03, 0.02, 0.05)
    machine = Calibration(clock, clock.make)
    assert machine.best == math.inf
    seen = []
    for _ in range(3):
        seen.append(machine.look())
        clock.now += 2 * FRESH
    assert seen == pytest.approx([0.03, 0.02, 0.05]) and machine.best == pytest.approx(0.02)
    assert milliseconds(seen) / milliseconds([machine.best]) == pytest.approx(5 / 3)
    assert math.isnan(milliseconds([]))


def test_what_ends_one_section_begins_the_next():
    clock = Clock(0.03, 0.02)
    machine = Calibration(clock, clock.make)
    first = machine.look()
    clock.now += FRESH
    assert machine.look() == first and len(clock.loops) == 1
    clock.now += FRESH / 100
    assert machine.look() == pytest.approx(0.02) and not clock.loops


def test_a_long_section_is_looked_at_in_between():
    clock = Clock(0.02)
    machine = Calibration(clock, clock.make)
    assert machine.due()
    machine.look()
    clock.now += APART
    assert not machine.due()
    clock.now += 0.001
    assert machine.due()


def test_the_clock_may_go_back():
    clock = Clock(0.03, 0.02)
    machine = Calibration(clock, clock.make)
    machine.look()
    clock.now -= 1000.0
    assert machine.look() == pytest.approx(0.03) and not machine.due()


def test_the_loop_works_and_gives_back_its_memory():
    loop = work()
    arrays = [cell.cell_contents for cell in loop.__closure__ if hasattr(cell.cell_contents, "nbytes")]
    loop()
    assert sum(array.nbytes for array in arrays) < 20 * 2**20
    assert any((array == 0.25 * 256).all() for array in arrays), "0.5 * 0.5, 256 times"
