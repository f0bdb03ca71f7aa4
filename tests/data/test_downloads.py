from __future__ import annotations

import hashlib
import http.server
import threading
from functools import partial
from pathlib import Path

import pytest

from entropylab.data import DownloadError, downloads, fetch, read_novels, registry
from entropylab.data.novels import novel_names

CONTENT = b"\xef\xbb\xbfIt was the best of times,\r\nit was the worst of times.\r\n"
NAME = "novels/Nobody_Nothing_1900"


@pytest.fixture
def file(monkeypatch):
    """A registry of one file, so that no test needs the real ones."""
    entry = downloads.RemoteFile(
        NAME,
        "owner/texts",
        "c0ffee",
        "corpus/nothing.txt",
        len(CONTENT),
        hashlib.sha256(CONTENT).hexdigest(),
        "none",
    )
    monkeypatch.setattr(downloads, "registry", lambda: {NAME: entry})
    return entry


@pytest.fixture
def mirror(file, tmp_path, monkeypatch):
    path = tmp_path / "mirror" / file.location
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv(downloads.MIRROR_VARIABLE, str(tmp_path / "mirror"))
    return path


@pytest.fixture
def server(file, tmp_path, monkeypatch):
    """A server on this machine in place of GitHub's, and an empty cache; gives the served folder."""
    root, cache = tmp_path / "www", tmp_path / "cache"
    root.mkdir()
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *args: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=root)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.delenv(downloads.MIRROR_VARIABLE, raising=False)
        monkeypatch.setattr("pooch.os_cache", lambda name: cache)
        monkeypatch.setattr(
            downloads.RemoteFile,
            "url",
            property(lambda self: f"http://127.0.0.1:{httpd.server_port}/text.txt"),
        )
        yield root
        httpd.shutdown()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_registered_file_is_pinned_to_a_commit_and_a_checksum():
    assert len(novel_names()) == 91
    for name, entry in registry().items():
        assert entry.name == name
        assert len(entry.commit) == 40 and len(entry.sha256) == 64 and entry.bytes > 0 and entry.licence
        assert entry.commit in entry.url and entry.url.startswith("https://raw.githubusercontent.com/")


def test_the_mirror_is_read_and_the_text_is_normalised(mirror):
    assert fetch(NAME) == mirror
    (novel,) = read_novels(["Nobody_Nothing_1900"])
    assert novel.text == "It was the best of times,\nit was the worst of times.\n"


def test_a_changed_file_in_the_mirror_is_refused(mirror):
    mirror.write_bytes(CONTENT.replace(b"best", b"Best"))
    with pytest.raises(DownloadError, match=r"SHA-256 .* registered is"):
        fetch(NAME)


def test_a_file_that_the_mirror_lacks_is_named(mirror):
    mirror.unlink()
    with pytest.raises(DownloadError, match=r"ENTROPYLAB_MIRROR is set, but there is no file .*nothing\.txt"):
        fetch(NAME)


def test_a_download_is_checked_kept_and_not_repeated(server, tmp_path):
    (server / "text.txt").write_bytes(CONTENT)
    path = fetch(NAME)
    assert path.read_bytes() == CONTENT
    (server / "text.txt").unlink()
    assert fetch(NAME) == path
    assert files_below(tmp_path / "cache") == [path]


def test_a_wrong_download_is_refused_and_nothing_is_left_behind(server, tmp_path):
    (server / "text.txt").write_bytes(CONTENT[:-5])
    with pytest.raises(DownloadError, match=r"not the registered file.*nothing was kept"):
        fetch(NAME)
    assert files_below(tmp_path / "cache") == []


def test_a_missing_network_gives_the_remedy_and_nothing_is_left_behind(server, tmp_path):
    with pytest.raises(DownloadError, match=r"cannot be reached .*ENTROPYLAB_MIRROR"):
        fetch(NAME)
    assert files_below(tmp_path / "cache") == []


def test_an_unknown_name_gets_suggestions():
    with pytest.raises(
        ValueError, match=r"novels/Woolf_Lighthouse_1928.*did you mean 'novels/Woolf_Lighthouse_1927'"
    ):
        fetch("novels/Woolf_Lighthouse_1928")
