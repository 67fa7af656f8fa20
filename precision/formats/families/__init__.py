"""Families of number formats, one per file; importing this package registers them all."""

from precision.formats.families import fixed as fixed
from precision.formats.families import floating as floating
from precision.formats.families import integers as integers
from precision.formats.families import logarithmic as logarithmic
from precision.formats.families import microscaling as microscaling
from precision.formats.families import posit as posit
from precision.formats.families import qtorch as qtorch
from precision.formats.families import tables as tables
