"""The grid engine: from a YAML file to trials, from trials to stored results."""

from precision.grid.file.changes import Changes
from precision.grid.file.load import load_grid
from precision.grid.file.schema import Grid
from precision.grid.plan.cell import Cell
from precision.grid.plan.expand import expand
from precision.grid.plan.only import select
from precision.grid.plan.schedule import schedule
from precision.grid.store import Store

__all__ = ["Cell", "Changes", "Grid", "Store", "expand", "load_grid", "schedule", "select"]
