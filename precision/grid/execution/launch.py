"""Start worker processes: forked from a server that has imported what they need, or from a bare one."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.context
import os
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil

from precision.grid.execution import forkserver
from precision.grid.execution.forkserver import ALIVE, REQUEST, STATUS
from precision.grid.execution.orphans import kill_with_descendants
from precision.grid.execution.surroundings import Surroundings

START_SECONDS = 60.0  # that a forked worker may take until it is ready
IMPORT_SECONDS = 300.0  # that a server may take to import what workers need
_VOLATILE = ("PRECISION_", "PYTEST_", "PWD", "OLDPWD", "COLUMNS", "LINES")


class WorkerProcess:
    """A forked process as its parent sees it.

    Args:
        server: from which it is forked.
        function: of a module; called there with its end of the connection and the arguments.
        cores: the processors that it may use; empty for those of this process.

    Attributes:
        connection: both ways, of pickled messages.
        pid: None until the server has forked it.
        exit_code: None while it runs, and of one whose server is gone.
        lost: whether its server is gone, so that nobody knows how the worker fares.
        preloaded: whether it was forked from a server that had imported what it needs.
    """

    def __init__(
        self,
        server: Server,
        function: Callable[..., None],
        arguments: tuple[object, ...],
        cores: tuple[int, ...] = (),
    ) -> None:
        self._server = server  # which lives as long as one of its workers
        self._task, self._cores = (function, arguments), cores
        self.preloaded = server.preload
        self.connection, theirs = multiprocessing.Pipe()
        self._status, status = os.pipe()
        try:
            server.request([theirs.fileno(), status])
        finally:
            theirs.close()
            os.close(status)
        self._began = time.monotonic()  # to be asked for, and then to start
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.lost = False
        self._process: psutil.Process | None = None

    @property
    def news(self) -> list[Connection | int]:
        """What becomes readable when the worker has something to tell, or has ended."""
        return [
            *([] if self.connection.closed else [self.connection]),
            *([] if self.over else [self._status]),
        ]

    @property
    def over(self) -> bool:
        """Whether it has ended, as far as can be known; see :meth:`look`."""
        return self.lost or self.exit_code is not None

    def messages(self) -> Iterator[Any]:
        """Return what it has sent since the last call; to be exhausted."""
        while not self.connection.closed:
            try:
                if not self.connection.poll():
                    return
                message = self.connection.recv()
            except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
                self.connection.close()
                return
            if message == ALIVE:
                here = Surroundings.here()
                environment = {**here.environment, "KERAS_BACKEND": self._server.backend}
                mine = replace(here, environment=environment, cores=self._cores or here.cores)
                self.send((mine, *self._task))
            else:
                yield message

    def send(self, message: object) -> None:
        """Send it something; one that has died is met soon by what it tells no more."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def look(self) -> None:
        """Take in what the server told."""
        while not self.over and wait([self._status], 0):
            word = os.read(self._status, STATUS.size)
            if not word:
                self.lost = True
            elif self.pid is None:
                (self.pid,) = STATUS.unpack(word)
                self._began = time.monotonic()
                with contextlib.suppress(psutil.Error):
                    self._process = psutil.Process(self.pid)
            else:
                (self.exit_code,) = STATUS.unpack(word)

    def stuck(self) -> bool:
        """Whether it takes too long to start; asked as long as it is not ready."""
        limit = START_SECONDS if self.pid is not None else IMPORT_SECONDS
        return self.preloaded and time.monotonic() - self._began > limit

    def bytes(self) -> int:
        """Return the resident bytes; 0 for one that has ended."""
        with contextlib.suppress(psutil.Error):
            if self._process is not None:
                return int(self._process.memory_info().rss)
        return 0

    def kill(self) -> None:
        """Stop it at once with all that it started, without waiting for its end."""
        if self._process is not None:
            kill_with_descendants(self._process)

    def close(self) -> None:
        """Stop it if it still runs, and wait for its end."""
        self.connection.close()  # which ends one that is asked for, and not yet forked
        self.look()
        if self.exit_code is None:
            self.kill()
            deadline = time.monotonic() + 10
            while self.pid is not None and not self.over and time.monotonic() < deadline:
                wait([self._status], 0.1)
                self.look()
        if self._status >= 0:
            os.close(self._status)
            self._status, self.lost = -1, self.exit_code is None


class Server:
    """A process that forks workers; it ends when nobody holds this object any more."""

    def __init__(self, runner: str, backend: str, preload: bool) -> None:
        self.backend, self.preload, self.owner = backend, preload, os.getpid()
        self._control, theirs = socket.socketpair()
        process = _Process(target=forkserver.serve, args=(theirs, runner, backend, preload), daemon=True)
        try:
            process.start()
        finally:
            theirs.close()
        self._process = process
        self._close = weakref.finalize(self, self._control.close)

    def alive(self) -> bool:
        """Whether it can be asked."""
        return self.owner == os.getpid() and self._process.is_alive()

    def request(self, files: list[int]) -> None:
        """Ask for a worker with the ends of its connection and of its status; a server that is gone is met
        by the end of the status.
        """
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        with contextlib.suppress(OSError):
            socket.send_fds(self._control, [REQUEST], [*files, 1, 2])


_lock = threading.Lock()
_servers: dict[tuple[str, bool], tuple[tuple[str, ...], Server]] = {}
_distrusted = False


def distrust() -> None:
    """Fork no more workers from a server that has imported what they need: one of them did not start."""
    global _distrusted
    _distrusted = True


def server(runner: str, backend: str | None = None) -> Server:
    """Return the server from which workers with a runner are to be forked, a new one where none fits.

    Args:
        runner: see ``worker.Setup``.
        backend: of Keras; None for TensorFlow.

    It has its environment from the time when it was started: another one makes it another server.
    """
    preload = sys.platform == "linux" and not _distrusted
    kept = sorted(f"{k}={v}" for k, v in os.environ.items() if not k.startswith(_VOLATILE))
    key, name = (runner, *kept), backend or "tensorflow"
    with _lock:
        place = (name, preload)
        known, found = _servers.get(place, ((), None))
        if found is None or known != key or not found.alive():
            found = Server(runner, name, preload)
            _servers[place] = (key, found)
        return found


class _Process(multiprocessing.context.SpawnProcess):
    """A process that does not run the caller's script again, and that Ctrl-C does not reach while it starts.

    So ``precision.run`` works in a script without a ``__main__`` guard.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802
        main = vars(sys.modules["__main__"])
        kept: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
        main.pop("__file__", None)
        main["__spec__"] = None
        # The new process inherits the mask: Ctrl-C on a terminal goes to all, and it may be importing.
        former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return multiprocessing.context.SpawnProcess._Popen(process_obj)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
            main.update(kept)
