"""Accumulators: the rounding of a running sum, by definition and compiled."""
