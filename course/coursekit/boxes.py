"""The boxes that tell a student how a check went, and where they are shown.

In a notebook a box is HTML with a plain-text alternative; elsewhere it is printed as ASCII. Colours are
translucent over the page's own background and text keeps the page's colour, so a box reads in light and
dark themes alike.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

WORDS = {
    "right": "correct",
    "form": "form accepted",
    "written": "written, not yet tested",
    "open": "not attempted yet",
    "missing": "a name is missing",
    "raised": "your code raised an exception",
    "wrong": "not right yet",
}
# (accent colour, translucent background, sign, ASCII sign)
_STYLE = {
    "right": ("#2e9d5b", "rgba(46, 157, 91, 0.13)", "✓", "[OK]"),
    "form": ("#3b7dbd", "rgba(59, 125, 189, 0.12)", "✓", "[OK]"),
    "written": ("#3b7dbd", "rgba(59, 125, 189, 0.12)", "✓", "[OK]"),
    "open": ("#808a94", "rgba(128, 138, 148, 0.14)", "○", "[open]"),
}
_FAILED = ("#d9534f", "rgba(217, 83, 79, 0.12)", "✗", "[!]")


@dataclass(frozen=True)
class Box:
    """One outcome: `outcome` is a key of `WORDS`, `rows` are (label, text) pairs, a label may be empty."""

    outcome: str
    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)

    @property
    def headline(self) -> str:
        return f"{self.title} - {WORDS[self.outcome]}"

    def text(self) -> str:
        """The box in plain text, ASCII but for what the texts themselves hold."""
        sign = _STYLE.get(self.outcome, _FAILED)[3]
        return f"{sign} {message(self.headline, self.rows)}"

    def html(self) -> str:
        """The box as one `<div>` with inline styles and no script."""
        colour, background, sign, _ = _STYLE.get(self.outcome, _FAILED)
        parts = [
            f'<div role="status" style="border-left: 4px solid {colour}; background: {background}; '
            'padding: 0.5em 0.9em; margin: 0.3em 0; border-radius: 3px; max-width: 52em; line-height: 1.45">',
            f'<div><span aria-hidden="true" style="color: {colour}; font-weight: 700">{sign}</span> '
            f"<strong>{html.escape(self.title)}</strong> &ndash; {WORDS[self.outcome]}</div>",
        ]
        for label, text in self.rows:
            prefix = f"<strong>{html.escape(label)}:</strong> " if label else ""
            parts.append(f'<div style="margin-top: 0.25em">{prefix}{_inline(text)}</div>')
        return "".join(parts) + "</div>"


def _inline(text: str) -> str:
    """Escaped text with `code` in backticks set as code, and line ends kept."""
    escaped = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text))
    return escaped.replace("\n", "<br>")


def message(headline: str, rows: list[tuple[str, str]]) -> str:
    """Headline and labelled rows as lines of text; long lines are left whole for the page to wrap."""
    lines = [headline]
    width = max((len(label) for label, _ in rows if "\n" not in label), default=0) + 2
    for label, text in rows:
        first, *rest = text.split("\n")
        lead = f"{label}:".ljust(width) if label else ""
        lines.append(f"  {lead}{first}")
        lines.extend(f"  {' ' * len(lead)}{line}" for line in rest)
    return "\n".join(line.rstrip() for line in lines)


_sink: ContextVar[Callable[[Box], None] | None] = ContextVar("coursekit_box_sink", default=None)


@contextmanager
def boxes_to(sink: Callable[[Box], None]) -> Iterator[None]:
    """Within the block, every box goes to `sink(box)` in place of the screen (tests, the autograder)."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def show(box: Box) -> None:
    """Display the box: to the sink of `boxes_to`, in a notebook as HTML, else as printed text."""
    sink = _sink.get()
    if sink is not None:
        sink(box)
    elif _in_notebook():
        from IPython.display import display

        display({"text/html": box.html(), "text/plain": box.text()}, raw=True)
    else:
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        print(box.text().encode(encoding, "replace").decode(encoding))


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return get_ipython() is not None
