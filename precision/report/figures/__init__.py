"""The figures of the report: one function each, returning a matplotlib Figure that nothing else holds."""

from precision.report.figures.accuracy import accuracy_vs_bits
from precision.report.figures.loss import loss_curves

__all__ = ["accuracy_vs_bits", "loss_curves"]
