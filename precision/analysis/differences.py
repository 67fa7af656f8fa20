"""Pairing with the baseline: differences per run, and the rows that one table compares."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

PAIR = ["dataset", "architecture", "training", "seed"]


class Block(NamedTuple):
    """What one table is about. Methods never share a table: they answer different questions.

    >>> from precision.analysis import Block
    >>> Block(dataset="digits", training="", method="ptq").method
    'ptq'
    """

    dataset: str
    training: str
    method: str


def with_differences(frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return the frame with ``baseline_accuracy`` and ``accuracy_difference`` computed.

    A run is paired with the baseline run of its dataset, architecture, training and seed: that of its
    own method if there is one, otherwise that of any method. Without such a run, or when either of the
    two has no result, the difference is NaN.

    >>> import precision
    >>> from precision.analysis import with_differences
    >>> frame = with_differences(precision.load_results("grid.yaml"), "float32")
    >>> frame.groupby("policy", sort=False)["accuracy_difference"].mean().round(2).to_dict()
    {'float32': 0.0, 'fixed8': -0.01, 'fixed4': -0.42}
    """
    usable = frame[(frame["policy"] == baseline) & (frame["status"] == "ok") & frame["accuracy"].notna()]
    own, any_method = (
        usable.drop_duplicates(keys).set_index(keys)["accuracy"] for keys in ([*PAIR, "method"], PAIR)
    )
    reference = pd.Series(
        own.reindex(pd.MultiIndex.from_frame(frame[[*PAIR, "method"]])).to_numpy(dtype="float64"), frame.index
    )
    fallback = any_method.reindex(pd.MultiIndex.from_frame(frame[PAIR])).to_numpy(dtype="float64")
    reference = reference.fillna(pd.Series(fallback, frame.index))
    accuracy = frame["accuracy"].where(frame["status"] == "ok")
    return frame.assign(baseline_accuracy=reference, accuracy_difference=accuracy - reference)


def blocks(frame: pd.DataFrame, baseline: str) -> list[Block]:
    """Return every (dataset, training, method) to tabulate, each axis in order of first appearance.

    A method that has the baseline policy alone is no block: its runs are the baseline of the others.
    When there is nothing but the baseline, its methods are the blocks.

    >>> import precision
    >>> from precision.analysis import blocks
    >>> blocks(precision.load_results("grid.yaml"), "float32")
    [Block(dataset='digits', training='', method='ptq')]
    """
    compared = frame[frame["policy"] != baseline]
    if compared.empty:
        compared = frame
    present = set(zip(compared["dataset"], compared["training"], compared["method"], strict=True))
    return [
        Block(dataset, training, method)
        for dataset in frame["dataset"].unique()
        for training in frame["training"].unique()
        for method in frame["method"].unique()
        if (dataset, training, method) in present
    ]


def rows_of(frame: pd.DataFrame, block: Block, baseline: str) -> pd.DataFrame:
    """Return the rows of a block together with the baseline rows that it is compared with.

    A baseline run recorded under another method only (the same trial serves all methods) joins the
    block; nothing else of another method does.

    >>> import precision
    >>> from precision.analysis import Block, rows_of
    >>> frame = precision.load_results("grid.yaml")
    >>> len(rows_of(frame, Block("digits", "", "ptq"), "float32"))
    6
    """
    here = frame[(frame["dataset"] == block.dataset) & (frame["training"] == block.training)]
    own = here[here["method"] == block.method]
    elsewhere = (here["policy"] == baseline) & (here["method"] != block.method)
    references = here[elsewhere & here["architecture"].isin(own["architecture"])].drop_duplicates(PAIR)
    have = pd.MultiIndex.from_frame(own.loc[own["policy"] == baseline, PAIR])
    missing = ~pd.MultiIndex.from_frame(references[PAIR]).isin(have)
    return pd.concat([own, references[missing]]).sort_index()
