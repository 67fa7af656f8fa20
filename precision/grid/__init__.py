"""The grid engine: from a YAML file to trials, from trials to stored results."""

from precision.grid.expression.expand import Cell, expand, schedule
from precision.grid.expression.schema import Grid, load_grid
from precision.grid.store import Store

__all__ = ["Cell", "Grid", "Store", "expand", "load_grid", "schedule"]
