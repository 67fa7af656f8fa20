"""Energy by what this machine has to count it: the processor packages and the GPUs, whoever they work for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from precision.measure.machine.sources.source import GoneError, Instrument

NOT_MEASURABLE = "not measurable here"
LEFT_OUT = "; not counted: "


class Meter:
    """All instruments together.

    Args:
        instruments: that count.
        missing: by what is not counted, such as ``processor``, the reason.
    """

    def __init__(self, instruments: Sequence[Instrument], missing: Mapping[str, str]) -> None:
        self._instruments, self._missing = list(instruments), dict(missing)
        self._failed = ""

    def joules(self) -> float:
        """Return the joules since the instruments were made; NaN from when one of them cannot tell."""
        if not self._instruments or self._failed:
            return math.nan
        total = 0.0
        for instrument in self._instruments:
            try:
                total += instrument.joules()
            except GoneError as error:
                self._failed = f"{instrument.name} ended: {error}"
                return math.nan
        return total

    @property
    def source(self) -> str:
        """What counted and what is left out; or ``NOT_MEASURABLE`` and why."""
        if self._failed:
            return f"{NOT_MEASURABLE}: {self._failed}"
        without = [f"{what}: {why}" for what, why in self._missing.items()]
        if not self._instruments:
            return f"{NOT_MEASURABLE}: {'; '.join(without)}"
        counted = ", ".join(instrument.name for instrument in self._instruments)
        return LEFT_OUT.join([counted, *(["; ".join(without)] if without else [])])
