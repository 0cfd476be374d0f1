"""Proxies of a student's objects: calls, modules, gradients to any order, callbacks, and what is refused."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from coursekit.failures import CheckFailed

from autograder import testing
from autograder.judge.proxy import Gone, NotByValue, Proxy, StudentError
from autograder.judge.testcell import StudentSide
from autograder.tests.judging import student

CODE = """
import collections, math, numpy as np, torch
from torch import nn

class Point:
    kind = "point"
    __array_ufunc__ = None
    def __init__(self, x, y=2.0):
        self.x, self.y = x, y
    def norm(self): return math.hypot(self.x, self.y)
    def __add__(self, other): return Point(self.x + getattr(other, "x", other), self.y)
    def __radd__(self, other): return Point(other + self.x, self.y)
    def __neg__(self): return Point(-self.x, -self.y)
    def __pow__(self, n): return Point(self.x ** n, self.y)
    def __matmul__(self, other): return ("matmul", other)
    def __rmatmul__(self, other): return ("rmatmul", other)
    def __rmul__(self, other): return Point(other * self.x, self.y)
    def __float__(self): return float(self.x)
    def __enter__(self): return "entered"
    def __exit__(self, *why): self.left = True

class Box:
    def __len__(self): return 2
    def __getitem__(self, key): return ("item", key)

class Small(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(float(n * m)).reshape(m, n) / 10)
        self.bias = nn.Parameter(torch.zeros(m))
    def forward(self, x): return torch.tanh(x @ self.weight.T + self.bias)

class Stack(list):
    def top(self): return self[-1]

class Pair(collections.namedtuple("Pair", "value slope")): pass

def pair(x): return Pair(x * x, [2 * x])
def squares(n): return [i * i for i in range(n)]
def count():
    i = 0
    while True:
        yield i
        i += 1
def same(a, b): return a is b
def fails(kind):
    if kind == "own":
        class OddError(ValueError): pass
        raise OddError("odd")
    raise {"value": ValueError("bad value"), "key": KeyError("k"), "exit": SystemExit(3),
           "open": NotImplementedError(), "unicode": UnicodeDecodeError("utf-8", b"x", 0, 1, "no"),
           "os": FileNotFoundError(2, "no such", "f"), "base": KeyboardInterrupt()}[kind]
