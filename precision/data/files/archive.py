"""Taking known files out of a tar archive that is not trusted."""

# The filters of tarfile keep a member within a folder, but let it have any size, and each gets its final name
# before the last is there.

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from precision import received, room
from precision.data.files.streams import Limited
from precision.errors import PrecisionError

_BESIDE = 1 << 24  # bytes of headers and of members that are not wanted


def extract(archive: Path, members: Mapping[str, int], folder: Path) -> None:
    """Extract exactly these members into a folder, each under the last part of its name.

    Nothing else is taken from the archive, so no member can leave the folder. The files are renamed
    into place, in the order of ``members``, once all are complete: when the last is there, all are.

    Args:
        archive: a ``.tar.gz`` file.
        members: size in bytes of each member, by its full name in the archive.
        folder: made if it does not exist.

    Raises:
        PrecisionError: if a member is missing, is no regular file or has another size, or if the
            archive is corrupt or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as partial:
            _extract_all(archive, members, Path(partial))
            for name in members:
                os.replace(Path(partial, Path(name).name), folder / Path(name).name)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PrecisionError(f"{archive}: the archive is corrupt ({error}); fetch the file again") from None
    except OSError as error:
        raise room.missing(error, folder) or PrecisionError(
            f"{archive}: cannot be extracted into {folder} ({error})"
        ) from None


def _opened(stream: gzip.GzipFile, most: int, archive: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=Limited(stream, most, archive), mode="r|")  # type: ignore[call-overload]


def _extract_all(archive: Path, members: Mapping[str, int], folder: Path) -> None:
    missing = set(members)
    received.check(archive)
    with gzip.open(archive) as stream, _opened(stream, sum(members.values()) + _BESIDE, archive) as tar:
        for member in tar:  # one pass: every step back would decompress from the start again
            if member.name not in members:
                continue
            size = members[member.name]
            source = tar.extractfile(member) if member.isreg() and member.size == size else None
            if source is None:
                got = f"{member.size} bytes" if member.isreg() else "something else"
                raise PrecisionError(
                    f"{archive}: {member.name} is a regular file of {size} bytes, but got {got}; "
                    "fetch the file again"
                )
            with source, open(folder / Path(member.name).name, "wb") as out:
                shutil.copyfileobj(source, out)
            missing.discard(member.name)
    if missing:
        raise PrecisionError(f"{archive}: the archive holds no {min(missing)}; fetch the file again")
