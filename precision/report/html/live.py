"""What a served page shows of a grid that may be running: the page, its trials, and how far they are."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

from precision.analysis import Results
from precision.analysis.columns import UNRUN
from precision.report.html.trials import trials


class Live:
    """The results of a grid as far as there are any, read again when the store has changed.

    Several requests may ask at once; one of them reads, the others wait for it.

    Args:
        collect: returns the results.
        stamp: returns something else whenever the store may have changed; it has to be quick.
        draw: returns the page of results, which holds the trials as they are given too.
        rest: how many times as long as reading took nothing is read again, so that the run has the processor.
    """

    def __init__(
        self,
        collect: Callable[[], Results],
        stamp: Callable[[], Hashable],
        draw: Callable[[Results, dict[str, Any]], str],
        rest: float = 4.0,
    ) -> None:
        self._collect, self._stamp, self._draw, self._rest = collect, stamp, draw, rest
        self._lock = threading.Lock()
        self._seen: Hashable = None
        self._until = 0.0
        self._results: Results | None = None
        self._version, self._trials = "", b""
        self._page = ("", b"")

    def page(self) -> bytes:
        """Return the page as of now; it is drawn again only where something has changed."""
        with self._lock:
            results = self._read()
            if self._page[0] != self._version:
                self._page = (self._version, self._draw(results, json.loads(self._trials)).encode())
            return self._page[1]

    def trials(self, known: str = "") -> bytes | None:
        """Return the trials, as JSON, with their version and how far the grid is.

        Args:
            known: the version that whoever asks has already.

        Returns:
            None where that is the present one.
        """
        with self._lock:
            self._read()
            return None if known == self._version else self._trials

    def _read(self) -> Results:
        """Return the results, read again where they may be others."""
        if self._results is not None and time.monotonic() < self._until:
            return self._results
        stamp = self._stamp()
        if self._results is None or stamp != self._seen:
            began = time.monotonic()
            self._results = self._collect()
            self._seen = stamp
            self._version, self._trials = content(self._results)
            ended = time.monotonic()
            self._until = ended + self._rest * (ended - began)
        return self._results


def content(results: Results) -> tuple[str, bytes]:
    """Return a version of the trials and of how far the grid is, and all three as JSON."""
    found = {**trials(results), "progress": progress(results)}
    version = hashlib.sha256(_text(found)).hexdigest()[:16]
    return version, _text({"version": version, **found})


def progress(results: Results) -> dict[str, int]:
    """Return how many trials are done, failed, skipped and left, and how many there are.

    A training that diverged is done: another run repeats it.
    """
    cells = results.cells().drop_duplicates("trial")
    counts = Counter(cells["status"])
    done, left, skipped = counts["ok"] + counts["diverged"], counts["pending"], counts["skipped"]
    failed = sum(number for status, number in counts.items() if status not in ("ok", "diverged", *UNRUN))
    return {"done": done, "failed": failed, "skipped": skipped, "left": left, "all": len(cells)}


def _text(found: dict[str, Any]) -> bytes:
    return json.dumps(found, allow_nan=False, separators=(",", ":")).encode()
