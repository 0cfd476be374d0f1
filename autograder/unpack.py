"""Gather the files that were handed in, also out of zip archives in zip archives, into a folder of our own.

Nothing that an archive says is believed: members are written under names of ours, their paths are only read as
text (the path of a learning platform's export names the student), links and devices are refused, and sizes are
counted while unpacking. The instructor's folder is only read.
"""

from __future__ import annotations

import os
import shutil
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from autograder.reading import MAX_BYTES

MAX_FILES = 20_000
MAX_MEMBER = 64 * 1024 * 1024
MAX_TOTAL = 8 * 1024 * 1024 * 1024
MAX_DEPTH = 3
MAX_RATIO = 200
# What nbgrader's exchange writes beside a submission; it is needed again when feedback goes back.
COMPANIONS = ("timestamp.txt", "submission_secret.txt")
_SMALL = 8 * 1024 * 1024
_SKIPPED = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", ".git")
_NOTEBOOK_ENDS = (".ipynb", ".ipynb.txt", ".ipynb.json", ".json")
_KINDS = {
    (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz"): "is an archive that cannot be opened here, only .zip can",
    (".py",): "is a Python script, not a notebook",
    (".pdf",): "is a PDF document, not a notebook",
    (".html", ".htm"): "is a web page, not a notebook",
    (".doc", ".docx", ".odt", ".rtf"): "is a text document, not a notebook",
}


@dataclass(frozen=True)
class Found:
    """One file that was handed in.

    `parts` are the folders and the file's name as the instructor's folder or the archive spells them, archives
    included; `file` is a copy of ours, or None where the file was refused for `reason`. What lies `aside` (the
    automatic copies of editors, an empty folder) matters only if nothing else is found of a student.
    """

    parts: tuple[str, ...]
    file: Path | None
    modified: datetime | None
    reason: str | None = None
    aside: bool = False

    @property
    def origin(self) -> str:
        """Where the file came from, for people: control and direction characters made visible."""
        return " / ".join(visible(part) for part in self.parts)

    @property
    def is_notebook(self) -> bool:
        """Whether the name is one that a notebook may have."""
        return self.parts[-1].lower().endswith(_NOTEBOOK_ENDS)

    @property
    def is_wanted(self) -> bool:
        """Whether the file is copied: notebooks, and what nbgrader's exchange writes beside them."""
        return self.is_notebook or self.parts[-1] in COMPANIONS


def no_notebook(name: str) -> str:
    """What a file is whose name is not that of a notebook."""
    known = (what for ends, what in _KINDS.items() if name.lower().endswith(ends))
    return "is a damaged zip archive" if _is_archive_name(name) else next(known, "is not a notebook")


def visible(name: str) -> str:
    """The name with characters that cannot be seen replaced by a sign."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in name)


def gather(source: Path, work: Path) -> Iterator[Found]:
    """Every file in `source` (a folder, a zip archive or one notebook), with copies of the notebooks in `work`.

    Raises `FileNotFoundError` if there is no `source`, `ValueError` if it is neither.
    """
    work.mkdir(parents=True, exist_ok=True)
    store = _Store(work)
    if source.is_dir():
        yield from _folder(source, (), store)
    elif not source.exists():
        raise FileNotFoundError(f"there is no {source}")
    elif zipfile.is_zipfile(source):
        yield from _archive(source, (), store, 0)
    elif source.name.lower().endswith(_NOTEBOOK_ENDS):
        yield _copied(source, (source.name,), store)
    else:
        raise ValueError(f"{source.name} is neither a folder, nor a zip archive, nor a notebook")


class _Store:
    """Hands out file names and counts what was written."""

    def __init__(self, work: Path):
        self.work, self.files, self.left = work, 0, MAX_TOTAL

    def new(self) -> Path:
        self.files += 1
        return self.work / f"{self.files:06d}"


def _folder(folder: Path, parts: tuple[str, ...], store: _Store) -> Iterator[Found]:
    entries = sorted(folder.iterdir())
    if parts and not entries:
        yield Found(parts, None, None, "is an empty folder", aside=True)
    for path in entries:
        here = (*parts, _text(path.name))
        if path.name in _SKIPPED or (path.name.startswith(".") and not _is_archive_name(path.name)):
            yield _skipped(here)
            continue
        try:
            mode = path.lstat().st_mode
        except OSError as error:
            yield Found(here, None, None, f"could not be read ({error.strerror})")
            continue
        if stat.S_ISLNK(mode):
            yield Found(here, None, None, "is a link; links are not followed")
        elif stat.S_ISDIR(mode):
            if len(here) > 20:
                yield Found(here, None, None, "lies too deep in folders")
            else:
                yield from _folder(path, here, store)
        elif not stat.S_ISREG(mode):
            yield Found(here, None, None, "is not a regular file")
        elif _is_archive_name(path.name) and zipfile.is_zipfile(path):
            yield from _archive(path, here, store, 0)
        else:
            yield _copied(path, here, store)


def _skipped(parts: tuple[str, ...]) -> Found:
    """What an editor or a system wrote on its own."""
    automatic = parts[-1] == ".ipynb_checkpoints"
    reason = "holds only Jupyter's automatic copies" if automatic else "is a hidden file, not a notebook"
    return Found(parts, None, None, reason, aside=True)


def _copied(path: Path, parts: tuple[str, ...], store: _Store) -> Found:
    modified = datetime.fromtimestamp(path.stat().st_mtime)
    if not Found(parts, None, modified).is_wanted:
        return Found(parts, None, modified, no_notebook(parts[-1]))
    if store.files >= MAX_FILES:
        return Found(parts, None, modified, "was left out: too many files")
    target = store.new()
    size = path.stat().st_size
    try:
        if size > MAX_MEMBER:
            _sparse(target, size)
        else:
            shutil.copyfile(path, target, follow_symlinks=False)
    except OSError as error:
        return Found(parts, None, modified, f"could not be read ({error.strerror})")
    return Found(parts, target, modified)


def _sparse(target: Path, size: int) -> None:
    """A file of that size without its content: enough for the finding that it is too large."""
    with target.open("wb") as file:
        file.truncate(size)


def _archive(path: Path, parts: tuple[str, ...], store: _Store, depth: int) -> Iterator[Found]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError):
        yield Found(parts or (path.name,), None, None, "is a damaged zip archive")
        return
    with archive:
        skipped: set[tuple[str, ...]] = set()
        for info in archive.infolist():
            for found in _member(archive, info, parts, store, depth):
                if not found.aside:
                    yield found
                elif found.parts not in skipped:
                    skipped.add(found.parts)
                    yield found


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, parts: tuple[str, ...], store: _Store, depth: int
) -> Iterator[Found]:
    name = _member_name(info).replace("\\", "/")
    pieces = PurePosixPath(name).parts
    here = (*parts, *(_text(piece) for piece in pieces if piece not in ("/", ".")))
    if not pieces:
        return
    hidden = next((n for n, piece in enumerate(pieces) if piece in _SKIPPED), None)
    if hidden is None and pieces[-1].startswith(".") and pieces[-1] != "..":
        hidden = len(pieces) - 1
    if hidden is not None:
        yield _skipped((*parts, *(_text(piece) for piece in pieces[: hidden + 1] if piece != "/")))
        return
    if info.is_dir():
        yield Found(here, None, None, "is an empty folder", aside=True)
        return
    try:
        modified = datetime(*info.date_time)
    except ValueError:
        modified = None
    mode = info.external_attr >> 16
    if ".." in pieces or name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        yield Found(here, None, modified, "was refused: its path leads out of the archive")
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        yield Found(here, None, modified, "is a link; links are not followed")
    elif info.flag_bits & 1:
        yield Found(here, None, modified, "is encrypted")
    elif store.files >= MAX_FILES:
        yield Found(here, None, modified, "was left out: too many files")
    elif _is_archive_name(name):
        yield from _inner_archive(archive, info, here, store, depth)
    elif not Found(here, None, modified).is_wanted:
        yield Found(here, None, modified, no_notebook(here[-1]))
    else:
        target = store.new()
        reason = _extract(archive, info, target, store, MAX_BYTES)
        yield Found(here, None if reason else target, modified, reason)


def _member_name(info: zipfile.ZipInfo) -> str:
    """The member's name; archives that hold UTF-8 names without saying so are common."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _inner_archive(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, here: tuple[str, ...], store: _Store, depth: int
) -> Iterator[Found]:
    if depth + 1 >= MAX_DEPTH:
        yield Found(here, None, None, "lies too deep in archives")
        return
    inner = store.new()
    try:
        reason = _extract(archive, info, inner, store)
        if reason:
            yield Found(here, None, None, reason)
        else:
            yield from _archive(inner, here, store, depth + 1)
    finally:
        inner.unlink(missing_ok=True)


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, store: _Store, readable: int | None = None
) -> str | None:
    """Unpack one member to `target`; the reason why not, if not. What the archive says of sizes is not believed.

    Of a file that is larger than what is `readable` only the size is kept: whoever reads it says what to do.
    """
    written, most = 0, max(_SMALL, info.compress_size * MAX_RATIO)
    longest = MAX_MEMBER if readable is None else readable
    try:
        with archive.open(info) as source, target.open("wb") as file:
            while chunk := source.read(1 << 16):
                written += len(chunk)
                if written > longest:
                    break
                if written > store.left or (written > most and readable is None):
                    raise ValueError("it unpacks to too much")
                if written <= most:
                    file.write(chunk)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError) as error:
        target.unlink(missing_ok=True)
        why = "it unpacks to too much" if isinstance(error, ValueError) else "it is damaged"
        return f"could not be unpacked: {why}"
    except Exception as error:  # zlib, lzma and bz2 each raise errors of their own on damaged data
        target.unlink(missing_ok=True)
        return f"could not be unpacked: {type(error).__name__}"
    finally:
        store.left -= written
    if written > longest:
        _sparse(target, max(written, min(info.file_size, 16 * MAX_MEMBER)))
    elif written > most:
        target.unlink(missing_ok=True)
        return (
            f"could not be unpacked: it unpacks to too much ({written / 1e6:.0f} MB of repeated text); clear all "
            "outputs, save, and hand it in again"
        )
    return None


def _is_archive_name(name: str) -> bool:
    return name.lower().endswith(".zip")


def _text(name: str) -> str:
    """The name in the form that all systems agree on; bytes that are no text are replaced."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))
