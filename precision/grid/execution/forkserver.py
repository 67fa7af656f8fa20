"""The process that imports what trials need once, and forks a worker whenever one is asked for.

Importing TensorFlow and Keras takes five seconds and hundreds of megabytes, which workers that are forked
share. Nothing is computed here and no device is touched: TensorFlow's own threads begin with its first
operation, and a fork has none of its parent's threads. What a worker's trial left running ends with it:
whoever lost its parent becomes a child of this process, and is not one of its workers.

This process is a child of the one that runs the grid (see ``launch``), and ends with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import selectors
import signal
import socket
import struct
import sys
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from precision.grid.execution.orphans import (
    adopt_orphans,
    end_with_parent,
    kill_with_descendants,
    living_children,
)

REQUEST = b"w"  # comes with four files: connection, status, standard output, standard error
STATUS = struct.Struct("=q")  # what the status file gets: the worker's pid, and when it ended its exit code
ALIVE = "alive"
UNSAFE = 3  # exit code of a server that must not fork


def serve(control: socket.socket, runner: str, backend: str, preload: bool) -> None:
    """Fork a worker for every request, until the other end of ``control`` is closed.

    Args:
        runner: see ``worker.Setup``; what its module offers as ``preload`` is called first.
        backend: of Keras.
        preload: False forks workers that import everything themselves, which is safe everywhere.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    _called("precision-fork")
    adopt_orphans()
    os.environ["KERAS_BACKEND"] = backend
    if preload:
        with contextlib.suppress(Exception):  # the workers meet it again, and tell it
            getattr(importlib.import_module(runner.partition(":")[0]), "preload", lambda: None)()
        if _unsafe():
            sys.exit(UNSAFE)
        gc.freeze()  # what is imported stays: no worker looks for garbage among it, nor copies its pages
    server = _Server(control)
    try:
        server.go()
    finally:
        server.end()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # no exception in what libraries do at the end


def _called(name: str) -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _unsafe() -> bool:
    """Return whether this process has computed something or holds a device, and must not fork."""
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    if getattr(context, "_initialized", False):
        return True
    if getattr(sys.modules.get("jax._src.xla_bridge"), "_backends", None):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return True
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(file.readlink()).startswith(("/dev/nvidia", "/dev/dri", "/dev/kfd")):
                return True
    return False


def work(connection: Connection) -> None:
    """Say that this process is there, and do what it is told: take some surroundings, and call a function."""
    with contextlib.suppress(EOFError, ConnectionError):  # nobody wants it any more
        connection.send(ALIVE)
        surroundings, function, arguments = connection.recv()
        surroundings.take()
        function(connection, *arguments)


class _Server:
    """Waits for requests and for the ends of workers."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: dict[int, int] = {}  # pid: its status file
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def go(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                    self._reap()
                if self._control in ready:
                    request, files, *_ = socket.recv_fds(self._control, len(REQUEST), 4)
                    if not request:
                        return
                    self._fork(files)

    def end(self) -> None:
        """Stop every worker, and all that they left."""
        for child in psutil.Process().children():
            kill_with_descendants(child)

    def _fork(self, files: list[int]) -> None:
        connection, status, out, err = files
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a process with threads forks: see above
                pid = os.fork()
            if pid == 0:
                self._work(connection, status, out, err)
            self._workers[pid] = status
            self._tell(pid, pid)
        except OSError:  # no room for another process: the status file ends without a word
            os.close(status)
        finally:
            for file in (connection, out, err):
                os.close(file)

    def _work(self, connection: int, status: int, out: int, err: int) -> None:
        """Become a worker; does not return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.dup2(out, 1)
            os.dup2(err, 2)
            self._control.close()
            for file in (out, err, status, self._woken, self._wake, *self._workers.values()):
                os.close(file)
            multiprocessing.current_process().daemon = False  # a trial may start processes
            if (numpy := sys.modules.get("numpy")) is not None:
                numpy.random.seed()  # else all workers would draw the same where nobody gave a seed
            end_with_parent()
            adopt_orphans()
            _called("precision-work")
            work(Connection(connection))
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        ended = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self._workers:
                ended = True
                self._tell(pid, os.waitstatus_to_exitcode(status))
                os.close(self._workers.pop(pid))
        if ended:
            self._sweep()

    def _sweep(self) -> None:
        """Stop what workers that are gone have left: children that are no workers.

        A worker adopts the orphans among its own descendants, so that those of the living are not here.
        """
        for child in living_children():
            if child.pid not in self._workers:
                kill_with_descendants(child)

    def _tell(self, pid: int, number: Any) -> None:
        with contextlib.suppress(OSError):  # nobody asks any more
            os.write(self._workers[pid], STATUS.pack(number))
