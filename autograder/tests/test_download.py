"""Downloads against a server on loopback that misbehaves on request."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from coursekit import download
from coursekit.data import mnist
from coursekit.download import DownloadError, Remote, fetch, full_images

BODY = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; the attributes of `server` say what goes wrong."""

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append((self.path, asked))
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        body = server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = 0
        if asked and server.ranges:
            start = 0 if server.ignores_start else int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = min(len(body), start + server.cuts.pop(0)) if server.cuts else len(body)
        server.sent += end - start  # before the last byte is out: the test may read it right after
        self.wfile.write(body[start:end])
        if end < len(body):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, *args):
        """Quiet: a test's stderr is for the test."""


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.requests = {"/file": BODY}, []
    server.ranges, server.ignores_start = True, False
    server.cuts, server.statuses, server.sent = [], [], 0
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server, path, **options):
    options = {"sha256": SHA, "size": len(BODY), "backoff": 0.0} | options
    return fetch(f"{server.url}/file", path, **options)


def part_of(path):
    return path.with_name(path.name + ".part")


def test_downloads_once_and_then_uses_the_file(server, tmp_path):
    path = get(server, tmp_path / "new folder" / "file")
    assert path.read_bytes() == BODY
    assert not part_of(path).exists()
    assert get(server, path).read_bytes() == BODY
    assert server.requests == [("/file", None)]


