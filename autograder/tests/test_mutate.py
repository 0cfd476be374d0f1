"""Mutants are what they should be, tests kill them, and a weakened test lets one survive."""

from __future__ import annotations

import ast
import os
import time

import pytest

from autograder import mutate as module
from autograder.course import CHAPTERS
from autograder.mutate import all_mutants, equivalents, hidden_tests, mutate, run_mutants
from autograder.mutations import mutants
from autograder.source import SourceCell, parse_source, read_source
from autograder.variants import PlainRunner


def cell(solution: str, before: str = "def f(x, y):", after: str = "") -> SourceCell:
    lines = [before, "    ### BEGIN SOLUTION", *("    " + line for line in solution.split("\n"))]
    text = "\n".join([*lines, "    ### END SOLUTION", after])
    return SourceCell("exercise", "ex1-f", None, text, 0)


def solutions(solution: str) -> list[str]:
    """The solution lines of every mutant."""
    found = []
    for mutant in mutants(cell(solution)):
        inner = mutant.after.split("### BEGIN SOLUTION\n")[1].split("\n    ### END SOLUTION")[0]
        found.append("\n".join(line.removeprefix("    ") for line in inner.split("\n")))
    return found


# ----------------------------------------------------------------------------------------------- the changes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return x + y", ["return (x - y)", "return x", "return y", "pass"]),
        ("return x - y", ["return (x + y)", "return (y - x)"]),
        ("return x * y", ["return (x / y)"]),
        ("return x @ y", ["return (y @ x)"]),
        ("return x ** y", ["return (x * y)", "return (y ** x)"]),
        ("return x < y", ["return (x <= y)", "return (x >= y)"]),
        ("return 0 <= x < y", ["return (0 < x < y)", "return (0 <= x <= y)"]),
        ("return x == y", ["return (x != y)"]),
        ("return x is None", ["return (x is not None)"]),
        ("return x in y", ["return (x not in y)"]),
        ("return x and y", ["return (x or y)", "return x", "return y"]),
        ("return -x", ["return x"]),
        ("return 3", ["return 4", "return 2", "return 0"]),
        ("return 0.5", ["return 1.5", "return (-0.5)", "return 0.0", "return 1.0"]),
        ("return x.copy()", ["return x"]),
        ("return x.T", ["return x"]),
        ("return x.sum(axis=0, keepdims=True)", [
            "return x.sum(axis=1, keepdims=True)",
            "return x.sum(axis=(-1), keepdims=True)",
            "return x.sum(axis=0, keepdims=False)",
            "return x.sum(keepdims=True)",
            "return x.sum(axis=0)",
            "return x.mean(axis=0, keepdims=True)",
        ]),
        ("return np.maximum(x, 0)", ["return np.minimum(x, 0)", "return x"]),
        ("return np.where(x, y, 0)", ["return np.where(y, x, 0)", "return np.where(x, 0, y)"]),
        ("return max(x, y)", ["return min(x, y)"]),
        ("return x[1:]", ["return x[2:]", "return x[0:]", "return x[:]"]),
        ("return x[::2]", ["return x[::3]", "return x[:]"]),
        ("return x, y", ["return (y, x)"]),
        ("x += y", ["x = y", "x -= y", "pass"]),
        ("return x if y else 0", ["return x", "return 0", "return x if (not y) else 0"]),
        ("return [a for a in x if a]", ["return [a for a in x]"]),
        ("if x:\n    return y", ["if (not x):\n    return y", "if x:\n    pass", "pass"]),
        ("while x > y:\n    break", ["while (x >= y):\n    break", "while x > y:\n    continue"]),
        ('if x:\n    raise ValueError(f"not {x + 1}")', ["if x:\n    pass", "pass"]),
        ("return lambda a: a * x", ["return lambda a: (a / x)"]),
        ("return y[x, 0] and True", ["return y[x, 1] and True", "return y[x, 0] and False"]),
    ],
)  # fmt: skip
def test_each_kind_of_slip_is_made(line, expected):
    made = solutions(line)
    assert [text for text in expected if text not in made] == []


def test_only_solution_lines_are_changed_and_every_mutant_is_one_valid_change():
    source = cell("y = x + 1\nreturn y * 2", before="def f(x, y=3):\n    a = 5 - x", after="    b = 7 * 8\n")
    found = mutants(source)
    assert len(found) >= 10 and len({m.key for m in found}) == len(found) == len({m.after for m in found})
    for mutant in found:
        ast.parse(mutant.after)
        assert "def f(x, y=3):\n    a = 5 - x" in mutant.after and "    b = 7 * 8" in mutant.after
        assert sum(line[0] == "-" for line in mutant.diff().split("\n")) == 1


