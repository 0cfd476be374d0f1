"""Make what a student's code and text produced safe to look at: in Formgrader, in feedback pages, in reports.

Two rules: nothing active survives (script, event handler, form, frame, style, link to anything but http(s) and
mailto, picture from elsewhere), and no path of the grading machine is shown. The HTML itself is cleaned by bleach,
which parses as browsers do and lets only an allowlist through. Nothing edits HTML as text: what is done before bleach
keeps the contents of dropped elements from showing up as text, and paths are hidden in the text nodes of bleach's own
document, which it writes out as the last thing that happens. Markup that would read differently once it is written
out is shown as the text that it is.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
import warnings
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from bleach.html5lib_shim import Filter
from bleach.sanitizer import Cleaner
from bs4 import BeautifulSoup
from nbconvert.filters import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

MAX_TEXT = 64 * 1024
MAX_IMAGE = 2 * 1024 * 1024
MAX_OUTPUTS = 200
MAX_CELL = 4 * 1024 * 1024

MAX_NOTEBOOK = 16 * 1024 * 1024
MAX_HTML = 256 * 1024
_SHORT_HTML = 8 * 1024
MAX_ELEMENTS = 4_000

_SAFE_ELEMENTS = """
a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4
h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead tr
u ul var
"""
_DROPPED_WITH_CONTENT = """
script style iframe frame frameset object embed applet svg math template noscript noembed noframes title textarea
select option button form input link meta base audio video source canvas portal dialog xmp plaintext
"""
_ATTRIBUTES = {
    "td": ["colspan", "rowspan"],
    "th": ["colspan", "rowspan", "scope"],
    "ol": ["start"],
    "details": ["open"],
}
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=\s]+")
_MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}

_OSC = re.compile(r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?")  # titles, links, device strings
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.?")
_COLOUR = re.compile(r"\x1b(?!\[[0-9;]*m)(?:\[[0-?]*[ -/]*[@-~])?")

_PATH = re.compile(r"(?<![\w.:/<~…])(?:~|file:/{1,2})?/(?:[\w.+@~-]+/)+([\w.+@-]*)")
_WINDOWS_PATH = re.compile(r"\b[A-Za-z]:\\(?:[^\\\s:*?\"<>|]+\\)+([^\\\s:*?\"<>|]*)")
_PACKAGE = re.compile(r"(?:.*(?:site|dist)-packages|.*?/python3\.\d+)/(.+)")
_LINK = re.compile(r"(?:https?://|mailto:|#)[^\s]*", re.IGNORECASE)
_WORD = re.compile(r"[^\s<>\"']+")
_KERNEL_FILE = re.compile(r"ipykernel_\d+[/\\]\d+\.py")
_SPAN_STYLE = re.compile(r'(<span(?: class="[^"<>]*")?) style="[^"<>]*">')


def hide_paths(text: str) -> str:
    """The text with absolute paths cut to what a reader needs: the file, or the path inside a package."""

    def short(match: re.Match) -> str:
        package = _PACKAGE.match(match[0])
        return "…/" + (package[1] if package else match[1])

    for _ in range(8):  # what is left of two paths may look like a third
        before = text
        if "ipykernel_" in text:
            text = _WORD.sub(_without_kernel_file, text)
        text = _WINDOWS_PATH.sub(lambda m: "…\\" + m[1], _PATH.sub(short, text))
        if text == before:
            break
    return text


def _without_kernel_file(word: re.Match) -> str:
    ends = [found.end() for found in _KERNEL_FILE.finditer(word[0])]
    return f"cell{word[0][ends[-1] :]}" if ends else word[0]


def plain_text(text: str) -> str:
    """The text without colours and other control sequences, without paths, as a terminal would leave it."""
    return _ANSI.sub("", _terminal(text))


def _terminal(text: str) -> str:
    """Colour codes stay; every other control sequence goes; of a line that was overwritten the last state stays."""
    text = _CONTROL.sub("", _COLOUR.sub("", _OSC.sub("", text.replace("\r\n", "\n"))))
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    # Between colours, because the letter that ends a colour's code would look like the start of a relative path.
    pieces = re.split(r"(\x1b\[[0-9;]*m)", "\n".join(lines))
    return "".join(piece if n % 2 else hide_paths(piece) for n, piece in enumerate(pieces))


def text_to_html(text: str) -> str:
    """Text with ANSI colours as safe HTML (escaped, colours as spans of class `ansi-...`, no other styles)."""
    return _SPAN_STYLE.sub(r"\1>", ansi2html(_terminal(text)))


def clean_html(html: str) -> str:
    """HTML of a student with only an allowlist of elements and attributes left, and without paths.

    HTML that is too large or too deeply nested to be cleaned in reasonable time, or that changes when it is cleaned
    once more, is shown as the text that it is.
    """
    if not _too_large(html):
        try:
            cleaned = _cleaned_short(html) if len(html) <= _SHORT_HTML else _cleaned(html)
            if cleaned is not None and not _too_large(cleaned):
                return cleaned
        except (RecursionError, ValueError, AssertionError):  # parsers give up on nonsense in several ways
            pass
    return _sanitised(_as_text(html))


def _too_large(html: str) -> bool:
    return len(html) > MAX_HTML or html.count("<") > MAX_ELEMENTS


def _as_text(source: str) -> str:
    """HTML that shows a source as the text that it is."""
    return f"<pre>{escape(_cut(source, MAX_TEXT // 2), quote=False)}</pre>"


def _cleaned(html: str) -> str | None:
    """The cleaned HTML, or None if cleaning it does not come to an end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bs4 remarks on text that looks like a file name or an address
        soup = BeautifulSoup(html, "html.parser")
    for element in soup.find_all(_DROPPED_WITH_CONTENT.split()):
        element.decompose()
    found = _sanitised(str(soup))
    for _ in range(3):
        found, before = _sanitised(found), found
        if found == before:
            return found
    return None


