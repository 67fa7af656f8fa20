"""What a served page shows of a grid that may be running: the page, its trials, and how far they are."""

from __future__ import annotations

import hashlib
import json
import threading
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
    """

    def __init__(
        self,
        collect: Callable[[], Results],
        stamp: Callable[[], Hashable],
        draw: Callable[[Results, dict[str, Any]], str],
    ) -> None:
        self._collect, self._stamp, self._draw = collect, stamp, draw
        self._lock = threading.Lock()
        self._seen: Hashable = None
        self._results: Results | None = None
        self._trials = b""
        self._page: tuple[str, bytes] = ("", b"")

    def page(self) -> bytes:
        """Return the page as of now; it is drawn again only where something has changed."""
        with self._lock:
            results = self._read()
            version = _version(self._trials)
            if self._page[0] != version:
                self._page = (version, self._draw(results, json.loads(self._trials)).encode())
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
            return None if known == _version(self._trials) else self._trials

    def _read(self) -> Results:
        stamp = self._stamp()
        if self._results is None or stamp != self._seen:
            self._results = self._collect()
            self._seen = stamp
            self._trials = content(self._results)
        return self._results


def content(results: Results) -> bytes:
    """Return the trials, how far the grid is, and the version of both, as JSON."""
    found = {**trials(results), "progress": progress(results)}
    text = _text(found)
    return _text({"version": hashlib.sha256(text).hexdigest()[:16], **found})


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


def _version(trials: bytes) -> str:
    return str(json.loads(trials)["version"])