"""


@pytest.fixture(scope="module")
def names():
    with student(CODE) as found:
        yield found


def test_values_cross(names):
    assert names["squares"](4) == [0, 1, 4, 9]
    twice = names["np"]  # a trusted name is never the student's
    assert twice is np
    point = names["Point"](3.0, y=4.0)
    assert type(point) is Proxy and point.norm() == 5.0 and point.x == 3.0 and point.kind == "point"
    point.x = 0.0
    assert point.norm() == 4.0
    del point.y
    with pytest.raises(AttributeError):
        point.norm()


def test_operators_run_over_there(names):
    point = names["Point"](3.0)
    assert (point + 1).x == 4.0 and (1 + point).x == 4.0 and (point + point).x == 6.0
    assert (-point).x == -3.0 and (point**2).x == 9.0
    assert point @ 5 == ("matmul", 5) and 5 @ point == ("rmatmul", 5)
    assert (np.float64(2.0) * point).x == 6.0
    side, array = np.arange(2.0) @ point
    assert side == "rmatmul" and array.tolist() == [0, 1]
    box = names["Box"]()
    assert len(box) == 2 and box[1:] == ("item", slice(1, None)) and float(point) == 3.0
    with point as inner:
        assert inner == "entered"
    assert point.left is True


def test_a_class_derived_from_a_list_keeps_its_methods(names):
    names["Stack"]([1, 2])
    with student(CODE + "\nstack = Stack([1, 2])") as other:
        stack = other["stack"]
        assert stack.top() == 2 and list(stack) == [1, 2] and stack[0] == 1


def test_iteration_is_bounded(names, monkeypatch):
    monkeypatch.setattr("autograder.judge.proxy.MAX_ITERATIONS", 50)
    steps = iter(names["count"]())
    assert [next(steps) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(StudentError):
        list(names["count"]())


def test_one_object_stays_one(names):
    array, rng = np.ones(3), np.random.default_rng(0)
    assert names["same"](array, array) is True and names["same"](rng, rng) is True
    assert names["same"](array, array.copy()) is False
    point = names["Point"](1.0)
    assert names["same"](point, point) is True and names["Point"] is names["Point"]


# ------------------------------------------------------------------------------------------------ exceptions


@pytest.mark.parametrize(
    "kind, base, name, text",
    [
        ("value", ValueError, "ValueError", "bad value"),
        ("key", KeyError, "KeyError", "'k'"),
        ("own", ValueError, "OddError", "odd"),
        ("exit", Exception, "SystemExit", "3"),
        ("open", NotImplementedError, "NotImplementedError", ""),
        ("unicode", UnicodeDecodeError, "UnicodeDecodeError", "'utf-8' codec"),
        ("os", FileNotFoundError, "FileNotFoundError", "no such"),
        ("base", Exception, "KeyboardInterrupt", ""),
    ],
)
def test_exceptions_are_those_of_the_student(names, kind, base, name, text):
    with pytest.raises(base) as caught:
        names["fails"](kind)
    error = caught.value
    assert isinstance(error, StudentError) and type(error).__name__ == name and text in str(error)
    assert "In[1]" in error.student_traceback and ", in fails" in error.student_traceback


def test_a_check_reports_the_students_line(names):
    with pytest.raises(CheckFailed) as caught, names["check"]("Exercise 9"):
        names["fails"]("value")
    assert caught.value.outcome == "raised" and "bad value" in str(caught.value)
    assert "raise {" in str(caught.value) and "In[1]" in str(caught.value)


# ------------------------------------------------------------------------------------------------- gradients


def test_gradcheck_of_any_order(names):
    with student("import torch\ndef f(x, y): return torch.sin(x) * y.exp(), (x * y).sum()") as other:
        x = torch.linspace(-1, 1, 3, dtype=torch.float64, requires_grad=True)
        y = torch.linspace(0, 1, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(other["f"], (x, y))
        assert torch.autograd.gradgradcheck(other["f"], (x, y))


def test_a_module_trains_across_the_wire(names):
    module, x = names["Small"](3, 2), torch.linspace(-1, 1, 12).reshape(4, 3)
    loss = module(x).pow(2).sum()
    loss.backward()
    weight, bias = torch.arange(6.0).reshape(2, 3) / 10, torch.zeros(2)
    weight.requires_grad_(), bias.requires_grad_()
    torch.tanh(x @ weight.T + bias).pow(2).sum().backward()
    assert torch.allclose(module.weight.grad, weight.grad) and torch.allclose(module.bias.grad, bias.grad)
    module(x).pow(2).sum().backward()  # gradients add up, over there and here
    assert torch.allclose(module.weight.grad, 2 * weight.grad)
    module.zero_grad()
    assert module.weight.grad is None
    assert [name for name, _ in module.named_parameters()] == ["weight", "bias"]
    module.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.ones(2)})
    assert torch.equal(module.weight, torch.ones(2, 3))
    assert torch.allclose(module(torch.ones(1, 3)), torch.tanh(torch.tensor([[4.0, 4.0]])))
    assert sum(p.numel() for p in module.parameters()) == 8


def test_grad_with_respect_to_parameters_fetched_before_or_after(names):
    module, x = names["Small"](3, 2), torch.ones(1, 3)
    before = list(module.parameters())
    value = module(x).sum()
    after = list(module.parameters())
    grads = torch.autograd.grad(value, before, retain_graph=True)
    again = torch.autograd.grad(value, after)
    assert all(torch.equal(a, b) for a, b in zip(grads, again, strict=True))
    assert module.weight.grad is None  # autograd.grad leaves no trace, as in one process


def test_a_held_parameter_shows_its_gradient(names):
    module = names["Small"](2, 1)
    weight = module.weight
    module(torch.ones(1, 2)).sum().backward()
    first = weight.grad.clone()
    module(torch.ones(1, 2)).sum().backward()
    assert torch.allclose(weight.grad, 2 * first) and torch.allclose(module.weight.grad, 2 * first)


def test_a_named_tuple_arrives_as_a_tuple(names):
    assert names["pair"](3.0) == (9.0, [6.0])


def test_a_held_parameter_keeps_its_gradient_through_the_next_forward(names):
    module = names["Small"](2, 1)
    weight = module.weight
    module(torch.ones(1, 2)).sum().backward()
    first = weight.grad.clone()
    loss = module(torch.ones(1, 2)).sum()
    assert torch.equal(weight.grad, first)
    weight.grad = None  # of this side alone: what comes next is still added over there, once
    loss.backward()
    assert torch.allclose(weight.grad, 2 * first) and torch.allclose(module.weight.grad, 2 * first)


def test_a_link_goes_when_its_test_has_ended():
    with student(CODE) as names:
        link, module = weakref.ref(names.link), names["Small"](3, 2)
        module(torch.ones(1, 3)).sum().backward()
        assert module.weight.grad is not None
        del module, names
    gc.collect()
    assert link() is None


def test_gradient_penalty(names):
    module = names["Small"](3, 1)
    x = torch.linspace(0, 1, 6).reshape(2, 3).requires_grad_()
    (slope,) = torch.autograd.grad(module(x).sum(), x, create_graph=True)
    (slope.norm(dim=1) - 1).pow(2).sum().backward()

    weight, bias = (torch.arange(3.0).reshape(1, 3) / 10).requires_grad_(), torch.zeros(1, requires_grad=True)
    z = x.detach().requires_grad_()
    (own,) = torch.autograd.grad(torch.tanh(z @ weight.T + bias).sum(), z, create_graph=True)
    (own.norm(dim=1) - 1).pow(2).sum().backward()
    assert torch.allclose(module.weight.grad, weight.grad, atol=1e-6)
    assert torch.allclose(module.bias.grad, bias.grad, atol=1e-6)


def test_gradients_pass_through_chains_of_calls(names):
    first, second = names["Small"](3, 3), names["Small"](3, 1)
    x = torch.ones(1, 3, requires_grad=True)
    hidden = first(x * 2)
    second(hidden).sum().backward()
    assert x.grad is not None and first.weight.grad is not None and second.bias.grad is not None


def test_no_grad_holds_over_there(names):
    with torch.no_grad():
        assert not names["Small"](3, 2)(torch.ones(1, 3)).requires_grad


def test_numpys_error_mode_holds_over_there():
    with student("import numpy as np\ndef grow(x): return np.exp(x)") as names:
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            names["grow"](np.array([1e4]))
        with np.errstate(all="ignore"):
            assert np.isinf(names["grow"](np.array([1e4]))).all()


def test_an_input_computed_here_may_be_changed_in_place_there():
    with student("def double_(x):\n    x *= 2\n    return x.sum()") as names:
        x = torch.ones(3, requires_grad=True)
        names["double_"](x * 1).backward()
        assert x.grad.tolist() == [2, 2, 2]


def test_gradients_through_a_callback():
    code = """