# The messages of checks are the same for many students.
_cleaned_short = functools.lru_cache(maxsize=512)(_cleaned)


class _Finish(Filter):
    """On the elements and texts that bleach lets through, before it writes them: no path in a text, no picture
    without its data, no link that tells where it was clicked."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        before: dict[str, Any] = {}
        for token in super().__iter__():
            kind, name, data = token["type"], token.get("name"), token.get("data")
            if name == "img" and (None, "src") not in data:
                continue
            if kind in ("Characters", "SpaceCharacters"):
                token["data"] = hide_paths(data) if "/" in data or "\\" in data else data
                if before.get("type") == "StartTag" and before.get("name") == "pre" and data.startswith("\n"):
                    token["data"] = "\n" + token["data"]  # who reads it drops the first one
            elif kind in ("StartTag", "EmptyTag"):
                for told in data.keys() & {(None, "title"), (None, "alt")}:
                    data[told] = hide_paths(data[told])
                if name == "a":
                    data[None, "rel"] = "noopener noreferrer nofollow"
            yield token
            before = token


def _sanitised(html: str) -> str:
    cleaner = Cleaner(
        tags=frozenset(_SAFE_ELEMENTS.split()),
        attributes={**_ATTRIBUTES, "a": _link_attribute, "img": _image_attribute},
        protocols=["http", "https", "mailto", "data"],
        strip=True,
        strip_comments=True,
        filters=[_Finish],
    )
    return cleaner.clean(html)


def _link_attribute(tag: str, name: str, value: str) -> bool:
    return name == "title" or (name == "href" and bool(_LINK.fullmatch(value)))


def _image_attribute(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return bool(_DATA_IMAGE.fullmatch(value)) and len(value) <= MAX_IMAGE * 2
    return name in ("alt", "title") or (name in ("width", "height") and value.isdigit() and int(value) <= 4000)


def markdown_to_html(source: str) -> str:
    """Markdown of a student as safe HTML. Formulas stay as they were typed, attached pictures become their names.

    Also nbconvert's `markdown2html` filter in the shipped configuration: nbgrader's own templates do not clean.
    """
    if len(source) > MAX_TEXT:
        return clean_html(_as_text(source))
    try:
        rendered = MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source)
    except (RecursionError, ValueError, IndexError, KeyError):  # text that no parser was written for
        rendered = _as_text(source)
    return clean_html(rendered)


class _Renderer(IPythonRenderer):
    """nbconvert's, but an attachment that is not there is no error."""

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """A picture, or its description where it is no picture that may be shown."""
        return super().image(text, url, title) if _DATA_IMAGE.fullmatch(url) else escape(text or "picture")


