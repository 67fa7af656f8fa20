"""A text that stands for several multipliers: a folder of tables."""

from __future__ import annotations

from pathlib import Path

from precision import received
from precision.arithmetic.multipliers.base import Multiplier
from precision.arithmetic.multipliers.files import ENDINGS
from precision.arithmetic.multipliers.text import TEXTS, parse_multiplier
from precision.errors import PrecisionError, shown

FOLDER = "tables"
MOST = 1000  # tables of a folder


def parse_multipliers(text: str | Multiplier) -> list[Multiplier]:
    """Return what a text stands for: one multiplier, or every table of a folder in the order of the names.

    A folder is written as ``tables(folder)``, with the options that ``table`` has (``signed``, ``index``,
    ``order``, ``dtype``), which then hold for every table in it.

    Raises:
        PrecisionError: as :func:`parse_multiplier`; for a folder that is missing or has no tables.

    >>> from precision.arithmetic.multipliers import parse_multipliers
    >>> [multiplier.name for multiplier in parse_multipliers("udm(8)")]
    ['udm(8)']
    """
    if isinstance(text, str) and text.strip().startswith(f"{FOLDER}("):
        _, positional, named = TEXTS.call(text)
        if len(positional) != 1 or not isinstance(positional[0], str):
            raise PrecisionError(f"multipliers {shown(text)}: write them as {FOLDER}(folder, order=aw)")
        return of_folder(positional[0], **named)
    return [parse_multiplier(text)]


def tables_of(text: str) -> list[tuple[str, str]]:
    """Return the files of ``tables(folder)`` by name, without their endings, and the texts of its tables.

    Raises:
        PrecisionError: as :func:`parse_multipliers`.
    """
    names = [multiplier.name for multiplier in parse_multipliers(text)]
    return [(Path(TEXTS.call(name)[1][0]).stem, name) for name in names]


def of_folder(folder: str | Path, **options: object) -> list[Multiplier]:
    """Return the tables of a folder, in the order of their names; other files there are left alone.

    Args:
        folder: with files that end in .bin, .npy or .npz.
        options: of ``table``, for every one of them; ``sha256`` is not among them.

    Raises:
        PrecisionError: as :func:`parse_multipliers`.

    >>> from pathlib import Path
    >>> from precision.arithmetic.multipliers import of_folder, parse_multiplier, write_table
    >>> Path("approximate").mkdir()
    >>> for bits in (4, 8):
    ...     write_table(parse_multiplier(f"udm({bits})"), Path(f"approximate/udm{bits}.npz"))
    >>> [multiplier.bits for multiplier in of_folder("approximate")]
    [(4, 4), (8, 8)]
    """
    received.check_folder(folder)
    files = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in ENDINGS)
    if not files or len(files) > MOST:
        raise PrecisionError(
            f"{folder}: a folder of tables has 1 to {MOST} files that end in {', '.join(ENDINGS)}, but got "
            f"{len(files)}"
        )
    words = "".join(f",{key}={value}" for key, value in options.items())
    if "sha256" in options:
        raise PrecisionError(f"{folder}: sha256 is of one file, so leave it out of a folder of tables")
    quoted = (str(path).replace("\\", "\\\\").replace('"', '\\"') for path in files)
    return [parse_multiplier(f'table("{path}"{words})') for path in quoted]
