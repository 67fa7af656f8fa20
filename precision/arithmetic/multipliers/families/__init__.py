"""Families of multipliers, one idea in a file; importing them registers them."""

from precision.arithmetic.multipliers.families import alphabet as alphabet
from precision.arithmetic.multipliers.families import array as array
from precision.arithmetic.multipliers.families import logarithm as logarithm
from precision.arithmetic.multipliers.families import segments as segments
from precision.arithmetic.multipliers.families import small_blocks as small_blocks
from precision.arithmetic.multipliers.families import table as table
