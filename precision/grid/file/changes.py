"""What a command changes of a grid for one run: ``--set`` and ``--seeds``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from precision.errors import PrecisionError, short, shown
from precision.grid.file.entry import Entry, Mark
from precision.grid.file.extends import KEY
from precision.grid.file.paths import assign, split
from precision.grid.file.reader import read_value

MAX_SEEDS = 10_000
MAX_DIGITS = 20  # of a seed; how large it may be is for the grid to say


@dataclass(frozen=True)
class Changes:
    """Other values for entries of a grid file, as on the command line.

    Attributes:
        entries: texts such as ``training.epochs=3`` or ``architectures.0.width=0.5``; the value is YAML, and
            null removes an entry.
        seeds: a count, ``5`` for the seeds 0 to 4, or a list such as ``3,5``.

    >>> from precision.grid import Changes, load_grid
    >>> grid, _ = load_grid("grid.yaml", changes=Changes(entries=("training.epochs=1",), seeds="3"))
    >>> grid.training.epochs, grid.seeds
    ([1], [0, 1, 2])
    """

    entries: Sequence[str] = ()
    seeds: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.entries, str):
            raise PrecisionError(
                f"changes takes a list of texts such as training.epochs=3, but got {shown(self.entries)}"
            )

    def words(self) -> list[str]:
        """Return the options of the command line that ask for the same."""
        return [
            *(f"--set={text}" for text in self.entries),
            *([f"--seeds={self.seeds}"] if self.seeds else []),
        ]


def changed(tree: Entry, changes: Changes) -> Entry:
    """Return the content of a grid file with the changes.

    Raises:
        PrecisionError: naming the option.
    """
    for text in changes.entries:
        mark = Mark(None, option=f"--set {short(text)}")
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise mark.error(f"is written KEY=VALUE, such as training.epochs=3, but got {shown(text)}")
        way = split(key.strip(), mark)
        if way[0] == KEY:
            raise mark.error(f"'{KEY}' stands in a file, which is read before its entries are set")
        tree = assign(tree, way, read_value(value, mark), merged=False)
    if changes.seeds is not None:
        mark = Mark(None, option=f"--seeds {short(changes.seeds)}")
        seeds = [Entry(seed, mark) for seed in _seeds(changes.seeds, mark)]
        tree = tree.with_value({**tree.value, "seeds": Entry(seeds, mark)})
    return tree


def _seeds(text: str, mark: Mark) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    several = len(words) > 1
    if several and not words[-1]:  # "3," is the list of one
        words.pop()
    if not all(word.isascii() and word.isdigit() and len(word) <= MAX_DIGITS for word in words):
        raise mark.error(
            "is a count, such as 5 for the seeds 0 to 4, or a list such as 3,5 (one seed: '3,'), "
            f"but got {shown(text)}"
        )
    if several:
        return [int(word) for word in words]
    count = int(words[0])
    if not 1 <= count <= MAX_SEEDS:
        raise mark.error(f"counts 1 to {MAX_SEEDS} seeds, but got {shown(text)}")
    return list(range(count))
