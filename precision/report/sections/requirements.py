"""What the grid file requires of its results, and which cells do not meet it."""

from __future__ import annotations

from precision.analysis import Results
from precision.analysis.gates import broken
from precision.registry import SECTIONS
from precision.report.document import List, Section, note, order

_ABOUT = "Required by the grid file, of the mean over seeds; where it says so, of the interval too."


@SECTIONS.register("requirements")
@order(15)
def requirements(results: Results) -> Section | None:
    """Return which requirements are met; None where the grid has none."""
    gates, baseline = results.settings.gates, results.settings.baseline
    if not gates:
        return None
    found = broken(gates, results.summary(), baseline)
    faults = {str(gate): [one for one in found if one.gate == str(gate)] for gate in gates}
    met = [name for name, those in faults.items() if not those]
    return Section(
        "Requirements",
        (
            note(_ABOUT),
            List(
                (
                    *(f"met: {name}" for name in met),
                    *(f"broken: {one}" for those in faults.values() for one in those),
                )
            ),
        ),
    )
