"""Downloads from a server on the loopback address: resuming, wrong content, mirrors, no network."""

import gzip
import hashlib
import resource
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from precision.data import load
from precision.data.files import catalogue
from precision.data.files.catalogue import RemoteFile
from precision.data.files.download import fetch
from precision.errors import PrecisionError
from precision.room import NoRoomError

CONTENT = bytes(range(256)) * 1000


def remote(*urls: str, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile("file.gz", len(content), hashlib.sha256(content).hexdigest(), urls)


@pytest.fixture
def url(server) -> str:
    server.files["/file.gz"] = CONTENT
    return f"{server.url}/file.gz"


def refused(file: RemoteFile, folder: Path) -> str:
    with pytest.raises(PrecisionError) as caught:
        fetch(file, folder, "put it there")
    assert not (folder / "file.gz").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_downloads_once(server, url: str, tmp_path: Path) -> None:
    path = fetch(remote(url), tmp_path / "new" / "folder", "")
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == ["file.gz"]
    assert fetch(remote(url), path.parent, "") == path
    assert server.requests == [("/file.gz", None)]


@pytest.mark.faults("a download that is cut off")
def test_resumes_after_a_broken_connection(server, url: str, tmp_path: Path) -> None:
    server.cut_after = 100_000
    text = refused(remote(url), tmp_path)
    assert f"{url}: the connection ended after 100000 of 256000 bytes" in text
    assert "100000 bytes are kept and the next run goes on from there; put it there" in text
    assert (tmp_path / "file.gz.part").read_bytes() == CONTENT[:100_000]
    server.cut_after = None
    assert fetch(remote(url), tmp_path, "").read_bytes() == CONTENT
    assert server.requests == [("/file.gz", None), ("/file.gz", "bytes=100000-")]
    assert visible(tmp_path) == ["file.gz"]


def test_starts_again_if_the_server_ignores_the_range(server, url: str, tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(CONTENT[:1000])
    server.ignores_range = True
    assert fetch(remote(url), tmp_path, "").read_bytes() == CONTENT
    assert server.requests == [("/file.gz", "bytes=1000-")]


def test_a_complete_part_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(CONTENT)
    assert fetch(remote("http://127.0.0.1:9/"), tmp_path, "").read_bytes() == CONTENT


def test_progress_is_shown_on_a_terminal_only(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(remote(url), tmp_path / "a", "")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # how rich is told that this is a terminal
    fetch(remote(url), tmp_path / "b", "")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "file.gz" in shown.err


@pytest.mark.parametrize("part", [b"x" * 1000, b"x" * len(CONTENT), CONTENT + b"x"])
@pytest.mark.faults("a download of something else")
def test_a_part_of_something_else_is_dropped(server, url: str, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "file.gz.part").write_bytes(part)
    assert fetch(remote(url), tmp_path, "").read_bytes() == CONTENT
    assert server.requests[-1] == ("/file.gz", None)


def test_wrong_content_is_deleted(server, url: str, tmp_path: Path) -> None:
    server.files["/file.gz"] = wrong = CONTENT[::-1]
    text = refused(remote(url), tmp_path)
    assert f"the sha256 must be {remote().sha256}, but got {hashlib.sha256(wrong).hexdigest()}" in text
    assert "the download was deleted" in text
    assert visible(tmp_path) == []
    server.files["/file.gz"] = CONTENT + b"x"
    assert "the file must have 256000 bytes, but got more" in refused(remote(url), tmp_path)
    assert visible(tmp_path) == []


@pytest.mark.faults("a download that is cut off")
def test_a_file_that_ends_before_the_part(server, url: str, tmp_path: Path) -> None:
    server.files["/file.gz"] = CONTENT[:500]
    (tmp_path / "file.gz.part").write_bytes(CONTENT[:1000])
    assert "the connection ended after 500 of 256000 bytes" in refused(remote(url), tmp_path)


def test_mirrors_in_order(server, url: str, tmp_path: Path) -> None:
    server.files["/wrong"] = CONTENT[::-1]
    urls = (f"{server.url}/missing", f"{server.url}/wrong", url, f"{server.url}/unused")
    assert fetch(remote(*urls), tmp_path, "").read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/missing", "/wrong", "/file.gz"]


def test_every_failure_is_named(server, tmp_path: Path) -> None:
    text = refused(remote(f"{server.url}/a", "http://127.0.0.1:9/b"), tmp_path)
    assert text.startswith(f"cannot download file.gz ({server.url}/a: 404 Not Found; http://127.0.0.1:9/b: ")
    assert "Connection refused" in text
    assert text.endswith("); put it there")


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_only_https(tmp_path: Path, url: str) -> None:
    assert refused(remote(url), tmp_path) == f"downloads use https, but got {url}; use another address"


def test_a_redirect_must_be_https_too(server, url: str, tmp_path: Path) -> None:
    server.redirect = "http://example.org/x"
    assert f"({url}: 302 redirects to http://example.org/x, not to https)" in refused(remote(url), tmp_path)
    server.redirect = "file:///etc/passwd"
    assert "'file:///etc/passwd' is not allowed" in refused(remote(url), tmp_path)


def test_the_catalogue_uses_https() -> None:
    urls = [url for entry in catalogue.ENTRIES.values() for file in entry.files for url in file.urls]
    assert urls
    assert all(url.startswith("https://") for url in urls)


def test_two_at_once_download_once(server, url: str, tmp_path: Path) -> None:
    threads = [threading.Thread(target=fetch, args=(remote(url), tmp_path, "")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PrecisionError, match=r"file.*: cannot be written \("):
        fetch(remote("https://example.org/x"), tmp_path / "file" / "below", "")


@pytest.mark.faults("a full disk under a download")
def test_a_full_disk(server, url: str, tmp_path: Path) -> None:
    """What has arrived stays, as for a connection that breaks."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CONTENT) // 2, limits[1]))
    try:
        with pytest.raises(
            NoRoomError, match=r"\.part: cannot be written \(File too large\); raise the limit"
        ):
            fetch(remote(url), tmp_path, "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert fetch(remote(url), tmp_path, "").read_bytes() == CONTENT


@pytest.fixture
def offline_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalogue.ENTRIES["mnist"]
    files = tuple(replace(file, urls=("http://127.0.0.1:9/x",)) for file in entry.files)
    monkeypatch.setitem(catalogue.ENTRIES, "mnist", replace(entry, files=files))


@pytest.mark.usefixtures("offline_mnist")
def test_without_network_the_message_says_what_to_do(mnist_dir: Path) -> None:
    with pytest.raises(PrecisionError) as caught:
        load("mnist")
    assert str(caught.value).endswith(
        "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
        "t10k-labels-idx1-ubyte.gz into a folder 'mnist', and name the folder above it with --data-dir "
        "or PRECISION_DATA"
    )
    (mnist_dir / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(PrecisionError) as caught:
        load("mnist", data_dir=mnist_dir)
    assert str(caught.value).endswith(f"; put t10k-labels-idx1-ubyte.gz into {mnist_dir / 'mnist'}")


def test_downloads_a_dataset_into_the_cache(
    server, cache: Path, small_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalogue.ENTRIES["mnist"]
    files = []
    for file in entry.files:
        content = gzip.compress(small_mnist[file.name.removesuffix(".gz")])
        server.files[f"/{file.name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        files.append(RemoteFile(file.name, len(content), digest, (f"{server.url}/{file.name}",)))
    monkeypatch.setitem(catalogue.ENTRIES, "mnist", replace(entry, files=tuple(files)))
    assert load("mnist").title == "MNIST subset (20/10)"
    assert visible(cache / "mnist") == sorted(file.name for file in files)
    load("mnist")
    assert len(server.requests) == 4