def test_texts_of_exceptions_and_docstrings_are_left_alone():
    made = solutions('"""Two."""\nif x > 2:\n    raise ValueError(f"{x - 1} and {2 * x}")\nreturn x')
    assert all('"""Two."""' in text or text == "pass" for text in made)
    assert not any("x + 1" in text or "2 / x" in text for text in made)


def test_what_cannot_matter_is_not_made():
    made = solutions("a, b = x.copy(), x.copy()\nreturn max(x, y) in (1, 2)")
    assert not any("max(y, x)" in text or "(2, 1)" in text for text in made)


def test_keys_survive_reformatting_and_tell_equal_changes_apart():
    keys = [m.key for m in mutants(cell("a = x + y\nb = x + y\nreturn a, b"))]
    again = [m.key for m in mutants(cell("a = (x\n     + y)\nb = x+y\nreturn a, b"))]
    assert keys == again
    assert "ex1-f f: x + y -> x - y" in keys and "ex1-f f: x + y -> x - y #2" in keys


def test_columns_are_counted_in_bytes():
    made = solutions('name = "α" if x + 1 else "β"\nreturn name')
    assert 'name = "α" if (x - 1) else "β"\nreturn name' in made


# ------------------------------------------------------------------------------------------------ the running

TOY = '''\
# %% setup=true
from coursekit import check

# %% exercise="ex1-clip"
def clip(x):
    """x, but 0 where it is negative."""
    ### BEGIN SOLUTION
    if x < 0:
        return 0
    return x
    ### END SOLUTION

# %% test="ex1-clip-test" points=1 exercise_no=1
with check("Exercise 1: clip") as expect:
    expect.equal(clip(3), 3, "clip(3)")
### BEGIN HIDDEN TESTS
from coursekit.checking import hidden

with hidden("Exercise 1: clip, more") as expect:
    for x, want in ((5, 5), (1, 1), (-1, 0), (-7, 0), (0.5, 0.5), (-0.5, 0)):
        expect.case(f"x = {x}")
        expect.equal(clip(x), want, "clip(x)")
### END HIDDEN TESTS

# %% exercise="ex2-count"
def count(n):
    ### BEGIN SOLUTION
    total = 0
    while total < n:
        total += 1
    return total
    ### END SOLUTION

# %% test="ex2-count-test" points=1 exercise_no=2
with check("Exercise 2: count") as expect:
    expect.equal(count(3), 3, "count(3)")
### BEGIN HIDDEN TESTS
from coursekit.checking import hidden

with hidden("Exercise 2: count, more") as expect:
    expect.equal([count(n) for n in (-2, 0, 1, 5)], [0, 0, 1, 5], "count(n)")
### END HIDDEN TESTS
'''
SAME = "ex1-clip clip: x < 0 -> x <= 0"


@pytest.fixture
def toy(monkeypatch):
    """`mutate("toy")` runs this source with this list of equivalent mutants."""

    def use(text: str = TOY, listed: dict[str, str] | None = None):
        cells = parse_source(text)
        monkeypatch.setattr(module, "cells_of", lambda chapter: cells)
        monkeypatch.setattr(module, "equivalents", lambda chapter: listed or {})
        return cells

    return use


def test_good_tests_kill_all_mutants_but_the_listed_one(toy):
    toy(listed={SAME: "0 is its own clip"})
    report = mutate("toy", only="ex1")
    assert report.status == 0 and report.survivors == [] and report.complete is False
    assert report.text().split("\n")[-1].split()[0] == "all" and "100.0%" in report.text()
    assert {r.killed_by for r in report.results} == {"ex1-clip-test", None}


def test_an_unexplained_survivor_fails_the_command_and_is_shown_as_a_diff(toy):
    toy()
    report = mutate("toy", only="ex1")
    assert report.status == 1 and [r.mutant.key for r in report.survivors] == [SAME]
    assert f"survivor: {SAME}" in report.text() and "+    if (x <= 0):" in report.text()


def test_a_weakened_test_lets_a_mutant_survive(toy):
    toy(TOY.replace("(0.5, 0.5), (-0.5, 0)", "(2, 2)"), {SAME: "0 is its own clip"})
    report = mutate("toy", only="ex1")
    assert report.status == 1
    assert "ex1-clip clip: 0 -> 1" in {r.mutant.key for r in report.survivors}


def test_visible_checks_kill_nothing(toy):
    cells = toy(TOY.replace("(5, 5), (1, 1), ", "(5, 5), ").replace("clip(3), 3,", "clip(1), 1,"))
    assert "clip(1)" not in hidden_tests("ex1-clip", cells)[0].text
    report = mutate("toy", only="ex1")
    assert {r.killed_by for r in report.results} <= {"ex1-clip-test", None}


