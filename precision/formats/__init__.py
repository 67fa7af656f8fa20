"""Number formats: which values a format has, and how a float32 is rounded to them.

>>> import numpy as np
>>> from precision import formats
>>> formats.parse("fixed(8,4)").quantize(np.array([0.1, 3.14159, 100.0]))
array([0.125 , 3.125 , 7.9375], dtype=float32)
"""

from precision.formats import families as families
from precision.formats.base import NumberFormat, Programmed
from precision.formats.kernels.block import Block, BlockCodes
from precision.formats.kernels.codebook import Codebook
from precision.formats.kernels.lattice import Lattice
from precision.formats.rounding import ROUNDINGS, Rounding, parse_rounding
from precision.formats.text import parse, usage
from precision.registry import FORMATS

register_format = FORMATS.register

__all__ = [
    "ROUNDINGS",
    "Block",
    "BlockCodes",
    "Codebook",
    "Lattice",
    "NumberFormat",
    "Programmed",
    "Rounding",
    "parse",
    "parse_rounding",
    "register_format",
    "usage",
]
