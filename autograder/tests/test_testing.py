"""observe, ship, counted in a plain kernel, and that each of them hands over where a proxy asks for it."""

from __future__ import annotations

import functools
import threading
import time
import warnings

import numpy as np
import pytest
import torch

from autograder.testing import (
    ForbiddenCall,
    Observation,
    PlainKernel,
    TimeLimitExceeded,
    counted,
    current_side,
    observe,
    ship,
    time_limit,
    using_side,
)

# ------------------------------------------------------------------------------------------------- observe


def test_inputs_after_the_call_show_what_was_changed_and_the_callers_arrays_are_untouched():
    def scribble(x, *, y):
        x += 1.0
        y["w"][0] = 7.0
        return x.sum()

    x, y = np.zeros(3), {"w": np.zeros(2)}
    seen = observe(scribble, x, y=y)
    assert seen.value == 3.0
    assert seen.args[0].tolist() == [1.0, 1.0, 1.0]
    assert seen.kwargs["y"]["w"].tolist() == [7.0, 0.0]
    assert x.tolist() == [0.0, 0.0, 0.0] and y["w"].tolist() == [0.0, 0.0]


def test_one_object_given_twice_stays_one_object():
    x, rng = np.zeros(3), np.random.default_rng(0)
    assert observe(lambda a, b: a is b[0], x, [x]).value
    assert not observe(lambda a, b: a is b, x, x.copy()).value
    assert observe(lambda a, *, b: a is b, rng, b=rng).value


def test_a_generator_goes_by_its_state():
    rng = np.random.default_rng(5)
    seen = observe(lambda g: g.random(), rng)
    assert seen.value == np.random.default_rng(5).random() == rng.random()
    again = np.random.default_rng(5)
    again.random()
    assert seen.args[0].random() == again.random()


def test_torch_values_are_copied_with_their_gradient_flag():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.full((2,), 3.0)

    def touch(t):
        with torch.no_grad():
            t.mul_(5.0)
        return t.requires_grad, t.grad.sum().item()

    seen = observe(touch, x)
    assert seen.value == (True, 6.0)
    assert seen.args[0].tolist() == [5.0, 5.0] and x.tolist() == [1.0, 1.0]
    gen = torch.Generator().manual_seed(3)
    first = observe(lambda g: torch.rand(1, generator=g).item(), gen).value
    assert first == torch.rand(1, generator=gen).item()


def test_stdout_and_warnings_are_reported_and_not_shown(capsys):
    def noisy():
        print("hello")
        warnings.warn("careful", UserWarning, stacklevel=1)
        return 1

    seen = observe(noisy)
    assert seen.stdout == "hello\n" and seen.warnings == ["UserWarning: careful"] and seen.seconds >= 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("argument", [1000.0, np.inf])
def test_numpy_errors_are_ignored_warned_of_or_raised(argument):
    def naive(x):
        e = np.exp(np.float64(x))
        return e / e

    assert observe(naive, argument).warnings == []
    assert any("RuntimeWarning" in w for w in observe(naive, argument, np_errors="warn").warnings)
    with pytest.raises(FloatingPointError):
        observe(naive, argument, np_errors="raise")


def test_underflow_never_raises():
    assert observe(lambda: np.exp(np.float64(-1000.0)), np_errors="raise").value == 0.0


def test_an_unknown_error_mode_is_refused():
    with pytest.raises(ValueError, match="np_errors"):
        observe(lambda: 1, np_errors="explode")


def test_forbidden_names_raise_during_the_call_and_work_again_after_it():
    before = np.einsum
    with pytest.raises(ForbiddenCall, match=r"numpy\.einsum"):
        observe(lambda a: np.einsum("i->", a), np.ones(3), forbidden=("numpy.einsum",))
    assert np.einsum is before
    assert observe(lambda a: np.einsum("i->", a), np.ones(3)).value == 3.0


def test_a_forbidden_call_is_reported_although_the_code_swallows_it():
    def sly(x):
        try:
            return torch.nn.functional.relu(x)
        except Exception:
            return x.clamp(min=0)

    with pytest.raises(ForbiddenCall, match="relu"):
        observe(sly, torch.ones(2), forbidden=("torch.nn.functional.relu",))


def test_a_forbidden_inherited_method_is_restored_by_removal():
    own = "sum" in vars(torch.Tensor)
    with pytest.raises(ForbiddenCall):
        observe(lambda t: t.sum(), torch.ones(2), forbidden=("torch.Tensor.sum",))
    assert ("sum" in vars(torch.Tensor)) == own and torch.ones(2).sum() == 2


def test_a_misspelt_forbidden_name_is_an_error():
    with pytest.raises(LookupError, match="einsumm"):
        observe(lambda: 1, forbidden=("numpy.einsumm",))


def test_an_endless_loop_ends():
    def forever():
        while True:
            pass

    start = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match=r"0\.2 s"):
        observe(forever, time_limit=0.2)
    assert time.monotonic() - start < 20


