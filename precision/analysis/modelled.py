"""The modelled energy of a stored result: its operations by the energies of a table."""

from __future__ import annotations

from precision.measure.counted.energy_table import EnergyTable
from precision.measure.counted.operations import OPERATIONS, Work
from precision.trial import TrialResult


def modelled(result: TrialResult, table: EnergyTable) -> dict[str, float]:
    """Return the modelled energy of a result; nothing where its operations are not known."""
    text = result.facts.get(OPERATIONS) if result.status == "ok" else None
    if text is None:
        return {}
    try:
        return {"energy_modelled_pj": table.work_pj(Work.parse(text))}
    except (ValueError, LookupError, TypeError):  # of another version, or damaged
        return {}
