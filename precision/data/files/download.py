"""Downloading a file of known content: resumable, from the first mirror that delivers it.

Only https is used, except to this machine itself (for tests), redirects included.
"""

# pooch 1.9 and keras.utils.get_file 3.15 begin a broken download anew, know one address for a file, and
# follow a redirect to http.

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from precision import room
from precision.data.files.catalogue import RemoteFile
from precision.data.files.locate import locked
from precision.errors import PrecisionError

TIMEOUT = 30.0  # seconds without an answer

_CHUNK = 1 << 16
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# What a bad connection raises; the other kinds of OSError are about the disk.
_NETWORK = (
    urllib.error.URLError,
    TimeoutError,
    ConnectionError,
    http.client.HTTPException,
    ssl.SSLError,
)


class _WrongContentError(Exception):
    """A mirror delivered something else."""


def fetch(file: RemoteFile, folder: Path, advice: str) -> Path:
    """Return the path of a file in a folder, downloading it if it is not there.

    What has arrived is kept in ``<name>.part`` when the connection breaks, and the next call goes on
    from there. The file gets its name only when its sha256 is right. Processes that want the same
    file wait for each other. Shows a progress bar on a terminal's standard error.

    Args:
        file: what to download and from where.
        folder: made if it does not exist.
        advice: what the user can do instead, for the message when no mirror delivers.

    Raises:
        PrecisionError: if no mirror delivers the file, or it cannot be written, or an address is not
            https.
    """
    for url in file.urls:
        if not _is_safe(url):
            raise PrecisionError(f"downloads use https, but got {url}; use another address")
    target = folder / file.name
    part = folder / f"{file.name}.part"
    with locked(target):
        if target.exists():
            return target
        failures = []
        for url in file.urls:
            try:
                _from_mirror(url, file, part)
                os.replace(part, target)
                return target
            except (*_NETWORK, _WrongContentError) as error:
                failures.append(f"{url}: {_reason(error)}")
            except OSError as error:
                raise room.missing(error, part) or PrecisionError(
                    f"{part}: cannot be written ({error.strerror}); {advice}"
                ) from None
    kept = (
        f", {part.stat().st_size} bytes are kept and the next run goes on from there" if part.exists() else ""
    )
    raise PrecisionError(f"cannot download {file.name} ({'; '.join(failures)}){kept}; {advice}")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    code = f"{error.code} " if isinstance(error, urllib.error.HTTPError) else ""
    return f"{code}{reason or error or type(error).__name__}"


def _from_mirror(url: str, file: RemoteFile, part: Path) -> None:
    """Complete the part from one mirror; delete it if its content is wrong."""
    resumed = part.exists()
    try:
        _receive(url, file, part)
        _verify(file, part)
    except _WrongContentError:
        part.unlink()
        if not resumed:
            raise
        # What was there before may have been the wrong half; a fresh start tells.
        _from_mirror(url, file, part)


def _verify(file: RemoteFile, part: Path) -> None:
    with open(part, "rb") as stream:
        received = hashlib.file_digest(stream, "sha256").hexdigest()
    if received != file.sha256:
        raise _WrongContentError(
            f"the sha256 must be {file.sha256}, but got {received}; the download was deleted"
        )


def _receive(url: str, file: RemoteFile, part: Path) -> None:
    """Append to the part what it lacks, or write it anew if the server sends the whole file."""
    start = part.stat().st_size if part.exists() else 0
    if start >= file.size:
        return  # the hash decides
    request = urllib.request.Request(url, headers={"User-Agent": "precision"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = _opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        raise _WrongContentError(f"the file must have {file.size} bytes, but has at most {start}") from None
    with response:
        if not _goes_on(response, start):
            start = 0
        with open(part, "ab" if start else "wb") as out, _progress(file, start) as advance:
            received = start
            while piece := response.read(_CHUNK):
                received += len(piece)
                if received > file.size:
                    raise _WrongContentError(f"the file must have {file.size} bytes, but got more")
                out.write(piece)
                advance(len(piece))
    if received < file.size:
        raise ConnectionError(f"the connection ended after {received} of {file.size} bytes")


def _goes_on(response: Any, start: int) -> bool:
    """Tell whether the answer continues at the byte that was asked for, rather than from the beginning."""
    content_range = response.headers.get("Content-Range", "")
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and content_range.startswith(f"bytes {start}-")


class _RedirectToHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects as long as they are safe."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Refuse an address that is not https, as this mirror's failure."""
        if not _is_safe(newurl):
            raise urllib.error.HTTPError(newurl, code, f"redirects to {newurl}, not to https", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_RedirectToHttps)


def _is_safe(url: str) -> bool:
    address = urllib.parse.urlsplit(url)
    return address.scheme == "https" or (address.scheme == "http" and address.hostname in _LOOPBACK)


@contextmanager
def _progress(file: RemoteFile, start: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error if that is a terminal; yields what moves it on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=file.size, completed=start)
        yield lambda count: bar.advance(task, count)
