"""Widgets that answer a question by moving something: controls above a figure that is drawn again.

The picture lives in ipywidgets' `HTML`, as `<img alt=...>` with a data URI, and not in its `Image`: the view
of `Image` writes an `<img>` without alternative text. The browser keeps the old picture until the new one
is there, and its size is written into the tag, so nothing jumps.

Redraws wait until the values settle. Where an asyncio loop runs (in a kernel) they are timers of that loop,
so that a fast drag of a slider draws a few pictures and not a hundred; elsewhere they happen at once. No
thread is started. JupyterLab may deliver slider moves on a kernel subshell, which is a thread of its own,
so a lock keeps two drawings apart; each drawing gets a fresh figure that pyplot does not know.
"""

from __future__ import annotations

import asyncio
import html
import math
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import figures

SETTLE = 0.06
AT_LATEST = 0.25


@dataclass(frozen=True)
class Slider:
    """A number from `lo` to `hi`; whole numbers if `lo`, `hi`, `step` and `value` all are.

    `value`: where it starts (default: the middle); `log=True` moves by powers of ten (`lo > 0`).
    """

    lo: float
    hi: float
    value: float | None = None
    step: float | None = None
    label: str | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not self.lo < self.hi:
            raise ValueError(f"a slider needs lo < hi, got {self.lo} and {self.hi}")
        if self.log and self.lo <= 0:
            raise ValueError(f"a logarithmic slider needs lo > 0, got {self.lo}")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"a slider needs step > 0, got {self.step}")
        self.check(self.start)

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return not self.log and all(
            isinstance(v, int | None) for v in (self.lo, self.hi, self.value, self.step)
        )

    @property
    def start(self):
        """The value at the beginning."""
        if self.value is not None:
            return self.value
        if self.log:
            return (self.lo * self.hi) ** 0.5
        return (self.lo + self.hi) // 2 if self.whole else (self.lo + self.hi) / 2

    def check(self, value):
        """The value as the control holds it. `ValueError` outside of `lo` ... `hi`."""
        if not self.lo <= value <= self.hi:
            raise ValueError(f"must lie between {self.lo} and {self.hi}, got {value!r}")
        return int(value) if self.whole else float(value)

    def widget(self, name: str):
        """The ipywidgets control."""
        import ipywidgets as w

        common = {"value": self.start, "description": self.label or name, **_LAYOUT}
        if self.whole:
            return w.IntSlider(min=self.lo, max=self.hi, step=self.step or 1, **common)
        if self.log:
            lo, hi = math.log10(self.lo), math.log10(self.hi)
            return w.FloatLogSlider(
                min=lo, max=hi, step=self.step or (hi - lo) / 100, readout_format=".3g", **common
            )
        step = self.step or round_step((self.hi - self.lo) / 50)
        return w.FloatSlider(min=self.lo, max=self.hi, step=step, readout_format=".3g", **common)


def round_step(largest: float) -> float:
    """The largest of ..., 0.1, 0.2, 0.5, 1, 2, 5, ... up to `largest`: sliders stop at round numbers."""
    power = 10.0 ** math.floor(math.log10(largest))
    return next(m * power for m in (5, 2, 1) if m * power <= largest * (1 + 1e-9))


@dataclass(frozen=True)
class Choice:
    """One of several `options` (default: the first); `ordered=True` shows them as a slider with stops."""

    options: Sequence
    value: object = None
    label: str | None = None
    ordered: bool = False

    def __post_init__(self) -> None:
        if not self.options:
            raise ValueError("a choice needs at least one option")
        self.check(self.start)

    @property
    def start(self):
        """The value at the beginning."""
        return self.options[0] if self.value is None else self.value

    def check(self, value):
        """The value. `ValueError` if it is no option."""
        if value not in self.options:
            raise ValueError(f"must be one of {', '.join(map(repr, self.options))}, got {value!r}")
        return value

    def widget(self, name: str):
        """The ipywidgets control."""
        import ipywidgets as w

        kind = w.SelectionSlider if self.ordered else w.Dropdown
        options = [(str(option), option) for option in self.options]
        return kind(options=options, value=self.start, description=self.label or name, **_LAYOUT)


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    value: bool = False
    label: str | None = None

    @property
    def start(self) -> bool:
        """The value at the beginning."""
        return bool(self.value)

    def check(self, value) -> bool:
        """The value. `ValueError` if it is not True or False."""
        if value not in (True, False):
            raise ValueError(f"must be True or False, got {value!r}")
        return bool(value)

    def widget(self, name: str):
        """The ipywidgets control."""
        import ipywidgets as w

        return w.Checkbox(value=self.start, description=self.label or name, indent=False)


# A description may be a sentence: never cut it off.
_LAYOUT = {"style": {"description_width": "initial"}, "layout": {"width": "28em", "max_width": "100%"}}


