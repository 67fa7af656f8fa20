"""What the emulation of a policy costs beside the float32 network: more for some families of formats."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

from precision.arithmetic.accumulators.accumulator import Accumulator
from precision.arithmetic.accumulators.register import Register
from precision.formats import Block, Codebook, Lattice, NumberFormat
from precision.quantization import Policy
from precision.quantization.policy.multipliers import Multiplying

NOTHING = "float32"
# Nanoseconds to round a value in one inference: measured on two cores of an AMD EPYC.
NANOSECONDS = {NOTHING: 0.0, "lattice": 0.2, "codebook": 0.5, "block": 0.4, "library": 6.0}
STOCHASTIC = 3.0  # times as long: the random numbers
INTEGERS = 0.1  # nanoseconds of a multiply-accumulate of integers
SUMS = 0.22  # nanoseconds of a multiply-accumulate whose sum is rounded, and as much for a rounded product


@dataclass(frozen=True)
class Rounding:
    """What of a policy decides how long its trials take.

    Attributes:
        family: in words, by which results are found that take as long.
        values, weights: nanoseconds to round one value that a layer hands on, and one weight.
        macs: nanoseconds more for one multiply-accumulate.
        images: that calibration looks at.
    """

    family: str = NOTHING
    values: float = 0.0
    weights: float = 0.0
    macs: float = 0.0
    images: int = 0


@functools.lru_cache(maxsize=10_000)
def rounding(policy_text: str) -> Rounding:
    """Return the cost of a policy, given as the JSON text of its plain data.

    >>> from precision.grid.forecast.rounding import rounding
    >>> rounding("{}").family
    'float32'
    """
    policy = Policy.from_json(json.loads(policy_text))
    costs = {"weights": 0.0, "values": 0.0, "macs": 0.0}
    families = {NOTHING}
    for slot, setting in policy.settings():
        if isinstance(setting, Register | Multiplying):
            costs["macs"] = max(costs["macs"], INTEGERS)
            families.add("integers")
            continue
        if isinstance(setting, Accumulator):
            costs["macs"] = max(costs["macs"], SUMS * (2 if setting.products else 1))
            families.add("accumulators")
            continue
        random = setting.rounding == "stochastic"
        family = _family(setting.number_format)
        part = "values" if slot in ("activations", "inputs", "gradients") else "weights"
        costs[part] = max(costs[part], NANOSECONDS[family] * (STOCHASTIC if random else 1.0))
        families |= {family, "stochastic"} if random else {family}
        if setting.scaled:
            families.add(f"{setting.scaling.kind} scale")
    words = " ".join(sorted(families - {NOTHING})) or NOTHING
    return Rounding(words, images=policy.images if policy.calibrated else 0, **costs)


def _family(number_format: NumberFormat) -> str:
    if isinstance(number_format, Lattice):
        return "lattice"
    if isinstance(number_format, Codebook):
        return "codebook"
    return "block" if isinstance(number_format, Block) else "library"