import torch
def slope(f, x):
    x = torch.tensor(x, requires_grad=True)
    (grad,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(grad.sum(), x)
    return grad.detach(), second
"""
    with student(code) as names:
        grad, second = names["slope"](lambda x: x**3, [1.0, 2.0])
        assert grad.tolist() == [3.0, 12.0] and second.tolist() == [6.0, 12.0]


def test_graphs_and_handles_are_let_go(names):
    module = names["Small"](2, 2)
    for _ in range(200):
        module(torch.ones(1, 2)).sum().item()
        names["Point"](1.0)
    gc.collect()
    names["squares"](1)
    with student("import gc") as other:  # another process: nothing of this one
        assert other["gc"] is not None
    assert len(names.link.released) < 50


# ------------------------------------------------------------------------------------------------- callbacks


def test_callbacks_are_called_back():
    with student("def twice(f, x): return f(f(x))\ndef hold(f): return [f, f]") as names:
        counted = testing.counted(lambda x: x + 1)
        assert names["twice"](counted, np.arange(2)).tolist() == [2, 3] and counted.calls == 2
        assert names["twice"](np.square, 3) == 81 and names["twice"](torch.relu, torch.ones(1)).item() == 1
        back = names["hold"](counted)
        assert back[0] is counted


def test_a_failing_callback_raises_here_and_tells_little_there():
    code = """
seen = []
def apply(f, x): return f(x)
def swallow(f, x):
    try:
        return f(x)
    except Exception as error:
        seen.append(repr(error))
        return -1
"""

    def secret(x):
        raise ValueError("the answer is 42")

    with student(code) as names:
        with pytest.raises(ValueError, match="the answer is 42"):
            names["apply"](secret, 1)
        assert names["swallow"](secret, 1) == -1
        assert "42" not in names["seen"][0] and "ValueError" in names["seen"][0]


def test_only_functions_of_the_test_can_be_called():
    code = """
import coursekit
def attack(f):
    out = []
    server = f._server
    for number in (1, 7, -1, 10**9):
        other = type(f)(server, number)
        try:
            out.append(other("import os"))
        except BaseException as error:
            out.append(type(error).__name__)
    return out
"""
    with student(code) as names, pytest.raises(Gone):
        names["attack"](lambda x: "called")


def test_callbacks_may_use_handles():
    with student(CODE + "\ndef visit(f): return f(Point(3.0, 4.0))") as names:
        assert names["visit"](lambda point: point.norm() + point.x) == 8.0


def test_endless_mutual_callbacks_end():
    with student("def again(f): return f(f)\n") as names:
        again = names["again"]

        def back(f):
            return again(back)

        with pytest.raises((Gone, RecursionError)):
            again(back)


# ---------------------------------------------------------------------------------------- never a proxy's word

HOSTILE = """
class Always:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __bool__(self): return True
    def __contains__(self, x): return True
    def __array__(self, *a, **k):
        import numpy as np
        return np.array([1.0, 2.0])
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __hash__(self): return hash(3)
    def __index__(self): return 3
    def __instancecheck__(self, other): return True
    def __iter__(self): return iter([Always()] * 3)
    def __repr__(self): return "3.0"
    def __reduce__(self): return (print, ("unpickled",))
x = Always()
"""


def test_nothing_a_class_defines_makes_it_equal_true_or_ordered():
    with student(HOSTILE) as names:
        x = names["x"]
        assert (x == 3) is False and (x != 3) is True and x not in [3, "a"] and {3: 1}.get(x) is None
        assert 3 not in x and repr(x) == "<Always object of the submission>"
        for refused in (
            lambda: bool(x),
            lambda: x < 3,
            lambda: x > 3,
            lambda: x >= 3,
            lambda: np.asarray(x),
            lambda: np.allclose(x, [1.0, 2.0]),
            lambda: [0, 1, 2, 3][x],
            lambda: range(x),
            lambda: complex(x),
            lambda: isinstance(3, x),
        ):
            with pytest.raises((NotByValue, TypeError)):
                refused()
        assert not isinstance(x, int | float | np.ndarray | torch.Tensor)
        with pytest.raises(Exception):  # noqa: B017 (which one is torch's business)
            torch.allclose(x, torch.ones(2))
        with pytest.raises(Exception):  # noqa: B017
            torch.as_tensor(x)


def test_expectations_do_not_take_a_handles_word():
    with student(HOSTILE) as names:
        x = names["x"]
        for claim in (
            lambda e: e.close(x, 3.0, "the value"),
            lambda e: e.equal(x, 3, "the value"),
            lambda e: e.equal(x, [3], "the value"),
            lambda e: e.true(x, "it does not hold"),
            lambda e: e.shape(x, (2,), "the value"),
            lambda e: e.finite(x, "the value"),
        ):
            with pytest.raises(CheckFailed):
                claim(names["check"]("A check"))


def test_tensor_subclasses_and_lying_tensors_are_only_numbers():
    code = """
import torch, numpy as np
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return True
class Sly(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
    def __array_function__(self, *a): return True
    def __array_ufunc__(self, *a, **k): return np.array(True)
liar = torch.zeros(3).as_subclass(Liar)
sly = np.zeros(3).view(Sly)
class Number(float):
    def __eq__(self, other): return True
    def __hash__(self): return 1
number = __builtins__ and Number(0.5)
"""
    with student(code) as names:
        assert type(names["liar"]) is torch.Tensor and names["liar"].tolist() == [0, 0, 0]
        assert type(names["sly"]) is np.ndarray and not (names["sly"] == 1).any()
        assert names["number"] != 3


# ------------------------------------------------------------------------------------- observe, ship, replacing


@pytest.fixture
def beside():
    code = """
import numpy as np, torch, warnings
from torch.autograd import grad as early_grad
from torch.nn.functional import relu as early_relu
def shift_(x):
    x += 1
    print("shifting")
    warnings.warn("careful")
    return x.sum()
def overflow(x): return np.exp(x)
def conv(x): return torch.nn.functional.relu(x)
def early(x): return early_relu(x)
def operation(x): return torch.ops.aten.relu(x)
def replaces(x):
    try:
        return early_relu(x)
    except RuntimeError:
        raise ValueError("refused")
def slope(x):
    x = x.clone().requires_grad_()
    return early_grad((x * x).sum(), x)[0]
def square(x): return x * x
class Tensor:
    def __init__(self, v): self.v = v
def make(v): return Tensor(v)
def forever():
    while True: pass
def reads(x): return x.flags.writeable
"""
    with student(code) as names, testing.using_side(StudentSide(names.link)):
        yield names


def test_observe_sees_inputs_output_and_warnings(beside):
    x = np.arange(3.0)
    seen = testing.observe(beside["shift_"], x)
    assert seen.value == 6.0 and seen.args[0].tolist() == [1, 2, 3] and x.tolist() == [0, 1, 2]
    assert seen.stdout == "shifting\n" and "careful" in seen.warnings[0] and seen.seconds >= 0


def test_observe_options_hold_over_there(beside):
    with pytest.raises(FloatingPointError):
        testing.observe(beside["overflow"], np.array([1e4]), np_errors="raise")
    assert np.isinf(testing.observe(beside["overflow"], np.array([1e4])).value).all()
    with pytest.raises(testing.ForbiddenCall, match="relu"):
        testing.observe(beside["conv"], torch.ones(1), forbidden=("torch.nn.functional.relu",))
    assert beside["conv"](torch.ones(1)).item() == 1
    with pytest.raises(testing.TimeLimitExceeded):
        testing.observe(beside["forever"], time_limit=0.1)


@pytest.mark.parametrize("name", ["early", "operation", "replaces"])
def test_a_forbidden_function_is_met_over_there_under_every_name(beside, name):
    with pytest.raises(testing.ForbiddenCall, match="relu may not be used") as caught:
        testing.observe(beside[name], torch.ones(1), forbidden=("torch.nn.functional.relu", "torch.relu"))
    assert "line" in caught.value.student_traceback and name in caught.value.student_traceback
    assert beside[name](torch.ones(1)).item() == 1


def test_forbidden_gradients_over_there_are_those_of_the_call_alone(beside):
    forbidden = ("torch.autograd.grad", "torch.Tensor.backward", "torch.autograd.backward")
    with pytest.raises(testing.ForbiddenCall, match=r"torch\.autograd\.grad"):
        testing.observe(beside["slope"], torch.ones(2), forbidden=forbidden)
    x = torch.ones(2, requires_grad=True)
    value = testing.observe(beside["square"], x, forbidden=forbidden).value
    assert torch.autograd.grad(value.sum(), x)[0].tolist() == [2, 2]


def test_ship_and_replacing(beside):
    stand_in = testing.ship("\nclass Tensor:\n    def __init__(self, v): self.v = v * 10", "Tensor")
    assert testing.observe(beside["make"], 2, replacing={"Tensor": stand_in}).value.v == 20
    assert beside["make"](2).v == 2
    frozen = testing.ship(
        "\nimport numpy as np\ndef frozen(n):\n    x = np.ones(n)\n    x.flags.writeable = False\n    return _Box(x)\n"
        "class _Box:\n    def __init__(self, x): self.x = x",
        "frozen",
    )
    assert type(frozen(3)) is Proxy
    with pytest.raises(LookupError):
        testing.ship("x = 1", "y")


def test_a_missing_name_is_a_name_error(names):
    with pytest.raises(NameError):
        exec("not_there", names)
    with pytest.raises(NameError):
        exec("def f():\n    return not_there\nf()", names)
    exec("assert sum([1, 2]) == 3", names)  # builtins are the judge's


def test_objects_of_another_copy_are_refused(names):
    with student(CODE) as other, pytest.raises(TypeError):
        names["same"](other["Point"], 1)


def test_what_cannot_cross_says_so(names):
    with pytest.raises(TypeError, match="ship"):
        names["same"](object(), 1)


# ----------------------------------------------------------------------------------------------- ends and limits


def test_an_ended_process_is_gone_and_stays_gone():
    with student("import os\ndef leave(): os._exit(0)\ndef fine(): return 1") as names:
        with pytest.raises(Gone) as caught:
            names["leave"]()
        assert caught.value.outcome == "crashed"
        with pytest.raises(Gone):
            names["fine"]()
        try:
            names["leave"]()
        except Exception:
            pytest.fail("an end must not pass for an exception of the student's code")
        except Gone:
            pass


def test_a_slow_call_is_stopped_where_it_is():
    with student("def slow():\n    while True:\n        i = 1\ndef fine(): return 1") as names:
        with pytest.raises(Gone) as caught:
            names["slow"]()
        assert caught.value.outcome == "time" and "In[1]" in caught.value.message


def test_a_call_that_cannot_be_interrupted_is_stopped():
    with student("def slow(): return sum(range(10**12))") as names:
        with pytest.raises(Gone) as caught:
            names["slow"]()
        assert caught.value.outcome == "time"


def test_a_call_that_only_waits_is_stopped():
    with student("import time\ndef wait():\n    time.sleep(1000)") as names, pytest.raises(Gone) as caught:
        names["wait"]()
    assert caught.value.outcome == "time"
