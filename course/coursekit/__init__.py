"""Everything that the notebooks of Deep Learning by Hand import."""

from .checking import check
from .session import setup

__all__ = ["check", "setup"]