class Explorer:
    """What `explore` returns: `.values`, `.png`, `.error`, `.set(name=value)`, `.redraws`."""

    def __init__(self, draw: Callable, description: str, size: tuple[float, float], controls: dict):
        for name, control in controls.items():
            if not isinstance(control, Slider | Choice | Toggle):
                raise TypeError(f"{name} must be a Slider, Choice or Toggle, got {type(control).__name__}")
        self.description = figures.check_description(description)
        self.controls = controls
        self.values = {name: control.check(control.start) for name, control in controls.items()}
        self.png = b""
        self.error: str | None = None
        self._exception: Exception | None = None
        self.redraws = 0
        self._draw, self._size = draw, size
        self._lock = threading.RLock()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._widgets: dict = {}
        self._picture = None
        self._shown_in: int | None = None

    def set(self, **values) -> Explorer:
        """Move controls from code and draw at once. `KeyError` and `ValueError` say what is wrong."""
        checked = {}
        for name, value in values.items():
            if name not in self.controls:
                raise KeyError(f"no control {name!r}; there are: {', '.join(self.controls)}")
            try:
                checked[name] = self.controls[name].check(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name} {error}") from None
        with self._lock:
            self.values |= checked
            for name, value in checked.items():
                if name in self._widgets:
                    self._widgets[name].value = value
        self._redraw()
        return self

    def _changed(self, name: str, value) -> None:
        """A control moved in the browser: draw once it has been still for a moment."""
        if self.values[name] == value:
            return
        self.values = self.values | {name: value}
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._redraw()
            return
        now = time.monotonic()
        if self._timer is not None:
            self._timer.cancel()
        if self._deadline is None:
            self._deadline = now + AT_LATEST
        self._timer = loop.call_later(max(0.0, min(SETTLE, self._deadline - now)), self._redraw)

    def _redraw(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._deadline = None
            self.render()
            if self._picture is not None:
                self._picture.value = self._html()

    def render(self, reduce: bool = False) -> None:
        """Draw the current values into `.png`; on an exception in `draw` fill `.error` instead."""
        with self._lock:
            fig = figures.blank(self._size)
            try:
                self._draw(fig, **self.values)
                self.png, self.error, self._exception = figures.png(fig, reduce=reduce), None, None
            except Exception as error:
                self.error, self._exception = _in_words(error), error
            finally:
                fig.clear()
            self.redraws += 1

    def _html(self) -> str:
        if self.error is None:
            return figures.figure_html(self.png, self._alt(), self.description)
        return (
            '<div role="alert" style="border-left: 4px solid #D55E00; padding: 0.3em 0.8em">'
            f"<b>This figure could not be drawn.</b> {html.escape(self.error)}</div>"
        )

    def _alt(self) -> str:
        now = ", ".join(
            f"{c.label or name}: {_short(self.values[name])}" for name, c in self.controls.items()
        )
        return f"{self.description.rstrip('.')}. Shown for {now}." if now else self.description

    def display(self) -> None:
        """Show controls and picture; without a notebook that can move them, the picture alone."""
        from .session import headless

        shell = _shell()
        if shell is None or headless():
            self._show_static()
            return
        import ipywidgets as w
        from IPython.display import display

        if self._picture is None:
            self._picture = w.HTML()
            for name, control in self.controls.items():
                widget = self._widgets[name] = control.widget(name)
                widget.observe(lambda change, name=name: self._changed(name, change["new"]), "value")
        self._redraw()
        row = w.Box(list(self._widgets.values()), layout={"flex_flow": "row wrap"})
        self._shown_in = shell.execution_count
        display(w.VBox([row, self._picture]))

    def _show_static(self) -> None:
        self.render(reduce=True)
        if self._exception is not None:
            raise self._exception
        names = ", ".join(control.label or name for name, control in self.controls.items())
        caption = f"{self.description} (A still picture; run the notebook in JupyterLab to move: {names}.)"
        figures.display_html(
            figures.figure_html(self.png, self._alt(), caption), f"[figure] {self.description}"
        )
        shell = _shell()
        self._shown_in = None if shell is None else shell.execution_count

    def _ipython_display_(self) -> None:
        # `explore(...)` as a cell's last expression has already been shown
        shell = _shell()
        if shell is None or shell.execution_count != self._shown_in:
            self.display()

    def __repr__(self) -> str:
        return f"Explorer({', '.join(f'{name}={_short(value)}' for name, value in self.values.items())})"


def explore(
    draw: Callable, description: str, /, *, size: tuple[float, float] = (6.4, 3.6), **controls
) -> Explorer:
    """Show a figure with controls; `draw(fig, **values)` draws it again whenever they move.

    `draw` gets an empty matplotlib figure of `size` inches and the current values by the controls' names;
    it should take less than 0.3 s. `description` (at least 20 characters) says what to look for: it is the
    caption and, with the current values, the alternative text. Controls are `Slider`, `Choice`, `Toggle`.

    An exception in `draw` appears in words in place of the picture, and the next move tries again. Where
    nothing can be moved (a plain script, a headless run) the figure of the start values is shown instead,
    and there an exception in `draw` is raised. Returns the `Explorer`.
    """
    explorer = Explorer(draw, description, size, controls)
    explorer.display()
    return explorer


def _shell():
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()


def _short(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _in_words(error: Exception) -> str:
    """The exception and the innermost line outside of installed libraries at which it arose."""
    if isinstance(error, NotImplementedError):
        return "It needs an exercise that is still open: solve that one, then run this cell again."
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__]
    where = f" in `{own[-1].name}`, line {own[-1].lineno}: {own[-1].line}" if own else ""
    return f"{type(error).__name__}: {error}{where}"
