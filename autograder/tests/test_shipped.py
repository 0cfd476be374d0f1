"""What hidden tests ship beside the student's code can be read there: it must not hold the answer under test.

Every test of a chapter runs on the reference solution, on a side that notes what is shipped.
"""

from __future__ import annotations

import ast
import textwrap

import pytest

from autograder.checks.autoencoders.standins import source_of
from autograder.source import SourceCell
from autograder.testing import PlainKernel, using_side
from autograder.variants import build, cells_of

CHAPTERS = ("01_optimization", "02_backprop", "03_cnn", "08_autoencoders")
# a stand-in that could be handed in as the class or function of the exercise, under another name
SOLVES = {"Net": {"Sequential"}}
# (test, name): handed over to the test, but not what it tests, and another one is used in its place
NOT_TESTED = {("ex4-jacobian-forward-test", "Dual")}


class Noting(PlainKernel):
    """Notes the sources that are shipped. What a test makes for itself in the judge is not among them."""

    def __init__(self):
        self.sources: set[str] = set()

    def ship(self, source, name):
        self.sources.add(source)
        return super().ship(source, name)


def defined(source: str) -> set[str]:
    """Every name that a source gives to a class, a function or a value, methods and locals left out."""
    names, bodies = set(), [ast.parse(textwrap.dedent(source)).body]
    for body in bodies:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign):
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            if isinstance(node, ast.FunctionDef | ast.If | ast.With):
                bodies.append(node.body)
    return names


def under_test(cell: SourceCell) -> set[str]:
    """The names that a test cell hands over to the hidden test."""
    calls = [node for node in ast.walk(ast.parse(cell.hidden)) if isinstance(node, ast.Call)]
    names = {part.id for call in calls for arg in call.args for part in ast.walk(arg) if isinstance(part, ast.Name)}
    return {name for name in names if (cell.id, name) not in NOT_TESTED}


def given_away(source: str, names: set[str]) -> set[str]:
    """The names under test that a shipped source answers."""
    found = defined(source)
    return names & (found | {name for piece in found for name in SOLVES.get(piece, ())})


def shipped(chapter: str) -> list[tuple[SourceCell, set[str]]]:
    """Every test cell that has a hidden part, and what it shipped."""
    found, names = [], build(chapter)
    for test in cells_of(chapter):
        if test.kind == "test" and test.hidden:
            with using_side(Noting()) as side:
                exec(test.hidden, dict(names))
            found.append((test, side.sources))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_test_ships_what_it_tests(chapter):
    found = shipped(chapter)
    assert sum(bool(sources) for _, sources in found) >= 5, "nothing was noted"
    assert [
        f"{test.id} ships {name}"
        for test, sources in found
        for source in sources
        for name in sorted(given_away(source, under_test(test)))
    ] == []


def test_a_source_that_gives_the_answer_away_is_seen():
    source = """
        import numpy as np

        class Net:
            def forward(self, x): return x

        def tools():
            def sgd_step(net, lr): return net
            return sgd_step

        answer = 3
    """
    assert defined(source) == {"Net", "tools", "sgd_step", "answer"}
    assert given_away(source, {"sgd_step", "Sequential", "forward", "predict"}) == {"sgd_step", "Sequential"}


def test_a_stand_in_comes_without_the_others():
    names = {name for name in defined(source_of("reparameterize")) if not name.startswith("_")}
    assert names == {"reparameterize", "tools"}
