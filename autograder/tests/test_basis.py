"""What a result depends on: each item changes the keys that it belongs to, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from autograder import basis
from autograder.course import COURSEKIT, DATA, ROOT, chapter
from autograder.judge.limits import Limits

OURS = ROOT / "autograder"
CHAPTER = chapter("02_backprop")
CONFIG = ROOT / "nbgrader_config.py"
BOTH, GRADE, NEITHER = {"record", "grade"}, {"grade"}, set()


@pytest.fixture(scope="module")
def source():
    return nbformat.read(CHAPTER.solution_notebook, as_version=4)


@pytest.fixture(autouse=True)
def read_anew():
    forget()
    yield
    forget()


def forget() -> None:
    """As in a process that has just begun."""
    for function in (basis._packages, basis._data, basis._code, basis._own_files, basis._topics):
        function.cache_clear()


def keys(source, runner: str = "judge", fewer_walls: bool = False) -> dict[str, str]:
    forget()
    return {
        "record": basis.record_key(runner, ["x = 1"], source, Limits()),
        "grade": basis.chapter_basis(CHAPTER, runner, fewer_walls, CONFIG),
    }


def differ(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


FILES = [
    (next((OURS / "checks" / "backprop").glob("*.py")), BOTH),
    (OURS / "checks" / "answers.py", BOTH),
    (next((OURS / "misconceptions" / "backprop").glob("*.py")), BOTH),
    (OURS / "misconceptions" / "writing.py", BOTH),
    (OURS / "variants.py", BOTH),
    (OURS / "testing.py", BOTH),
    (OURS / "clean.py", BOTH),
    (OURS / "runners.py", BOTH),
    (OURS / "judge" / "proxy.py", BOTH),
    (COURSEKIT / "checking.py", BOTH),
    (DATA / "manifest.json", BOTH),
    (OURS / "submission.py", GRADE),
    (OURS / "steps.py", GRADE),
    (OURS / "templates" / "feedback.html.j2", GRADE),
    (CONFIG, GRADE),
    (CHAPTER.student_notebook, GRADE),
    (OURS / "cli.py", NEITHER),
    (next((OURS / "checks" / "cnn").glob("*.py")), NEITHER),
    (next((OURS / "misconceptions" / "cnn").glob("*.py")), NEITHER),
    (OURS / "checks" / "start.py", NEITHER),
]


@pytest.mark.parametrize(("path", "what"), FILES, ids=lambda p: p.name if isinstance(p, Path) else "")
def test_a_changed_file_changes_what_depends_on_it(source, monkeypatch, path, what):
    assert path.is_file()
    before, read = keys(source), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + (b" " if self == path else b""))
    assert differ(before, keys(source)) == what


@pytest.mark.parametrize("runner", ["judge", "plain"])
@pytest.mark.parametrize("package", ["torch", "numpy", "ipython", "matplotlib", "nbclient", "ipykernel"])
def test_another_version_of_a_package_changes_what_it_runs(source, monkeypatch, runner, package):
    before, version = keys(source, runner), basis.metadata.version
    monkeypatch.setattr(basis.metadata, "version", lambda name: "0.0" if name == package else version(name))
    used = runner == "plain" or package not in ("nbclient", "ipykernel")
    assert differ(before, keys(source, runner)) == (BOTH if used else NEITHER)


@pytest.mark.parametrize("setting", ["COURSE_PRESET", "COURSE_DEVICE"])
def test_a_setting_of_the_course_changes_both(source, monkeypatch, setting):
    before = keys(source)
    monkeypatch.setenv(setting, "another")
    assert differ(before, keys(source)) == BOTH


def test_points_ids_and_tests_belong_to_the_record_and_outputs_do_not(source):
    def record(change) -> str:
        other = nbformat.from_dict(source)
        change(next(c for c in other.cells if c.metadata.get("nbgrader", {}).get("grade") and c.cell_type == "code"))
        return basis.record_key("judge", ["x = 1"], other, Limits())

    same = record(lambda cell: None)
    assert record(lambda cell: cell.outputs.append({"output_type": "stream", "name": "stdout", "text": "x"})) == same
    for change in (
        lambda cell: cell.metadata.nbgrader.update(points=99),
        lambda cell: cell.metadata.nbgrader.update(grade_id="another"),
        lambda cell: cell.update(source=cell.source + "\nassert False"),
    ):
        assert record(change) != same


def test_the_limits_the_runner_and_the_walls_belong_to_what_they_change(source):
    before = keys(source)
    assert differ(before, keys(source, "plain")) == BOTH
    assert differ(before, keys(source, fewer_walls=True)) == GRADE  # the record itself says which walls stood
    assert basis.record_key("judge", ["x = 1"], source, Limits(cell_seconds=1)) != before["record"]
    assert basis.record_key("judge", ["x = 2"], source, Limits()) != before["record"]
