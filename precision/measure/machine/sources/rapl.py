"""Energy of the processor packages, as their own counters (RAPL) tell it through the powercap tree of Linux.

A counter is in microjoules and begins anew after ``max_energy_range_uj``, which takes minutes: it has to be
read in between, which the sampler does. Since 2020 the counters are readable by root alone, unless somebody
has changed that.
"""

from __future__ import annotations

import re
from pathlib import Path

from precision.measure.machine.sources.source import GoneError, Instrument

ROOT = Path("/sys/class/powercap")
# intel-rapl:0 is a package, also of AMD; intel-rapl:0:1 a part of it, and intel-rapl-mmio:0 the same again.
_ZONE = re.compile(r"intel-rapl:\d+")


class Packages(Instrument):
    """All processor packages of the machine, whoever they work for.

    Args:
        root: the powercap tree.

    Raises:
        GoneError: when there is none, or it has no package.
        OSError: when a counter may not be read.
    """

    def __init__(self, root: Path = ROOT) -> None:
        super().__init__()
        if not root.is_dir():
            raise GoneError(f"{root} is not there, as on most virtual machines")
        zones = sorted(path for path in root.iterdir() if _ZONE.fullmatch(path.name))
        # Besides the packages there may be the zone of the whole platform, psys, which holds them.
        named = {path: (path / "name").read_text().strip() for path in zones}
        packages = [path for path, name in named.items() if name.startswith("package")]
        if not packages:
            raise GoneError(f"{root} has no processor package")
        self._counters = [_Counter(path) for path in packages]
        self.name = f"RAPL ({', '.join(named[path] for path in packages)})"

    def _joules(self) -> float:
        return sum(counter.microjoules() for counter in self._counters) / 1e6


class _Counter:
    """The counter of one package, from the time when it was made, and across its wrapping."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._path.read_text())
        self._total = 0

    def microjoules(self) -> int:
        now = int(self._path.read_text())
        grown = now - self._last
        if grown < 0:
            grown += self._range
        if grown < 0:
            raise GoneError(f"{self._path} went back by more than its range")
        self._last = now
        self._total += grown
        return self._total
