"""The page of published figures says what the committed reports say."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "published.md").read_text()
REPORTS = ROOT / "reports" / "published"


def results(text):
    """The last cells of the rows of the tables of checks."""
    return [
        row.split("|")[-2].strip()
        for row in text.splitlines()
        if re.search(r"\| (pass|\*\*(fail|no .*)\*\*) +\|$", row)
    ]


def test_every_committed_report_is_on_the_page_with_its_count():
    said = re.findall(
        r"\| (\d+) of (\d+) \| \[([\w-]+)\]\(\.\./reports/published/([\w-]+)/report\.md\) \|", PAGE
    )
    assert all(name == folder for *_, name, folder in said) and len(said) >= 5
    assert {name for *_, name in said} == {path.name for path in REPORTS.iterdir()}
    for passed, figures, name, _ in said:
        text = (REPORTS / name / "report.md").read_text()
        assert f"**{passed} of {figures} figures within the margin" in text, name
        found = results(text)
        assert (found.count("pass"), len(found)) == (int(passed), int(figures)), name
        assert not re.search(r"/(tmp|home|work)/", text), name
