"""Trying one function alone: what it calls is replaced during the call, and only then.

And what the hidden tests ship beside the student's code holds no answer to the exercise that they test.
"""

from __future__ import annotations

import ast
import functools
import textwrap

import pytest
from coursekit.checking import CheckFailed
from coursekit.standins import StandIns

from autograder.checks.autoencoders.standins import source_of
from autograder.testing import PlainKernel, using_side
from autograder.variants import build, cells_of

CODE = """
def helper(x): return x + offset
def function(x, times=1): return times * helper(x)
class Net:
    def forward(self, x): return helper(x)
    __call__ = forward
class Other(Net):
    def __init__(self): self.made = helper(1)
offset = 1
"""


@pytest.fixture
def student():
    names = {}
    exec(CODE, names)
    return names


def test_the_stand_in_is_used_during_the_call_only(student):
    alone = StandIns(helper=lambda x: 10 * x, unknown=3)
    assert alone(student["function"], 2, times=2) == 40
    assert student["function"](2) == 3 and "unknown" not in student


def test_names_come_back_after_an_exception_and_those_that_were_missing_go(student):
    alone = StandIns(offset="not a number", helper=student.pop("helper"))
    with pytest.raises(TypeError):
        alone(student["function"], 2)
    assert student["offset"] == 1 and "helper" not in student


@pytest.mark.parametrize("make", [lambda s: s["Net"](), lambda s: s["Net"]().forward, lambda s: s["Net"]().__call__])
def test_objects_and_methods_have_global_names_too(student, make):
    assert StandIns(helper=lambda x: 10 * x)(make(student), 2) == 20


def test_a_class_a_partial_and_a_wrapped_function(student):
    alone = StandIns(helper=lambda x: 10 * x)
    assert alone(student["Other"]).made == 10
    assert alone(functools.partial(student["function"], times=3), 1) == 30
    assert alone(functools.lru_cache(student["function"]), 1) == 10


def test_what_has_no_global_names_is_refused():
    with pytest.raises(TypeError, match="no global names"):
        StandIns(helper=abs)(len, [])


# --------------------------------------------------------------------------------- what hidden tests ship


class ShippedEnough(Exception):
    """Ends an experiment before its training begins."""


class Recorder(PlainKernel):
    """Keeps the sources that a test ships."""

    def __init__(self, last: bool):
        self.sources: list[str] = []
        self.last = last

    def ship(self, source, name):
        self.sources.append(textwrap.dedent(source))
        if self.last:
            raise ShippedEnough
        return super().ship(source, name)


def defined(source: str) -> set[str]:
    """Every name that a source binds, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


def under_test(call: str) -> set[str]:
    """The student's objects that a test cell hands to its hidden test."""
    calls = [node for node in ast.walk(ast.parse(call)) if isinstance(node, ast.Call)]
    return {arg.id for node in calls for arg in node.args if isinstance(arg, ast.Name)}


def test_what_a_source_defines_is_found_at_any_depth():
    source = "import math as m\ndef f():\n    class G: pass\n    h = lambda: 1\n    return h"
    assert defined(source) == {"m", "f", "G", "h"}
    assert under_test("from a import b as hidden\n\nhidden.name(Net, loss)\n") == {"Net", "loss"}


# the networks of experiments take long: their tests ship all that they ship before the training
@pytest.mark.parametrize("chapter", ["03_cnn", "08_autoencoders"])
def test_no_source_that_a_test_ships_defines_what_it_tests(chapter):
    solution, shipped = build(chapter), 0
    for cell in (cell for cell in cells_of(chapter) if cell.kind == "test" and cell.hidden):
        side = Recorder(last=".experiment_" in cell.hidden)
        try:
            with using_side(side):
                exec(compile(cell.hidden, cell.id, "exec"), dict(solution))
        except (ShippedEnough, CheckFailed):
            assert side.last
        for source in side.sources:
            assert not defined(source) & under_test(cell.hidden), f"{cell.id} ships what it tests"
        shipped += len(side.sources)
    assert shipped > 20


def test_a_stand_in_comes_without_the_others():
    assert defined(source_of("reparameterize")) == {"torch", "Normal", "kl_divergence", "reparameterize", "tools"}
