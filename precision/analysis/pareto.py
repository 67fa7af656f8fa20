"""Which choices are not beaten in both cost and gain."""

from __future__ import annotations

import pandas as pd


def pareto_front(frame: pd.DataFrame, cost: str, gain: str) -> pd.Series:
    """Mark the rows that no other row beats: none costs as little and gains as much, and more in one.

    Rows that lack either value are not on the front.
    """
    costs, gains = frame[cost].astype("float64"), frame[gain].astype("float64")
    front = []
    for own_cost, own_gain in zip(costs, gains, strict=True):
        as_good = (costs <= own_cost) & (gains >= own_gain)
        better = as_good & ((costs < own_cost) | (gains > own_gain))
        front.append(pd.notna(own_cost) and pd.notna(own_gain) and not better.any())
    return pd.Series(front, index=frame.index, dtype="bool")
