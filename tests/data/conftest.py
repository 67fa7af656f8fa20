"""Hand-written dataset files, a loopback server, and the real data where they are present."""

import gzip
import os
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from precision.data.files import locate

_GIVEN = os.environ.get("PRECISION_DATA")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the tests away from the user's own folders, and requests away from a proxy."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(locate, "user_cache", lambda: folder)
    monkeypatch.delenv("PRECISION_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(_GIVEN) if _GIVEN else beside
    if not (folder / "mnist").is_dir():
        pytest.skip("the real datasets are not on this machine")
    return folder


def idx_bytes(magic: int, sizes: tuple[int, ...], data: bytes) -> bytes:
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + data


def mnist_files(train: int = 20, test: int = 10) -> dict[str, bytes]:
    """The content of the four files, uncompressed; image i is filled with i, its label is i modulo 10."""
    files = {}
    for part, count in (("train", train), ("t10k", test)):
        pixels = b"".join(bytes([i % 256]) * 784 for i in range(count))
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(0x803, (count, 28, 28), pixels)
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(0x801, (count,), bytes(i % 10 for i in range(count)))
    return files


@pytest.fixture
def idx() -> Callable[[int, tuple[int, ...], bytes], bytes]:
    return idx_bytes


@pytest.fixture
def small_mnist() -> dict[str, bytes]:
    return mnist_files()


@pytest.fixture
def mnist_dir(tmp_path: Path) -> Path:
    """A data directory with a small MNIST in gzipped files."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name, content in mnist_files().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
    return folder.parent


@pytest.fixture
def records() -> Callable[..., bytes]:
    """CIFAR records; record i has the label i modulo 10 and planes filled with i, i+1 and i+2."""

    def make(count: int, first: int = 0) -> bytes:
        planes = (
            bytes([i % 10]) + b"".join(bytes([(i + c) % 256]) * 1024 for c in range(3)) for i in range(count)
        )
        return b"".join(planes)

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class Server(ThreadingHTTPServer):
    """Serves what is in ``files`` on the loopback address and can misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.ignores_range = False
        self.cut_after: int | None = None
        self.redirect: str | None = None
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        if self.server.redirect is not None:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
            return
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if wanted and not self.server.ignores_range:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content) if self.server.cut_after is None else start + self.server.cut_after
        self.wfile.write(content[start:end])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()
