"""How many bytes the files of a user's data set may become in memory, where a small file can hold many."""

from __future__ import annotations

from pathlib import Path

from precision.errors import PrecisionError

GIB = 4.0  # unless an option says otherwise


class Budget:
    """The bytes that a data set may still take.

    Args:
        path: of the data set, for the message.
        gib: in all, in GiB; None for 4.
    """

    def __init__(self, path: Path, gib: float | None = None) -> None:
        self._path, self._gib = path, gib or GIB
        self.left = int(self._gib * 2**30)

    def take(self, count: int) -> None:
        """Take so many bytes, before they are allocated.

        Raises:
            PrecisionError: when there are not so many.
        """
        self.left -= count
        if self.left < 0:
            raise self.refusal()

    def refusal(self) -> PrecisionError:
        """Return the error for a data set that takes more."""
        return PrecisionError(
            f"{self._path}: these images take more than {self._gib:g} GiB of memory once they are read; "
            "give the option 'most_gib' with a larger number if that is meant"
        )
