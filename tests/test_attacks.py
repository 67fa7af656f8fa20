"""The counts of ``make faults`` are those of what was attacked, and a session writes them only when asked."""

import re
from pathlib import Path

import attacks
import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parent.parent


def test_what_does_not_come_to_its_end_is_silent():
    tally = attacks.Tally()
    for bit in range(5):
        with tally("a bit") as attack:
            attack.harmless = bit == 3
    with pytest.raises(AssertionError), tally("a bit"):
        raise AssertionError("nobody saw it")
    with pytest.raises(pytest.skip.Exception), tally("a mount"):
        pytest.skip("only root may mount a file system")
    assert tally.table()[2:] == ["| a bit | 6 | 4 | 1 | 1 |", "| **all** | **6** | **4** | **1** | **1** |"]
    assert tally.untried() == ["a mount"]


TESTS = """
import pytest

@pytest.mark.faults("a worker dies")
@pytest.mark.parametrize("n", range(3))
def test_whole(n):
    assert n < 2

@pytest.mark.faults("a mount")
def test_elsewhere():
    pytest.skip("not here")

@pytest.fixture
def folder():
    pytest.skip("nor here")

@pytest.mark.faults("a disk")
def test_nowhere(folder):
    pass

def test_often(tally):
    for bit in range(8):
        with tally("a bit"):
            pass

def test_something_else():
    raise ValueError("is not run")
"""
CONFTEST = (ROOT / "tests" / "conftest.py").read_text()
CHOSEN = ("-m", "faults", "-p", "no:cacheprovider")


@pytest.fixture
def session(pytester, monkeypatch):
    """A function that runs a session of these tests, and returns its result and the page it wrote."""

    def run(tests, report, *options):
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile(tests)
        monkeypatch.delenv("PRECISION_FAULTS_REPORT", raising=False)
        if report:
            monkeypatch.setenv("PRECISION_FAULTS_REPORT", "page.md")
        done = pytester.runpytest_inprocess(*CHOSEN, *options)
        path = pytester.path / "page.md"
        return done, path.read_text() if path.exists() else None

    return run


def test_a_session_writes_what_was_attacked(session, monkeypatch):
    monkeypatch.setenv("PRECISION_FAULT_TRIALS", "300")
    done, page = session(TESTS, True)
    done.assert_outcomes(passed=3, failed=1, skipped=2, deselected=1)
    assert "| a worker dies | 3 | 2 | 0 | 1 |\n| **all** | **11** | **10** | **0** | **1** |\n" in page
    assert "| a bit | 8 | 8 | 0 | 0 |" in page
    assert "Could not be tried on this machine: a disk; a mount." in page
    assert "| tests | 3 passed, 1 failed, 2 skipped |" in page and "`PRECISION_FAULT_TRIALS=300`" in page
    assert str(ROOT) not in page


def test_a_session_that_is_not_asked_writes_nothing(session):
    done, page = session(TESTS, False)
    done.assert_outcomes(passed=3, failed=1, skipped=2, deselected=1)
    assert page is None


@pytest.mark.parametrize("how", ["faults", 'faults("a bit")'])
def test_an_attack_is_counted_once(session, how):
    asks = "tally" if "(" in how else ""
    done, page = session(f"import pytest\n@pytest.mark.{how}\ndef test_it({asks}): pass\n", True)
    assert done.ret == pytest.ExitCode.USAGE_ERROR and page is None
    done.stderr.fnmatch_lines("*::test_it: the marker faults names its attack, or tally counts")


def test_processes_that_share_the_tests_do_not_count(session):
    done, page = session(TESTS, True, "-n", "1")
    assert done.ret == pytest.ExitCode.USAGE_ERROR and page is None


def test_the_committed_counts_have_nothing_silent():
    page = (ROOT / "reports" / "faults.md").read_text()
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in page.splitlines() if "|" in line]
    counts = {row[0]: [int(count) for count in row[1:]] for row in rows if len(row) == 5 and row[1].isdigit()}
    total = counts.pop("all")
    assert len(counts) > 20 and total == [sum(column) for column in zip(*counts.values(), strict=True)]
    assert all(tried == seen + harmless and not silent for tried, seen, harmless, silent in counts.values())
    assert re.search(r"^\| tests \| \d+ passed(, \d+ skipped)? \|$", page, re.M)
