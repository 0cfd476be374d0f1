"""No widget of a chapter reads a name that another cell changes, and the lint that says so finds what it should."""

from __future__ import annotations

import pytest

from autograder.course import CHAPTERS
from autograder.source import SourceCell, read_source
from autograder.widget_lint import names_at_risk

WIDGET = (
    "peaks = [1, 2]\n\ndef draw(fig, a):\n    x = a\n    fig.subplots().plot(peaks, [x, x])\n\nexplore(draw, 'text')"
)


def found(*texts: str) -> list[str]:
    cells = [SourceCell("demo", None, None, text, index=i, line=10 * i) for i, text in enumerate(texts, 1)]
    return list(names_at_risk(cells))


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if c.source.exists()], ids=lambda c: c.folder)
def test_no_widget_of_a_chapter_is_at_risk(chapter):
    assert list(names_at_risk(read_source(chapter))) == []


@pytest.mark.parametrize(
    "other",
    [
        "peaks = 3",
        "with a:\n    peaks = 3",
        "for peaks in range(3):\n    pass",
        "def peaks():\n    pass",
        "q, peaks = 1, 2",
    ],
)
def test_a_name_that_another_cell_makes_is_found(other):
    assert found(WIDGET, other) == ["line 10: the widget reads `peaks`, made by the cells at lines 10, 20"]


@pytest.mark.parametrize(
    "other",
    ["x = 3", "print(peaks)", "def f():\n    peaks = 3", "y = [peaks for peaks in range(3)]", "fig = 1", "a = 2"],
)
def test_names_of_functions_and_names_that_are_only_read_are_fine(other):
    assert found(WIDGET, other) == []
