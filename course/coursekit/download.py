"""Full-size MNIST and Fashion-MNIST: downloaded once, resumed where it broke off, checked, kept.

A file arrives as `NAME.part` and gets its name only when its SHA-256 is right, so a half file is never
mistaken for a whole one. After a broken connection (or a restarted kernel) the download goes on at the
byte where it stopped (HTTP `Range`); a server that cannot do that sends the file from its beginning. A
lock file makes a second process wait for the first instead of writing into the same part.

Only the standard library and `filelock` are used: pooch, the usual choice for cached data files, cannot
resume a broken download, and resuming is the point on a student's network.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from .progress import bar

USER_AGENT = "deep-learning-by-hand/coursekit"
CHUNK = 64 * 1024
TIMEOUT = 30
RETRIES = 5
BACKOFF = 1.0


class DownloadError(RuntimeError):
    """A download failed for good; the message says why, what was kept and what to do."""


class _Broken(Exception):
    """The connection failed in a way that may pass: try again."""


@dataclass(frozen=True)
class Remote:
    """A file on the web: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Collection:
    """Four gzipped IDX files (training images and labels, test images and labels) and where they lie."""

    mirrors: tuple[str, ...]
    files: tuple[Remote, Remote, Remote, Remote]


COLLECTIONS = {
    "mnist": Collection(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
        (
            Remote(
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            Remote(
                "train-labels-idx1-ubyte.gz",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            Remote(
                "t10k-images-idx3-ubyte.gz",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            Remote(
                "t10k-labels-idx1-ubyte.gz",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    "fashion_mnist": Collection(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ),
        (
            Remote(
                "train-images-idx3-ubyte.gz",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            Remote(
                "train-labels-idx1-ubyte.gz",
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            Remote(
                "t10k-images-idx3-ubyte.gz",
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            Remote(
                "t10k-labels-idx1-ubyte.gz",
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
}


def cache_dir() -> Path:
    """Where downloads are kept: the environment variable COURSE_CACHE, else the system's cache folder."""
    chosen = os.environ.get("COURSE_CACHE")
    return (
        Path(chosen).expanduser()
        if chosen
        else Path(user_cache_dir("deep-learning-by-hand", appauthor=False))
    )


def mirrors(name: str) -> tuple[str, ...]:
    """Base URLs of a collection, tried in this order; COURSE_MIRROR (plus `/name`) replaces them all."""
    chosen = os.environ.get("COURSE_MIRROR")
    return (f"{chosen.rstrip('/')}/{name}",) if chosen else COLLECTIONS[name].mirrors


def full_images(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`x_train, y_train, x_test, y_test` (uint8) of "mnist" or "fashion_mnist", downloaded if need be.

    Raises `DownloadError` when no mirror delivers the right files.
    """
    if name not in COLLECTIONS:
        raise ValueError(f"no collection {name!r}; known: {', '.join(COLLECTIONS)}")
    paths = []
    for remote in COLLECTIONS[name].files:
        urls = [f"{base}/{remote.name}" for base in mirrors(name)]
        paths.append(fetch(urls, cache_dir() / name / remote.name, size=remote.size, sha256=remote.sha256))
    return tuple(read_idx(path) for path in paths)


def read_idx(path: Path) -> np.ndarray:
    """The array (uint8) in a gzipped IDX file: 0, 0, 8, number of axes, the sizes (big-endian), the bytes."""
    raw = gzip.decompress(Path(path).read_bytes())
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", count=axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def fetch(
    urls: str | list[str],
    path: Path,
    *,
    sha256: str,
    size: int | None = None,
    retries: int = RETRIES,
    backoff: float = BACKOFF,
) -> Path:
    """The file at `path`, downloaded from the first of `urls` that delivers it, if it is not there yet.

    A broken connection is tried again up to `retries` times in a row without a new byte, waiting `backoff`
    seconds, then twice that, and so on. What arrived stays beside `path` as `.part` for the next attempt. A
    file with the wrong checksum is deleted. Raises `DownloadError`.
    """
    path, urls = Path(path), [urls] if isinstance(urls, str) else list(urls)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(path) + ".lock"):
            if path.is_file():
                if _sha256(path) == sha256:
                    return path
                path.unlink()
            problems = []
            for url in urls:
                try:
                    return _download(url, path, sha256, size, retries, backoff)
                except DownloadError as error:
                    problems.append(str(error))
            raise DownloadError("\n".join(problems))
    except OSError as error:
        raise DownloadError(
            f"{path.parent} cannot be written to ({error.strerror or error}). Free some space there, "
            "or set the environment variable COURSE_CACHE to a folder of your own on another disk."
        ) from None


def _download(url: str, path: Path, sha256: str, size: int | None, retries: int, backoff: float) -> Path:
    part = path.with_name(path.name + ".part")
    leftover = _size(part) > 0
    failures = 0
    while True:
        before = _size(part)
        try:
            if not (before and before == size):
                _receive(url, part, size)
        except _Broken as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures > retries:
                raise DownloadError(_kept(url, part, size, str(error))) from None
            time.sleep(backoff * 2 ** (failures - 1))
            continue
        got = _sha256(part)
        if got == sha256:
            # atomic: other processes see no file, or the whole file
            os.replace(part, path)
            return path
        part.unlink()
        if not leftover:
            raise DownloadError(
                f"{url} sent a file with the wrong checksum (SHA-256 {got[:12]}... instead of "
                f"{sha256[:12]}...); it was deleted. Try again later or set COURSE_MIRROR to another server."
            )
        # the part of an older try may not fit to the rest: once more from the beginning
        leftover = False


def _receive(url: str, part: Path, size: int | None) -> None:
    """Append what is missing of `url` to `part`; `_Broken` if the connection ends too early."""
    have = _size(part)
    if size is not None and have > size:
        part.unlink()
        have = 0
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT
        ) as response:
            goes_on = response.status == 206 and _range_start(response) == have
            if not goes_on:
                have = 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length and length.isdigit() else size
            with (
                open(part, "ab" if goes_on else "wb") as file,
                bar(total, part.stem, "B", initial=have, unit_scale=True, unit_divisor=1024) as progress,
            ):
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    progress.update(len(chunk))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            # nothing left to send: the part is whole (its checksum will tell) or belongs to another file
            return
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _Broken(f"the server answered {error.code} {error.reason}") from None
        raise DownloadError(
            f"{url}: the server answered {error.code} {error.reason}. "
            "Set the environment variable COURSE_MIRROR to another server if the file has moved."
        ) from None
    except urllib.error.URLError as error:
        raise _Broken(f"no connection ({error.reason})") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Broken(f"the connection broke ({type(error).__name__})") from None
    # http.client ends quietly when the server hangs up early: only the length tells
    if total is not None and _size(part) < total:
        raise _Broken("the connection ended too early")


def _range_start(response) -> int | None:
    """Where a partial answer begins: 5 in `Content-Range: bytes 5-9/10`."""
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    start = rest.partition("-")[0]
    return int(start) if unit == "bytes" and start.isdigit() else None


def _kept(url: str, part: Path, size: int | None, problem: str) -> str:
    of = f" of {size:,}" if size else ""
    return (
        f"{url} could not be downloaded: {problem}. {_size(part):,}{of} bytes are kept; run the cell again "
        "to go on from there. Without a network the bundled data (full=False) still work."
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
