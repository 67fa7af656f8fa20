"""Multipliers, exact and approximate: what becomes of each pair of an activation and a weight.

>>> from precision.arithmetic.multipliers import parse_multiplier
>>> udm = parse_multiplier("udm(8)")
>>> int(udm.multiply(3, 3)), int(udm.multiply(3, -3))
(7, -7)
>>> udm.products(0, 255, -127, 127).table.shape
(256, 255)
"""

from precision.arithmetic.multipliers import families as families
from precision.arithmetic.multipliers.base import Multiplier, Published
from precision.arithmetic.multipliers.errors import Errors, errors_of
from precision.arithmetic.multipliers.files import write as write_table
from precision.arithmetic.multipliers.several import of_folder, parse_multipliers
from precision.arithmetic.multipliers.text import parse_multiplier, usage
from precision.registry import MULTIPLIERS

register_multiplier = MULTIPLIERS.register

__all__ = [
    "Errors",
    "Multiplier",
    "Published",
    "errors_of",
    "of_folder",
    "parse_multiplier",
    "parse_multipliers",
    "register_multiplier",
    "usage",
    "write_table",
]
