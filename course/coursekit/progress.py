"""One progress bar for training and downloads.

It is tqdm's text bar on stdout. Not the widget bar, because a reopened notebook shows that one as
"model not found"; not stderr, because anything on stderr in a graded cell costs its points.
"""

from __future__ import annotations

import sys

from tqdm import tqdm


class Bar(tqdm):
    """tqdm without its monitor thread: graders fork the process, and threads do not survive a fork."""

    monitor_interval = 0


def bar(total: int, label: str = "", unit: str = "step", **options) -> Bar:
    """A progress bar over `total` units, silent when no one is watching (`headless()`).

    `options` go to tqdm (`initial=`, `unit_scale=`, ...). Use it as a context manager.
    """
    from .session import headless

    terminal = sys.stdout.isatty()
    options = {"leave": True, "mininterval": 0.25, "dynamic_ncols": terminal} | options
    if not terminal:
        options.setdefault("ncols", 90)
    return Bar(total=total, desc=label or None, unit=unit, file=sys.stdout, disable=headless(), **options)
