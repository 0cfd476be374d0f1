"""The lists of packages agree, and every way in which they can drift apart is noticed."""

from __future__ import annotations

import shutil

import pytest

from autograder.course import ROOT
from autograder.pins import pin_problems, read_constraints


def test_committed_lists_agree():
    assert pin_problems() == []


@pytest.fixture
def lists(tmp_path):
    """A copy of the three lists that a test may break."""
    for name in ("constraints.txt", "pyproject.toml", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}: mend this test"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("constraints.txt", "nbgrader==", "notnbgrader==", "nbgrader of pyproject.toml is not pinned"),
        ("pyproject.toml", '"numpy>=2.0"', '"numpy>=99"', "constraints.txt pins numpy"),
        ("environment.yml", "      - -c constraints.txt\n", "", "versions would float"),
        ("environment.yml", "python=3.12", "python=3.9", "asks for Python 3.9"),
        ("environment.yml", "  - pip\n", "  - pip\n  - numpy=1.0\n", "environment.yml pins numpy 1.0"),
        ("environment.yml", "      - -e .", "      - torch==1.0\n      - -e .", "environment.yml pins torch 1.0"),
    ],
)
def test_drift_is_noticed(lists, file, old, new, complaint):
    change(lists / file, old, new)
    assert any(complaint in problem for problem in pin_problems(lists))


def test_a_loose_pin_is_refused(lists):
    change(lists / "constraints.txt", "nbgrader==", "nbgrader>=")
    with pytest.raises(ValueError, match="no exact pin"):
        read_constraints(lists / "constraints.txt")


def test_ci_runs_the_documented_command():
    """`.ci/run` installs nothing by hand: it calls the target that the README names."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
