"""The chapters of the course and where everything lies.

Adding a chapter adds one line to `CHAPTERS`; every command takes its paths from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT / "course"
SOLUTIONS = ROOT / "solutions"
DATA = ROOT / "data"
COURSEKIT = COURSE / "coursekit"


@dataclass(frozen=True)
class Chapter:
    """One chapter: folder name `NN_topic` (also nbgrader's assignment name), title, and what it is worth.

    `root` is the repository that it lies in (tests build small courses of their own).
    """

    folder: str
    title: str
    points: int = 100
    root: Path = ROOT

    @property
    def topic(self) -> str:
        """The folder name without its number: the stem of every file of the chapter."""
        return self.folder.split("_", 1)[1]

    @property
    def source(self) -> Path:
        """The percent-format text from which both notebooks are built."""
        return self.root / SOLUTIONS.name / self.folder / f"{self.topic}.py"

    @property
    def solution_notebook(self) -> Path:
        """The executed notebook beside the source."""
        return self.root / SOLUTIONS.name / self.folder / f"{self.topic}.ipynb"

    @property
    def student_notebook(self) -> Path:
        """What students get: no solution, no hidden test, no output."""
        return self.root / COURSE.name / self.folder / f"{self.topic}.ipynb"


CHAPTERS = (
    Chapter("00_start", "Getting started", points=0),
    Chapter("01_optimization", "Optimization"),
    Chapter("02_backprop", "Backpropagation"),
    Chapter("03_cnn", "Convolutional networks"),
    Chapter("08_autoencoders", "Autoencoders"),
)


def chapter(name: str) -> Chapter:
    """The chapter with this folder name, number or topic (`02_backprop`, `02`, `2` or `backprop`).

    Raises `KeyError` with the list of known chapters if there is none.
    """
    for candidate in CHAPTERS:
        number = candidate.folder.partition("_")[0]
        if name in (candidate.folder, candidate.topic, number, str(int(number))):
            return candidate
    known = ", ".join(c.folder for c in CHAPTERS)
    raise KeyError(f"no chapter {name!r}; known chapters: {known}")
