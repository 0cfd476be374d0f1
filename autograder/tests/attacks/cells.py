"""Attacks from within the exercise's cell, from `cells.txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

WRONG = "def f(x):\n    return 0.0\n\n"


@dataclass(frozen=True)
class Attack:
    """`code` is the answer's cell; `harmful` says that it would harm a machine without a sandbox."""

    name: str
    code: str
    harmful: bool


def read_attacks(path: Path) -> list[Attack]:
    """The attacks of a file; lines that begin with `##` are headings."""
    found = []
    for section in re.split(r"^%% ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, code = section.partition("\n")
        name, *flags = head.split()
        code = re.sub(r"^## .*\n", "", code, flags=re.MULTILINE).strip("\n")
        code = code if re.search(r"^def f\(", code, re.MULTILINE) else WRONG + code
        found.append(Attack(name, code, flags == ["harmful"]))
    return found


ATTACKS = read_attacks(Path(__file__).with_name("cells.txt"))
