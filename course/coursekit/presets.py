"""How much work a notebook does: `smoke` (seconds: grading, CI), `quick` (a laptop), `full` (a GPU)."""

from __future__ import annotations

import os
from typing import Any

PRESETS = ("smoke", "quick", "full")
_UNSET = object()


def choose_preset(preset: str | None = None) -> str:
    """The preset: the argument, else COURSE_PRESET, else `smoke` under nbgrader and `quick` otherwise.

    Raises `ValueError` with the known names for any other one.
    """
    source = "preset"
    if preset is None:
        preset, source = os.environ.get("COURSE_PRESET", "").strip().lower() or None, "COURSE_PRESET"
    if preset is None:
        return "smoke" if os.environ.get("NBGRADER_EXECUTION") else "quick"
    if preset not in PRESETS:
        raise ValueError(f"{source}={preset!r} is not a preset; choose one of {', '.join(PRESETS)}")
    return preset


def pick(
    preset: str,
    grading: bool,
    *,
    smoke: Any = _UNSET,
    quick: Any = _UNSET,
    full: Any = _UNSET,
    graded: Any = _UNSET,
) -> Any:
    """The value for this preset; while grading `graded`, which is `smoke` where it is not given.

    A preset without a value takes that of the next smaller one, else that of the next larger one.
    """
    if grading:
        if graded is not _UNSET:
            return graded
        preset = "smoke"
    values = (smoke, quick, full)
    at = PRESETS.index(preset)
    for i in (*range(at, -1, -1), *range(at + 1, len(values))):
        if values[i] is not _UNSET:
            return values[i]
    raise TypeError("pick() needs a value for at least one of smoke, quick and full")
