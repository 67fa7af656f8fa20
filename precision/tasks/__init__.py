"""What a network is asked: one file per kind of question, and what follows from it everywhere.

Of which kind the targets of a data set are, what training minimises, by which number networks are compared,
and whether more of it is better: whoever needs to know asks the task. A new kind is a file here and a name in
``TASKS``; ``architectures._heads`` says how a network that a user gives has to end for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from precision.errors import unknown
from precision.tasks.base import Judged, Task
from precision.tasks.classification import Classification
from precision.tasks.multi_label import MultiLabel
from precision.tasks.regression import Regression

__all__ = ["CLASSIFICATION", "SCORES", "TASKS", "Judged", "Task", "named", "of_all", "score_in_words"]

CLASSIFICATION: Task = Classification()
TASKS: Mapping[str, Task] = {task.name: task for task in (CLASSIFICATION, MultiLabel(), Regression())}
SCORES: tuple[str, ...] = tuple(dict.fromkeys(task.score for task in TASKS.values()))
"""The metrics by which networks are compared, each once."""


def named(name: str) -> Task:
    """Return a task by its name; an empty one is that of what was stored before there were others.

    Raises:
        PrecisionError: for an unknown name.

    >>> from precision import tasks
    >>> tasks.named("regression").score
    'rmse'
    """
    if name and name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name] if name else CLASSIFICATION


def of_all(names: Iterable[str]) -> Task:
    """Return the task that several results have in common, by their names, of which some may be unknown.

    >>> from precision import tasks
    >>> tasks.of_all(["", "regression"]).name
    'regression'
    """
    return named(next((name for name in names if isinstance(name, str) and name), ""))


def score_in_words(metrics: Mapping[str, float], prefix: str = "") -> str:
    """Return the number by which networks are compared, of those of a trial or an epoch, in words.

    >>> from precision import tasks
    >>> tasks.score_in_words({"loss": 3.1, "val_rmse": 54.25}, prefix="val_")
    'RMSE 54.25'
    """
    for task in TASKS.values():
        if prefix + task.score in metrics:
            return task.said(metrics[prefix + task.score])
    return ""
