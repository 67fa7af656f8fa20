"""From the results of a grid to tables: differences, intervals, pivots, the smallest usable format.

Pure functions from a data frame to a data frame; no TensorFlow, no plotting.
"""

from precision.analysis.choice import smallest_within_tolerance
from precision.analysis.classes import Classes, by_class
from precision.analysis.columns import COLUMNS, STATUSES, SUMMARY_COLUMNS, VERDICTS, Column, checked
from precision.analysis.differences import Block, blocks, rows_of, with_differences
from precision.analysis.published import Published, PublishedFigure
from precision.analysis.results import ReportSettings, Results
from precision.analysis.statistics import Estimate, estimate
from precision.analysis.tables import pareto_front, pivot, summary
from precision.analysis.verdicts import judged

__all__ = [
    "COLUMNS",
    "STATUSES",
    "SUMMARY_COLUMNS",
    "VERDICTS",
    "Block",
    "Classes",
    "Column",
    "Estimate",
    "Published",
    "PublishedFigure",
    "ReportSettings",
    "Results",
    "blocks",
    "by_class",
    "checked",
    "estimate",
    "judged",
    "pareto_front",
    "pivot",
    "rows_of",
    "smallest_within_tolerance",
    "summary",
    "with_differences",
]
