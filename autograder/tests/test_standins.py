"""Trying one function alone: what it calls is replaced during the call, and only then."""

from __future__ import annotations

import functools

import pytest
from coursekit.standins import StandIns

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