class Budget:
    """How much output a whole notebook may still show; cleaning HTML takes time, so its elements count too."""

    def __init__(self) -> None:
        self.size = MAX_NOTEBOOK
        self.elements = 10 * MAX_ELEMENTS


def clean_outputs(outputs: Iterable[Any], budget: Budget | None = None) -> list[NotebookNode]:
    """The outputs of a cell as they may be shown: text, PNG and JPEG pictures, cleaned HTML, errors.

    Anything else (JavaScript, widgets, SVG, other types) falls back to its plain text. Long outputs are cut and
    say so. Pass one `budget` for all cells of a notebook. Never raises, whatever the outputs are.
    """
    budget = budget or Budget()
    cleaned: list[NotebookNode] = []
    left = min(MAX_CELL, budget.size)
    for output in outputs:
        found = _clean_output(output, budget) if isinstance(output, dict) else None
        if found is None:
            continue
        left -= len(str(found))
        if len(cleaned) >= MAX_OUTPUTS or left < 0:
            cleaned.append(_stream("stdout", "[more output was left out: too much of it]\n"))
            break
        budget.size -= len(str(found))
        last = cleaned[-1] if cleaned else {}
        if found.output_type == "stream" and last.get("name") == found.name:
            last["text"] = _cut(last["text"] + found.text)
        else:
            cleaned.append(found)
    return cleaned


def _clean_output(output: dict[str, Any], budget: Budget) -> NotebookNode | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return _stream(name, _cut(_terminal(_text(output.get("text")))))
    if kind == "error":
        lines = output.get("traceback")
        lines = [_terminal(_text(line)) for line in lines[:400]] if isinstance(lines, list) else []
        return NotebookNode(
            output_type="error",
            ename=_cut(plain_text(_text(output.get("ename"))), 200),
            evalue=_cut(plain_text(_text(output.get("evalue"))), 8_000),
            traceback=_cut("\n".join(lines)).split("\n"),
        )
    if kind not in ("display_data", "execute_result") or not isinstance(output.get("data"), dict):
        return None
    data = _clean_data(output["data"], budget)
    if not data:
        return None
    found = NotebookNode(output_type=kind, data=data, metadata=_image_metadata(output.get("metadata")))
    if kind == "execute_result":
        count = output.get("execution_count")
        found["execution_count"] = count if type(count) is int and 0 <= count < 10**6 else None
    return found


def _clean_data(data: dict[str, Any], budget: Budget) -> NotebookNode:
    clean = NotebookNode()
    for mime, magic in _MAGIC.items():
        value = _text(data.get(mime))
        if value and len(value) <= MAX_IMAGE * 4 / 3:
            try:
                raw = base64.b64decode("".join(value.split()), validate=True)
            except (binascii.Error, ValueError):
                continue
            if raw.startswith(magic):
                clean[mime] = base64.b64encode(raw).decode("ascii")
    html = _text(data.get("text/html"))
    budget.elements -= html.count("<")
    if html and len(html) <= MAX_IMAGE * 2 and budget.elements >= 0:
        html = clean_html(html)
        if html.strip():
            clean["text/html"] = html
    text = _cut(_terminal(_text(data.get("text/plain"))))
    if text:
        clean["text/plain"] = text
    return clean


def _image_metadata(metadata: Any) -> NotebookNode:
    """Alternative text and size of a picture; everything else could end up in an attribute of a page."""
    kept = NotebookNode()
    if not isinstance(metadata, dict):
        return kept
    for mime in _MAGIC:
        own = metadata.get(mime)
        own = own if isinstance(own, dict) else {}
        found = {k: own[k] for k in ("width", "height") if type(own.get(k)) is int and 0 < own[k] <= 4000}
        alt = _cut(plain_text(_text(own.get("alt", metadata.get("alt")))), 1_000)
        if alt:
            found["alt"] = alt
        if found:
            kept[mime] = NotebookNode(found)
    return kept


def _stream(name: str, text: str) -> NotebookNode:
    return NotebookNode(output_type="stream", name=name, text=text)


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return value[: 8 * MAX_IMAGE].encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def _cut(text: str, most: int = MAX_TEXT) -> str:
    """The text, with the middle left out where it is too long."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\n[… {len(text) - most} characters left out …]\n{text[-most // 2 :]}"
