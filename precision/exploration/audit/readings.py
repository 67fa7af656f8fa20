"""Whether a model fits its data at all, and what to try where it does not.

The usual reasons are numbers that are scaled in another way than in its training, and classes in another
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from precision.data import Dataset, as_float
from precision.data.scaling import scaled
from precision.errors import PrecisionError
from precision.tasks.classification import mean_recall

SCALES = ("none", "0..1", "-1..1", "standard", "minmax", "tf", "torch", "caffe")
LEAST = 0.05  # of what there is to gain over chance, below which a model says nothing about the data
_DOUBTFUL = 0.6  # the same, below which another reading is looked for
_BETTER = 0.1  # of accuracy, by which another reading is worth a word
_SURE = 0.5  # accuracy from which another order of the classes is believed
_IMAGES, _TRAIN = 500, 2000
_LISTED = 12  # classes

Classify = Callable[[np.ndarray], np.ndarray]
"""From images as they enter the network to classes."""


@dataclass(frozen=True)
class Try:
    """Another way to read the data: the option that asks for it, and the accuracy that it gives."""

    option: str
    accuracy: float


def gain(predictions: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Return how far a network is from chance (0) to faultless (1), as accuracy or balanced accuracy says.

    Chance is to say the most frequent class always: a network that does is right as often as this class
    occurs, and on 1/classes of them on average.
    """
    right = predictions == labels
    counts = np.bincount(labels, minlength=classes)
    share = counts.max() / len(labels)
    recall = mean_recall(right, labels)
    kinds = int((counts > 0).sum())
    plain = (right.mean() - share) / (1 - share) if share < 1 else float(right.mean())
    balanced = (recall - 1 / kinds) / (1 - 1 / kinds) if kinds > 1 else plain
    return float(max(plain, balanced))


def check(
    model: Path,
    dataset: Dataset,
    predictions: np.ndarray,
    classify: Classify,
    unscaled: Callable[[], Dataset],
    order: np.ndarray,
) -> str:
    """Refuse a model that does no better than chance; return a doubt about one that is not much better.

    Args:
        dataset: as the network reads it.
        predictions: of all test images.
        classify: the float32 network.
        unscaled: loads the data set with its numbers as they are in the files.
        order: of the test images, of which the first ones are looked at.

    Raises:
        PrecisionError: with what to try, of which it says how accurate the model would be.
    """
    far = gain(predictions, dataset.y_test, dataset.classes)
    if far >= _DOUBTFUL:
        return ""
    accuracy = float((predictions == dataset.y_test).mean())
    tries = [Try("", accuracy), *_tries(dataset, predictions, classify, unscaled, order)]
    best = max(tries, key=lambda one: one.accuracy)
    helps = best.accuracy >= accuracy + _BETTER
    hint = f"with --data-option '{best.option}' it is right on {100 * best.accuracy:.1f} %"
    if far >= LEAST:
        return (
            f"the model is right on {100 * accuracy:.1f} % of the test images, but {hint}; is it read as it "
            "was trained?"
            if helps
            else ""
        )
    share = np.bincount(dataset.y_test).max() / len(dataset.y_test)
    advice = (
        hint
        if helps
        else (
            "look at how images were scaled in its training (--data-option scale=none, 0..1, -1..1 or tf, of "
            "which none helps here) and at the order of its classes (--data-option classes=[...])"
        )
    )
    raise PrecisionError(
        f"{model}: in float32 the model is right on {100 * accuracy:.1f} % of the test images, and who "
        f"always says the most frequent class on {100 * share:.1f} %, so no format can be judged; {advice}"
    )


def _tries(
    dataset: Dataset,
    predictions: np.ndarray,
    classify: Classify,
    unscaled: Callable[[], Dataset],
    order: np.ndarray,
) -> Iterator[Try]:
    other = _reordered(dataset, predictions, dataset.y_test)
    if other.accuracy >= _SURE:  # the best of many orders is better than chance by chance
        yield other
    raw, some = unscaled(), order[:_IMAGES]
    few = replace(
        raw,
        x_train=raw.x_train[:_TRAIN],
        y_train=raw.y_train[:_TRAIN],
        x_test=raw.x_test[some],
        y_test=raw.y_test[some],
        scaling="",
    )
    for scale in SCALES:
        try:
            images = scaled(few, scale).x_test
        except PrecisionError:  # for images of other channels or numbers
            continue
        said = classify(as_float(images))
        yield Try(f"scale={scale}", float((said == few.y_test).mean()))


def _reordered(dataset: Dataset, predictions: np.ndarray, labels: np.ndarray) -> Try:
    """Return the order of classes in which a network is right most often, and how often it is then."""
    from scipy.optimize import linear_sum_assignment  # half a second that only a misfit needs

    classes = dataset.classes
    valid = predictions < classes
    pairs: Any = np.zeros((classes, classes), np.int64)
    np.add.at(pairs, (labels[valid], predictions[valid].astype(np.int64)), 1)
    own, said = linear_sum_assignment(pairs, maximize=True)
    names = [dataset.class_names[own[np.flatnonzero(said == output)[0]]] for output in range(classes)]
    shown = yaml.safe_dump(names, default_flow_style=True, width=2**31).strip()
    text = shown if classes <= _LISTED else "[...], the names in the order of its outputs"
    return Try(f"classes={text}", float(pairs[own, said].sum() / len(labels)))
