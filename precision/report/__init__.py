"""The comparison report: Markdown, CSV and figures from the results of a grid.

``precision.write_report`` writes the report of a grid file. Works from stored results alone.
Importing this package does not import matplotlib.
"""

from precision.report.pages.grid import answer_text, pivot_text, write

__all__ = ["answer_text", "pivot_text", "write"]
