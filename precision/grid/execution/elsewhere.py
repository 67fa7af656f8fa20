"""Call a function where Keras is imported, without importing it here: it takes seconds and much memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from precision import plugins
from precision.errors import PrecisionError
from precision.grid.execution import launch, lost_trials
from precision.grid.execution.launch import WorkerProcess
from precision.grid.execution.worker import RUNNER
from precision.startup import start_backend

Result = TypeVar("Result")


def elsewhere(function: Callable[..., Result], *arguments: object, backend: str | None = None) -> Result:
    """Return what a function of a module returns, called in a process that is forked for it.

    It has the plugins of this process. Where this process has Keras already, the function is called here.

    Args:
        function, arguments: to be pickled, as is the value that comes back.
        backend: of Keras; None for TensorFlow.

    Raises:
        PrecisionError: that the function raised; for any other error, with its text; and when the process
            died.
    """
    if "keras" in sys.modules:
        return function(*arguments)
    while True:
        process = WorkerProcess(
            launch.server(RUNNER, backend), answer, (tuple(plugins.loaded()), function, arguments)
        )
        try:
            kind, value = _answer(process)
        finally:
            process.close()
        if kind == "value":
            return value
        if kind == "error" or not process.preloaded:
            raise PrecisionError(value)
        launch.distrust()  # it died, or did not start, where it was forked from a server full of imports


def _answer(process: WorkerProcess) -> tuple[str, Any]:
    ready = False
    while True:
        wait(process.news, 0.1)
        process.look()
        over = process.over
        for kind, value in process.messages():
            if kind != "ready":
                return kind, value
            ready = True
        if over:
            return "dead", lost_trials.death(process.exit_code)
        if not ready and process.stuck():
            return "dead", "a worker process does not start"


def answer(connection: Connection, own: Any, function: Callable[..., Any], arguments: Any) -> None:
    """Send what a function returns, or what it raised; runs in the forked process."""
    try:
        start_backend(lean=True)
        connection.send(("ready", None))
        plugins.load(own)
        message = ("value", function(*arguments))
    except Exception as error:
        message = ("error", lost_trials.sentence(error))
    connection.send(message)
