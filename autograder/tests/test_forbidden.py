"""Forbidden functions are met under every name, and what is not forbidden works as before."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder import checks
from autograder.checks import batch_norm, probe
from autograder.checks.backprop.programs import NO_TORCH_AUTOGRAD
from autograder.checks.cnn.backward import AUTOGRAD
from autograder.checks.cnn.convolution import FORBIDDEN as CONVOLUTION
from autograder.checks.cnn.pooling import FORBIDDEN as POOLING
from autograder.checks.optimization.descents import FORBIDDEN as OPTIMISERS
from autograder.checks.optimization.initialisation import FORBIDDEN as INITIALISERS
from autograder.checks.optimization.losses import FORBIDDEN as LOSSES
from autograder.forbidden import SAME_WORK, ForbiddenCall, banned, by_name_only
from autograder.testing import observe

# As at the top of a cell: bound before anything is forbidden.
conv2d, max_pool2d, log_softmax, batch_normed = F.conv2d, F.max_pool2d, F.log_softmax, F.batch_norm
torch_softmax, softmax_method, logsumexp = torch.softmax, torch.Tensor.softmax, torch.special.logsumexp
grad, backward, backward_method = torch.autograd.grad, torch.autograd.backward, torch.Tensor.backward
vjp, kaiming = torch.func.vjp, torch.nn.init.kaiming_normal_
adam = importlib.import_module("torch.optim.adam").adam
convolution, convolution_overload = torch.ops.aten.convolution, torch.ops.aten.convolution.default
Normal = torch.distributions.Normal
layer, pool = torch.nn.Conv2d(3, 2, 3), torch.nn.MaxPool2d(2)

X = torch.linspace(-1, 1, 2 * 3 * 5 * 4).reshape(2, 3, 5, 4)
W = torch.linspace(0, 1, 2 * 3 * 3 * 3).reshape(2, 3, 3, 3)
PLAIN = (None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)


def slope(differentiate):
    x = torch.ones(3, requires_grad=True)
    return differentiate((x * x).sum(), x)


WRONG = {
    "by its own name": (lambda: F.conv2d(X, W), CONVOLUTION),
    "bound early": (lambda: conv2d(X, W), CONVOLUTION),
    "from the module of C": (lambda: torch._C._VariableFunctions.conv2d(X, W), CONVOLUTION),
    "in a partial of another's keyword": (lambda: (lambda x, by=conv2d: by(x, W))(X), CONVOLUTION),
    "an operation": (lambda: torch.ops.aten.conv2d(X, W), CONVOLUTION),
    "the operation below": (lambda: convolution(X, W, *PLAIN), CONVOLUTION),
    "an overload": (lambda: convolution_overload(X, W, *PLAIN), CONVOLUTION),
    "a layer made before": (lambda: layer(X), CONVOLUTION),
    "fold": (lambda: torch._C._nn.col2im(torch.ones(1, 4, 9), [4, 4], [2, 2], [1, 1], [0, 0], [1, 1]), CONVOLUTION),
    "within no_grad": (lambda: torch.no_grad()(lambda: conv2d(X, W))(), CONVOLUTION),
    "within inference mode": (lambda: torch.inference_mode()(lambda: conv2d(X, W))(), CONVOLUTION),
    "a Python function of torch": (lambda: max_pool2d(X, 2), POOLING),
    "with indices": (lambda: torch._C._nn.max_pool2d_with_indices(X, [2, 2]), POOLING),
    "a pool made before": (lambda: pool(X), POOLING),
    "a function that is a method too": (lambda: torch_softmax(X, 1), LOSSES),
    "a method": (lambda: X.log_softmax(1), LOSSES),
    "a method bound to its tensor": (lambda: (lambda f=X.log_softmax: f(1))(), LOSSES),
    "a method of the class": (lambda: softmax_method(X, 1), LOSSES),
    "of torch.special": (lambda: logsumexp(X, 1), LOSSES),
    "of functional": (lambda: log_softmax(X, dim=1), LOSSES),
    "softmax's operation": (lambda: torch.ops.aten._log_softmax(X, 1, False), LOSSES),
    "batch norm of functional": (lambda: batch_normed(X, None, None, training=True), batch_norm.FORBIDDEN),
    "batch norm's operation": (
        lambda: torch.ops.aten.native_batch_norm(X, None, None, None, None, True, 0.1, 1e-5),
        batch_norm.FORBIDDEN,
    ),
    "gradients": (lambda: slope(grad), NO_TORCH_AUTOGRAD),
    "backward": (lambda: slope(lambda y, x: backward(y)), NO_TORCH_AUTOGRAD),
    "backward of a tensor": (lambda: slope(lambda y, x: backward_method(y)), NO_TORCH_AUTOGRAD),
    "what calls autograd inside": (lambda: vjp(torch.sin, X)[1](X), NO_TORCH_AUTOGRAD),
    "a transform": (lambda: vjp(torch.sin, X), AUTOGRAD),
    "an initialiser": (lambda: kaiming(torch.empty(3, 4)), INITIALISERS),
    "a function behind a wrapper": (lambda: adam([], [], [], [], [], []), OPTIMISERS),
    "a class": (lambda: Normal(0.0, 1.0), ("torch.distributions.Normal",)),
    "numpy by its own name": (lambda: np.einsum("i->", np.ones(3)), ("numpy.einsum",)),
}


@pytest.mark.parametrize("way", WRONG)
def test_a_forbidden_function_is_met_and_works_again_afterwards(way):
    call, names = WRONG[way]
    with pytest.raises(ForbiddenCall, match=r"may not be used in this exercise"):
        observe(call, forbidden=names)
    if way != "a function behind a wrapper":  # Adam of nothing is an error of its own
        call()


def test_a_function_of_a_helper_module_is_met(tmp_path, monkeypatch):
    (tmp_path / "my_helpers.py").write_text(
        "from torch.nn.functional import conv2d as c\ndef f(x, w):\n    return c(x, w)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    helpers = importlib.import_module("my_helpers")
    with pytest.raises(ForbiddenCall):
        observe(helpers.f, X, W, forbidden=CONVOLUTION)
    assert helpers.f(X, W).shape == (2, 2, 3, 2)


def honest_convolution(x, w):
    columns = F.unfold(x, w.shape[2:])
    y = torch.einsum("nkl,ok->nol", columns, w.flatten(1))
    return F.relu(y.unflatten(2, (3, 2))) + 0 * F.pad(x, (0, 0, 0, 0)).mean()


def honest_pooling(x, w):
    windows = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    maxima = torch.cat([windows.max(-1).values, windows.amax(-1)])
    return maxima + F.avg_pool2d(x, 2).sum() + F.linear(x, w[0, 0, :, :1].T @ w[0, 0, :, :1] * torch.ones(4, 4)).sum()


def honest_loss(x, w):
    z = x - x.amax(1, keepdim=True)
    return (torch.logaddexp(z, -z) + torch.log1p(z.exp().sum(1, keepdim=True)) - F.softplus(z)).sigmoid().norm()


def honest_gradient(x, w):
    with torch.inference_mode():
        return x.clone().mul_(2) + torch.from_numpy(np.asarray(x)) @ torch.ones(4, 4)


@pytest.mark.parametrize(
    "function, names",
    [
        (honest_convolution, CONVOLUTION),
        (honest_pooling, POOLING),
        (honest_loss, LOSSES),
        (honest_loss, batch_norm.FORBIDDEN),
        (honest_gradient, AUTOGRAD + NO_TORCH_AUTOGRAD),
    ],
)
def test_what_is_not_forbidden_gives_the_same_numbers_and_gradients(function, names):
    torch.manual_seed(0)
    expected = function(X, W)
    torch.manual_seed(0)
    assert torch.equal(observe(function, X, W, forbidden=names).value, expected)
    x = X.clone().requires_grad_()
    y = observe(function, x, W, forbidden=names).value
    assert y.requires_grad == (function is not honest_gradient)


def test_an_imported_function_that_is_never_called_costs_nothing():
    space = {}
    exec("from torch.nn.functional import conv2d\nfrom torch.autograd import grad\ndef f(x):\n    return x + 1", space)
    assert observe(space["f"], 1, forbidden=CONVOLUTION + AUTOGRAD).value == 2


def test_a_forbidden_call_is_reported_although_another_exception_replaces_it():
    def sly(x):
        try:
            return conv2d(x, W)
        except RuntimeError:
            raise ValueError("no such shape") from None

    with pytest.raises(ForbiddenCall) as caught:
        observe(sly, X, forbidden=CONVOLUTION)
    assert "sly" in [entry.name for entry in caught.traceback]  # the line can be named
    with pytest.raises(ValueError, match="no such shape"):
        observe(sly, X[0, 0], forbidden=POOLING)


def test_gradients_of_the_test_itself_are_not_forbidden():
    with hidden("Exercise") as expect:
        run = probe.Probe(expect, lambda x: x * x, "x", forbidden=AUTOGRAD + CONVOLUTION)
        assert torch.equal(run(X, wrt=(0,)).grads[0], 2 * X)


def test_everything_is_restored_after_an_exception():
    before = F.max_pool2d.__code__, torch.autograd.grad.__code__, torch.autograd.grad.__kwdefaults__
    with pytest.raises(ZeroDivisionError), banned(POOLING + AUTOGRAD):
        raise ZeroDivisionError
    with banned(AUTOGRAD), banned(AUTOGRAD), pytest.raises(ForbiddenCall):
        slope(grad)
    assert (F.max_pool2d.__code__, grad.__code__, grad.__kwdefaults__) == before
    assert F.conv2d is conv2d and torch.equal(slope(grad)[0], torch.full((3,), 2.0))


def forbidden_names():
    """Every name that a hidden test forbids."""
    names = set()
    for found in pkgutil.walk_packages(checks.__path__, "autograder.checks."):
        module = importlib.import_module(found.name)
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.keyword) and node.arg == "forbidden":
                names |= set(_value(node.value, module))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if any(word in name for word in ("FORBIDDEN", "AUTOGRAD", "_HERE")):
                    names |= set(getattr(module, name))
    return sorted(names)


def _value(node, module):
    try:
        return eval(compile(ast.Expression(node), "<forbidden>", "eval"), vars(module))
    except NameError:  # a parameter or attribute that hands the names on
        return ()


def test_every_name_that_the_checks_forbid_is_met_under_any_other_name():
    names = forbidden_names()
    assert len(names) > 90 and "coursekit.shapes.pair_overlap" in names
    assert [name for name in names if by_name_only(name)] == []
    assert by_name_only("numpy.einsum") and not by_name_only("torch.nn.Conv2d.forward")


def test_every_operation_of_the_table_exists():
    known = {name.split("::")[1].split(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    listed = {operation for operations in SAME_WORK.values() for operation in operations}
    assert listed <= known, listed - known
