"""The figures of the report: one function each, returning a matplotlib Figure that nothing else holds."""

from precision.report.accuracy_figure import accuracy_vs_bits
from precision.report.loss_figure import loss_curves

__all__ = ["accuracy_vs_bits", "loss_curves"]
