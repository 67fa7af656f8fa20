"""What the tests attacked, how often, and how each attack ended: the table that ``make faults`` leaves.

A test counts in one of two ways. One that is a single attack from its first line to its last is marked with
its name, ``@pytest.mark.faults("a worker dies of SIGSEGV")``; one that attacks again and again asks for
``tally`` and counts each time, around the attack and what must come of it. Both belong to ``-m faults``.
"""

import contextlib
import dataclasses
import datetime
import os
import time

import pytest

ASKED = ("PRECISION_FAULT_TRIALS", "PRECISION_FAULT_KILLS", "PRECISION_FORKS")
TEXT = """\
Each row is a kind of attack on a store, on a run or on what is read, counted where a test attacks. *Seen* is
what was refused in a sentence, or repaired or survived so that every result was right in the end. *Harmless*
is what left all values that are read as they were; of a text or file of the user, which no sum protects, also
what made another valid one of it. *Silent* is everything else, and each such case fails its test. The entries
of registered grids and the journals of explorations have no sums: a damaged one that is read as another is
not counted here. `make faults` writes this page.
"""


@dataclasses.dataclass
class Row:
    """How often something was attacked, and how that ended."""

    tried: int = 0
    seen: int = 0
    harmless: int = 0

    @property
    def silent(self):
        return self.tried - self.seen - self.harmless


@dataclasses.dataclass
class Attack:
    """One attack; the test may say that nothing came of it."""

    harmless: bool = False


class Tally:
    """Counts attacks. What is tried and does not come to its end counts as silent."""

    def __init__(self):
        self.rows = {}

    @contextlib.contextmanager
    def __call__(self, name):
        row = self.rows.setdefault(name, Row())
        row.tried += 1
        attack = Attack()
        try:
            yield attack
        except pytest.skip.Exception:  # this machine cannot be attacked so
            row.tried -= 1
            raise
        if attack.harmless:
            row.harmless += 1
        else:
            row.seen += 1

    def table(self):
        """Return the lines of the table, in the order of the names, with the sums last."""
        names = sorted(self.rows, key=str.casefold)
        rows = {name: self.rows[name] for name in names if self.rows[name].tried}
        counts = [(row.tried, row.seen, row.harmless, row.silent) for row in rows.values()]
        return [
            "| attack | tried | seen, and repaired or refused | harmless | silent |",
            "|---|---:|---:|---:|---:|",
            *(f"| {name} | {' | '.join(map(str, row))} |" for name, row in zip(rows, counts, strict=True)),
            f"| **all** | {' | '.join(f'**{sum(column)}**' for column in zip(*counts, strict=True))} |",
        ]

    def untried(self):
        """Return the names of what could not be attacked on this machine."""
        return [name for name, row in sorted(self.rows.items()) if not row.tried]


def page(tally, here, outcomes, seconds):
    """Return the table with what it was made from, as Markdown.

    Args:
        tally: a ``Tally``.
        here: the environment of the session when it began, by name.
        outcomes: how many tests passed, failed and were skipped, by name.
        seconds: that the session took.
    """
    packages = ("precision", "python", "tensorflow", "keras", "numpy")
    asked = ", ".join(f"`{name}={os.environ[name]}`" for name in ASKED if name in os.environ)
    facts = {
        "date": here["date"],
        "commit": here["commit"],
        "versions": ", ".join(f"{name} {here[name]}" for name in packages),
        "machine": f"{here['machine']}, {here['memory']}, {here['system']}",
        "run with": asked or "the short forms",
        "tests": ", ".join(f"{count} {name}" for name, count in outcomes.items()),
        "took": f"{seconds / 60:.0f} minutes",
    }
    about = (f"| {key} | {value} |" for key, value in facts.items())
    lines = ["# Faults", "", TEXT, "| | |", "|---|---|", *about, "", *tally.table()]
    if missing := tally.untried():
        lines += ["", f"Could not be tried on this machine: {'; '.join(missing)}."]
    return "\n".join(lines) + "\n"


class Plugin:
    """Counts the attacks of a session, and writes them down where ``PRECISION_FAULTS_REPORT`` asks for it."""

    def __init__(self, config):
        self.counted, self.outcomes, self.began = Tally(), {}, time.monotonic()
        config.addinivalue_line("markers", "faults(attack): the test is this attack on a store or a run")
        name = os.environ.get("PRECISION_FAULTS_REPORT")
        self.path = config.rootpath / name if name else None
        if self.path and (hasattr(config, "workerinput") or config.getoption("numprocesses", None)):
            raise pytest.UsageError("PRECISION_FAULTS_REPORT: attacks are counted in one process; give -n 0")

    @pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
    def pytest_collection_modifyitems(self, items):
        for item in items:
            marker, asks = item.get_closest_marker("faults"), "tally" in item.fixturenames
            if marker is None and asks:
                item.add_marker("faults")
            elif marker is not None and (asks or len(marker.args) != 1):
                raise pytest.UsageError(f"{item.nodeid}: the marker faults names its attack, or tally counts")

    @pytest.hookimpl(tryfirst=True)  # before a fixture that cannot be had skips the test
    def pytest_runtest_setup(self, item):
        for name in self._attack(item):
            self.counted.rows.setdefault(name, Row())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        with contextlib.ExitStack() as counted:
            for name in self._attack(item):
                counted.enter_context(self.counted(name))
            return (yield)

    def _attack(self, item):
        """Return the name of the attack that a test is as a whole, alone or not at all."""
        marker = item.get_closest_marker("faults")
        return () if marker is None else marker.args

    def pytest_sessionstart(self):
        if self.path:
            from precision.measure.machine.environment import environment  # other sessions do without it

            now = datetime.datetime.now(datetime.UTC)
            self.here = {**environment(), "date": f"{now:%Y-%m-%d %H:%M} UTC"}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] = self.outcomes.get(report.outcome, 0) + 1

    def pytest_sessionfinish(self, exitstatus):
        if self.path and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            text = page(self.counted, self.here, self.outcomes, time.monotonic() - self.began)
            self.path.write_text(text, encoding="utf-8")
