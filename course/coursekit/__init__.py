"""Everything that the notebooks of Deep Learning by Hand import.

    from coursekit import check, setup

Both are imported when they are asked for, so that `python -m coursekit.doctor` runs, and says what is
missing, where torch or NumPy is not installed.
"""

from __future__ import annotations

__all__ = ["check", "setup"]


def __getattr__(name: str):
    if name == "check":
        from .checking import check

        return check
    if name == "setup":
        from .session import setup

        return setup
    raise AttributeError(f"module 'coursekit' has no attribute {name!r}")
