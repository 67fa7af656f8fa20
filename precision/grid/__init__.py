"""The grid engine: from a YAML file to trials, from trials to stored results."""

from precision.grid.expression.cell import Cell
from precision.grid.expression.changes import Changes
from precision.grid.expression.expand import expand
from precision.grid.expression.load import load_grid
from precision.grid.expression.only import select
from precision.grid.expression.schedule import schedule
from precision.grid.expression.schema import Grid
from precision.grid.store import Store

__all__ = ["Cell", "Changes", "Grid", "Store", "expand", "load_grid", "schedule", "select"]
