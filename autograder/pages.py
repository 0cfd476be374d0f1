"""HTML pages that stand alone: one file, no script, no request to anywhere, light and dark.

Everything is escaped unless it was cleaned first; the pages forbid scripts and requests to the browser as well.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TEMPLATES = Path(__file__).resolve().parent / "templates"
_HIGHLIGHTED_CHARACTERS = 50_000

# outcome -> (sign, words, class in page.css)
LOOKS = {
    "passed": ("✓", "Right", "right"),
    "partly": ("◐", "Partly right", "open"),
    "open": ("○", "Not attempted", "open"),
    "missing": ("✗", "A name is missing", "wrong"),
    "raised": ("✗", "Your code raised an exception", "wrong"),
    "wrong": ("✗", "Not right", "wrong"),
    "time": ("✗", "Too slow", "wrong"),
    "memory": ("✗", "Too much memory", "wrong"),
    "crashed": ("✗", "The process ended", "wrong"),
    "fault": ("!", "The test is broken", "open"),
}


def points_text(value: float) -> str:
    """Points for people: no needless decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False
    )
    made.filters["points"] = points_text
    return made


def render(template: str, **values: Any) -> str:
    """A page from a template of ours. Only `Markup` values are taken as HTML.

    A template that has no styles but `css` allows no other: it names `css_hash` in its policy.
    """
    css = Markup("\n" + (TEMPLATES / "page.css").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(css.encode("utf-8")).digest()).decode("ascii")
    page = _environment().get_template(template)
    return page.render(css=css, css_hash=f"sha256-{digest}", **values) + "\n"


@functools.lru_cache(maxsize=512)  # given code and tests are the same in every page of a class
def code_html(source: str) -> Markup:
    """Python source as highlighted, escaped HTML."""
    if len(source) > _HIGHLIGHTED_CHARACTERS:
        return Markup(escape(source))
    return Markup(highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n"))


def lower_headings(html: str, levels: int = 2) -> str:
    """Cleaned HTML with its headings some levels lower, so that they do not break the page's outline."""
    return re.sub(r"<(/?)h([1-6])>", lambda m: f"<{m[1]}h{min(6, int(m[2]) + levels)}>", html)
