"""The comparison report: Markdown, CSV and figures from the results of a grid.

Works from stored results alone. Importing this package does not import matplotlib.
"""

from precision.report.pages.grid import answer_text, pivot_text, write

__all__ = ["answer_text", "pivot_text", "write"]