def test_an_endless_loop_that_swallows_every_interrupt_is_reported():
    def stubborn():
        for _ in range(3):
            try:
                while True:
                    pass
            except BaseException:
                continue

    with pytest.raises(TimeLimitExceeded):
        observe(stubborn, time_limit=0.1)


def test_nested_limits_the_tighter_one_wins_and_the_outer_one_goes_on():
    def sleepy():
        while True:
            time.sleep(0.01)

    with pytest.raises(TimeLimitExceeded, match=r"0\.3 s"), time_limit(0.3):
        with pytest.raises(TimeLimitExceeded, match=r"0\.1 s"):
            observe(sleepy, time_limit=0.1)
        observe(sleepy, time_limit=60)


def test_off_the_main_thread_the_limit_is_measured():
    caught = []

    def run():
        try:
            observe(time.sleep, 0.05, time_limit=0.01)
        except TimeLimitExceeded as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(caught) == 1


SOURCE = """
class Tool:
    def use(self):
        return "own"

def call():
    return Tool().use()

def lookup():
    return LATE

class Worker:
    def work(self):
        return Tool().use()
"""


class Replacement:
    def use(self):
        return "replaced"


@pytest.mark.parametrize("kind", ["function", "method", "class", "partial"])
def test_global_names_are_replaced_during_the_call_only(kind):
    space: dict = {}
    exec(SOURCE, space)
    fn = {
        "function": space["call"],
        "method": space["Worker"]().work,
        "class": space["Worker"],
        "partial": functools.partial(space["call"]),
    }[kind]
    value = observe(fn, replacing={"Tool": Replacement}).value
    assert (value.work() if kind == "class" else value) == ("own" if kind == "class" else "replaced")
    assert space["Tool"] is not Replacement and space["call"]() == "own"


def test_a_replaced_name_that_did_not_exist_is_gone_afterwards():
    space: dict = {}
    exec(SOURCE, space)
    assert observe(space["lookup"], replacing={"LATE": 5}).value == 5
    with pytest.raises(NameError):
        space["lookup"]()
    with pytest.raises(TypeError, match="no global names"):
        observe(len, [1], replacing={"x": 1})


def test_an_exception_of_the_observed_code_comes_through_and_everything_is_restored():
    def fails(x):
        raise KeyError("inside")

    before = np.geterr()
    with pytest.raises(KeyError, match="inside"):
        observe(fails, 1, np_errors="raise", forbidden=("numpy.einsum",), time_limit=5)
    assert np.geterr() == before and np.einsum("i->", np.ones(2)) == 2


def test_a_proxy_gets_the_whole_call():
    class Proxy:
        def __observe__(self, args, kwargs, options):
            return Observation(value=(args, kwargs, options))

    args, kwargs, options = observe(
        Proxy(), 1, k=2, np_errors="raise", forbidden=("numpy.einsum",), time_limit=3, replacing={"T": 4}
    ).value
    assert (args, kwargs) == ((1,), {"k": 2})
    assert options == {
        "np_errors": "raise",
        "forbidden": ("numpy.einsum",),
        "time_limit": 3,
        "replacing": {"T": 4},
    }


# ---------------------------------------------------------------------------------------------------- ship


@pytest.mark.parametrize("source", ["def f(x):\n    return 2 * x\n", "\n    def f(x):\n        return 2 * x\n    "])
def test_shipped_source_may_begin_with_code_or_be_indented(source):
    assert ship(source, "f")(3) == 6


def test_shipped_code_runs_in_a_namespace_of_its_own():
    identity = ship(
        """
        import numpy as np

        def same(x):
            return np.asarray(x) is x
        """,
        "same",
    )
    assert identity(np.ones(2)) and not identity([1.0])
    with pytest.raises(LookupError, match="nothing_here"):
        ship("x = 1", "nothing_here")


def test_ship_goes_to_the_side_in_force():
    class Elsewhere:
        def ship(self, source, name):
            return f"{name} over there"

    assert isinstance(current_side(), PlainKernel)
    with using_side(Elsewhere()) as side:
        assert current_side() is side
        assert ship("x = 1", "x") == "x over there"
    assert ship("x = 1", "x") == 1


# ------------------------------------------------------------------------------------------------- counted


def test_counted_counts_calls_and_notes_shapes_and_dtypes():
    f = counted(lambda x: float(np.sum(x)))
    assert [f(np.ones((2, 3))), f(np.array(4)), f(2.5), f([1, 2])] == [6.0, 4.0, 2.5, 3.0]
    assert f.calls == 4
    assert f.shapes == [(2, 3), (), (), (2,)]
    assert f.dtypes[:3] == ["float64", "int64", "float64"]
    nothing = counted(lambda: 1)
    assert nothing() == 1 and nothing.calls == 1 and nothing.shapes == [None]
