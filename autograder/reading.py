"""Read one submitted file into plain notebook data, or say in one sentence why it cannot be read.

Whatever a student's machine, browser or learning platform made of the file arrives here as bytes. Nothing is
trusted: the size is checked before the file is opened, the text before it is parsed, the structure before it is
used. Nothing is executed and no pickle, macro or entity is expanded; JSON is the only format that is parsed.
"""

from __future__ import annotations

import codecs
import json
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_BYTES = 32 * 1024 * 1024
MAX_CELLS = 2_000
_MAX_CONTAINERS = 2_000_000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # before UTF-16: its mark starts with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_CODE = re.compile(r"(?:import |from \w+ import |def \w+\(|class \w+|# |%%? ?\w+|#!)")
_LOOKS_LIKE = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "a database"),
)


class Unreadable(ValueError):
    """The file cannot be graded; the message says why and what to do, without a path."""


@dataclass
class RawCell:
    """One cell as it was handed in: its type, its source as one string, its metadata and its id (or None)."""

    cell_type: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    cell_id: str | None = None

    @property
    def grade_id(self) -> str | None:
        """The nbgrader id that the cell claims to have."""
        claimed = self.metadata.get("nbgrader")
        found = claimed.get("grade_id") if isinstance(claimed, dict) else None
        return found if isinstance(found, str) and found else None


def read_cells(path: Path) -> tuple[list[RawCell], list[str]]:
    """The cells of a submitted notebook and notes on what had to be mended while reading.

    Raises `Unreadable` for everything that is not a notebook, is too large, or is damaged.
    """
    if path.is_symlink() or not path.is_file():
        raise Unreadable("This is not a regular file.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Unreadable(
            f"The file is {size / 1e6:.0f} MB large; at most {MAX_BYTES / 1e6:.0f} MB are read. "
            "Clear all outputs, save, and hand it in again."
        )
    return parse_cells(path.read_bytes())


def parse_cells(data: bytes) -> tuple[list[RawCell], list[str]]:
    """As `read_cells`, from the bytes of a file."""
    if not data.strip(b" \t\r\n\0"):
        raise Unreadable("The file is empty.")
    notes: list[str] = []
    text = _decode(data, notes)
    return _cells(_upgraded(_parse_json(text), notes), notes), notes


def _decode(data: bytes, notes: list[str]) -> str:
    for mark, what in _LOOKS_LIKE:
        if data.startswith(mark):
            raise Unreadable(f"This is {what}, not a notebook. Hand in the .ipynb file itself.")
    for mark, encoding, name in _BOMS:
        if data.startswith(mark):
            notes.append(f"The file was stored as {name}; it was read all the same.")
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise Unreadable(f"The file claims to be {name} but is damaged.") from None
    if data[:2] in (b"{\0", b"\0{"):
        notes.append("The file was stored as UTF-16; it was read all the same.")
        return data.decode("utf-16-le" if data[1] == 0 else "utf-16-be", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Any byte is a character in Latin-1, so this cannot fail; JSON decides whether it was text at all.
        notes.append("The file was not stored as UTF-8; characters beyond ASCII may have been lost.")
        return data.decode("latin-1")


def _parse_json(text: str) -> Any:
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise Unreadable("This is a web page, not a notebook: the page was saved instead of the file downloaded.")
    if _CODE.match(text.lstrip()):
        raise Unreadable("This is Python code, not a notebook. Hand in the .ipynb file itself.")
    if text.count("[") + text.count("{") > _MAX_CONTAINERS:
        raise Unreadable("The file is not a notebook: it holds millions of nested values.")
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("The file is not a notebook: its values are nested too deeply.") from None
    except json.JSONDecodeError as error:
        whole = text.rstrip()
        cut = text.lstrip().startswith("{") and (error.pos >= len(whole) - 1 or not whole.endswith("}"))
        why = "it ends in the middle" if cut else f"line {error.lineno} cannot be read"
        raise Unreadable(f"The file is damaged: {why} (not valid JSON). Save it again and hand it in again.") from None
    except ValueError:  # for instance a number with thousands of digits
        raise Unreadable("The file is damaged (not valid JSON).") from None


def _upgraded(data: Any, notes: list[str]) -> dict[str, Any]:
    """The notebook in format 4, whatever it was stored in."""
    major = data.get("nbformat") if isinstance(data, dict) else None
    has_cells = isinstance(data, dict) and isinstance(data.get("cells", data.get("worksheets")), list)
    if not has_cells and not isinstance(major, int):
        raise Unreadable("The file is JSON but not a notebook.")
    if not isinstance(major, int) or isinstance(major, bool):
        major = 4 if "cells" in data else 3
        notes.append("The file did not say which notebook format it has.")
    if major > 4:
        raise Unreadable(f"The notebook has format {major}; at most format 4 can be read.")
    if major == 4:
        return data
    import nbformat  # only old files need it, and it is slow to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted = nbformat.convert(nbformat.from_dict({"metadata": {}, "nbformat_minor": 0, **data}), 4)
    except Exception:  # the converters were not written for hostile data and raise whatever comes
        raise Unreadable(f"The notebook has the old format {major} and could not be upgraded.") from None
    notes.append(f"The notebook had the old format {major}; it was upgraded.")
    return converted


def _cells(data: dict[str, Any], notes: list[str]) -> list[RawCell]:
    found = data.get("cells")
    if not isinstance(found, list):
        raise Unreadable("The notebook has no list of cells: the file is damaged.")
    if len(found) > MAX_CELLS:
        raise Unreadable(f"The notebook has {len(found)} cells; at most {MAX_CELLS} are read.")
    cells, broken = [], 0
    for item in found:
        cell = _cell(item)
        broken += cell is None
        if cell is not None:
            cells.append(cell)
    if broken:
        notes.append(f"{broken} of {len(found)} cells could not be read and were left out.")
    if not cells:
        raise Unreadable("The notebook has no cells.")
    return cells


def _cell(item: Any) -> RawCell | None:
    if not isinstance(item, dict) or item.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = item.get("source", "")
    if isinstance(source, list) and all(isinstance(part, str) for part in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    cell_id = item.get("id", metadata.get("id"))  # Colab keeps the id in the metadata
    return RawCell(item["cell_type"], _tidy(source), metadata, cell_id if isinstance(cell_id, str) else None)


def _tidy(source: str) -> str:
    """Uniform line ends, and only characters that can be written to a file and to a database again."""
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return source.encode("utf-8", "replace").decode("utf-8") if not source.isascii() else source