def test_a_broken_connection_is_resumed_where_it_broke(server, tmp_path):
    server.cuts = [100_000, 50_000]
    path = get(server, tmp_path / "file")
    assert path.read_bytes() == BODY
    assert [asked for _, asked in server.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert server.sent == len(BODY), "bytes were sent twice"


def test_without_a_known_size_the_length_still_shows_that_the_connection_broke(server, tmp_path):
    server.cuts = [100_000]
    assert get(server, tmp_path / "file", size=None).read_bytes() == BODY
    assert len(server.requests) == 2


def test_giving_up_keeps_the_bytes_and_the_next_call_goes_on(server, tmp_path):
    server.cuts = [120_000, 0, 0, 0]
    path = tmp_path / "file"
    with pytest.raises(DownloadError, match=r"120,000 of 300,000 bytes are kept; run the cell again"):
        get(server, path, retries=2)
    assert part_of(path).stat().st_size == 120_000
    assert not path.exists()
    server.cuts, server.requests[:] = [], []
    assert get(server, path).read_bytes() == BODY
    assert server.requests == [("/file", "bytes=120000-")]


def test_waits_longer_after_every_failure(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    server.statuses = [500, 503, 429]
    get(server, tmp_path / "file", backoff=1.0)
    assert waits == [1.0, 2.0, 4.0]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges, server.cuts = False, [100_000]
    path = get(server, tmp_path / "file")
    assert path.read_bytes() == BODY
    assert server.sent == 100_000 + len(BODY)


def test_a_range_that_begins_elsewhere_is_not_appended(server, tmp_path):
    path = tmp_path / "file"
    part_of(path).write_bytes(BODY[:1000])
    server.ignores_start = True
    assert get(server, path).read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_wrong_checksum_is_deleted_and_said(server, tmp_path):
    server.files["/file"] = BODY[:-1] + b"?"
    path = tmp_path / "file"
    with pytest.raises(DownloadError, match=r"wrong checksum .* was deleted.*COURSE_MIRROR"):
        get(server, path)
    assert not path.exists()
    assert not part_of(path).exists()


def test_a_part_that_does_not_fit_is_thrown_away_once(server, tmp_path):
    path = tmp_path / "file"
    part_of(path).write_bytes(b"x" * 1000)
    assert get(server, path).read_bytes() == BODY
    assert [asked for _, asked in server.requests] == ["bytes=1000-", None]


@pytest.mark.parametrize("junk", [b"x" * 300_000, b"x" * 400_000], ids=["as long", "longer"])
def test_a_part_as_long_as_the_file_or_longer(server, tmp_path, junk):
    path = tmp_path / "file"
    part_of(path).write_bytes(junk)
    assert get(server, path).read_bytes() == BODY


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_complete_part_needs_no_new_bytes(server, tmp_path, size):
    path = tmp_path / "file"
    part_of(path).write_bytes(BODY)
    assert get(server, path, size=size).read_bytes() == BODY
    assert server.sent == 0


def test_a_damaged_file_in_the_cache_is_downloaded_again(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"half a file")
    assert get(server, path).read_bytes() == BODY


def test_a_missing_file_is_not_tried_again(server, tmp_path):
    with pytest.raises(DownloadError, match=r"404 Not Found.*COURSE_MIRROR"):
        fetch(f"{server.url}/other", tmp_path / "file", sha256=SHA, backoff=0.0)
    assert len(server.requests) == 1


def test_no_server_at_all(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file"
        with pytest.raises(DownloadError, match=r"no connection .* 0 of 9 bytes are kept.*bundled data"):
            fetch(url, tmp_path / "file", sha256=SHA, size=9, retries=1, backoff=0.0)


def test_the_second_mirror_helps_out(server, tmp_path):
    urls = [f"{server.url}/gone", f"{server.url}/file"]
    assert fetch(urls, tmp_path / "file", sha256=SHA, backoff=0.0).read_bytes() == BODY


def test_a_cache_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(DownloadError, match="COURSE_CACHE"):
        fetch("http://127.0.0.1:9/file", tmp_path / "taken" / "file", sha256=SHA)


def test_progress_goes_to_stdout_and_is_silent_when_headless(server, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("COURSE_HEADLESS", raising=False)
    get(server, tmp_path / "a")
    out, err = capsys.readouterr()
    assert "100%" in out
    assert err == ""
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    get(server, tmp_path / "b")
    assert capsys.readouterr() == ("", "")


PROCESS = """
import sys
from coursekit.download import fetch
url, path, sha256, size = sys.argv[1:]
print(len(fetch(url, path, sha256=sha256, size=int(size), backoff=0.01).read_bytes()))
"""


def test_two_processes_download_one_file_once(server, tmp_path):
    server.cuts = [50_000] * 3
    path = tmp_path / "file"
    command = [sys.executable, "-c", PROCESS, f"{server.url}/file", str(path), SHA, str(len(BODY))]
    environment = os.environ | {"COURSE_HEADLESS": "1"}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (out.strip(), err) == (str(len(BODY)), "")
    assert path.read_bytes() == BODY
    assert server.sent == len(BODY), "both processes downloaded"


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


@pytest.fixture
def small_mirror(server, tmp_path, monkeypatch):
    """The bundled digits in the format of the full collection, as COURSE_MIRROR."""
    small = mnist()
    files = []
    for original, array in zip(
        download.COLLECTIONS["mnist"].files,
        (small.x_train[:50], small.y_train[:50], small.x_test[:20], small.y_test[:20]),
        strict=True,
    ):
        packed = idx(array)
        server.files[f"/mnist/{original.name}"] = packed
        files.append(Remote(original.name, len(packed), hashlib.sha256(packed).hexdigest()))
    collection = download.Collection(("http://127.0.0.1:9",), tuple(files))
    monkeypatch.setitem(download.COLLECTIONS, "mnist", collection)
    monkeypatch.setenv("COURSE_MIRROR", server.url + "/")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return small


def test_full_size_loader_reads_what_the_mirror_sends(server, small_mirror):
    full = mnist(full=True)
    assert full.x_train.shape == (50, 28, 28)
    assert full.names == small_mirror.names
    np.testing.assert_array_equal(full.x_train, small_mirror.x_train[:50])
    np.testing.assert_array_equal(full.y_test, small_mirror.y_test[:20])
    assert full.x_train.flags.writeable
    asked = len(server.requests)
    mnist(full=True)
    assert len(server.requests) == asked == 4


def test_the_known_files_are_those_of_the_collections():
    with pytest.raises(ValueError, match="known: mnist, fashion_mnist"):
        full_images("emnist")
    for collection in download.COLLECTIONS.values():
        names = [remote.name for remote in collection.files]
        assert names == [
            f"{split}-{kind}-ubyte.gz"
            for split in ("train", "t10k")
            for kind in ("images-idx3", "labels-idx1")
        ]
        assert all(len(bytes.fromhex(remote.sha256)) == 32 for remote in collection.files)
