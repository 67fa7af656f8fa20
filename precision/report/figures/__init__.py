"""The figures of the report of a grid, one function each; importing this package files them all.

It imports matplotlib, which takes most of a second.
"""

from precision.report.figures import accuracy as accuracy
from precision.report.figures import classes as classes
from precision.report.figures import loss as loss
from precision.report.figures import memory as memory
from precision.report.figures import multipliers as multipliers
from precision.report.figures import speedup as speedup
