"""Number formats: which values a format has, and how a float32 is rounded to them.

>>> import numpy as np
>>> from precision import formats
>>> formats.parse("fixed(8,4)").quantize(np.array([0.1, 3.14159, 100.0]))
array([0.125 , 3.125 , 7.9375], dtype=float32)
"""

from precision.formats import fixed as fixed
from precision.formats import floating as floating
from precision.formats.base import ROUNDINGS, NumberFormat
from precision.formats.lattice import Lattice
from precision.formats.text import parse, usage

__all__ = ["ROUNDINGS", "Lattice", "NumberFormat", "parse", "usage"]