def test_endless_mutants_are_killed_and_hold_nothing_up(toy):
    cells = toy()
    start = time.monotonic()
    results = run_mutants(all_mutants(cells, "ex2"), cells, PlainRunner(1.0, 1.0), seconds=5)
    assert time.monotonic() - start < 60
    dropped = [r for r in results if r.mutant.key == "ex2-count count: total += 1 -> nothing"]
    assert dropped[0].killed_by is not None
    assert [r.mutant for r in results] == all_mutants(cells, "ex2"), "results come in order"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_mutant_that_cannot_be_interrupted_is_stopped_from_outside(toy):
    class Stubborn(PlainRunner):
        def _test(self, test, namespace):
            if namespace["clip"](-1) == 0:
                return super()._test(test, namespace)
            while True:  # neither a limit inside nor a signal handler ends this
                try:
                    time.sleep(60)
                except BaseException:
                    continue

    cells = toy()
    some = [m for m in all_mutants(cells, "ex1") if m.key == "ex1-clip clip: return 0 -> nothing"]
    (result,) = run_mutants(some, cells, Stubborn(), seconds=2.0)
    assert result.killed_by == "time or memory"


def test_a_mutant_that_ends_the_process_is_killed_and_the_others_go_on(toy):
    cells = toy()
    first, _, second = all_mutants(cells, "ex1")[:3]
    bad = type(first)("exits", first.cell, first.before, "import os\nos._exit(3)\n")
    results = run_mutants([bad, second], cells)
    assert results[0].killed_by == "time or memory" and results[1].killed_by == "ex1-clip-test"


def test_without_fork_mutants_run_here(toy, monkeypatch):
    cells = toy()
    some = all_mutants(cells, "ex1")
    forked = [r.killed_by for r in run_mutants(some, cells)]
    monkeypatch.delattr(os, "fork", raising=False)
    assert [r.killed_by for r in run_mutants(some, cells)] == forked


def test_a_reference_that_fails_its_own_tests_is_told(toy):
    toy(TOY.replace("(-7, 0)", "(-7, 7)"))
    with pytest.raises(RuntimeError, match="reference solution does not pass ex1-clip-test"):
        mutate("toy", only="ex1")


def test_a_sample_is_the_same_every_time(toy):
    cells = toy()
    one, two = (mutate("toy", sample=5, seconds=2) for _ in range(2))
    assert len(one.results) == 5 < len(all_mutants(cells))
    assert [r.mutant.key for r in one.results] == [r.mutant.key for r in two.results]
    assert one.stale == []
    with pytest.raises(ValueError, match="no exercise cell"):
        mutate("toy", only="ex9")


def test_a_listed_mutant_that_is_gone_or_killed_fails_a_complete_run(toy):
    killed = "ex1-clip clip: return x -> nothing"
    toy(listed={SAME: "0 is its own clip", killed: "it is not", "ex1-clip clip: gone -> gone": "gone"})
    report = mutate("toy", seconds=2)
    assert report.complete and report.survivors == []
    assert report.stale == [killed, "ex1-clip clip: gone -> gone"] and report.status == 1
    assert f"listed as equivalent, but killed or gone: {killed}" in report.text()


# --------------------------------------------------------------------------------- the lists of the chapters


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[equivalent]]\nmutant = "a"\nreason = " "\n', "has no reason"),
        ('[[equivalent]]\nmutant = "a"\n', "has no reason"),
        ('[[equivalent]]\nmutant = "a"\nreason = "b"\n' * 2, "is listed twice"),
    ],
)
def test_a_faulty_list_is_told(tmp_path, monkeypatch, text, says):
    monkeypatch.setattr(module, "EQUIVALENTS", tmp_path)
    assert equivalents("00_start") == {}
    (tmp_path / "start.toml").write_text(text)
    with pytest.raises(ValueError, match=says):
        equivalents("00_start")


@pytest.mark.parametrize("chapter", [c.folder for c in CHAPTERS if c.source.exists()])
def test_every_listed_mutant_exists(chapter):
    known = {m.key for m in all_mutants(read_source(chapter, check_points=False))}
    assert sorted(set(equivalents(chapter)) - known) == []


@pytest.mark.slow
@pytest.mark.parametrize("chapter", [c.folder for c in CHAPTERS if c.source.exists()])
def test_a_sample_of_every_chapter_leaves_no_unexplained_survivor(chapter):
    report = mutate(chapter, sample=60)
    assert report.status == 0, report.text()
