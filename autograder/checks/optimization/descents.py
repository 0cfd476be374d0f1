"""What drives an optimiser, the student's as well as the oracle, and the update rules written plainly.

The driver runs where the optimiser lives, because an optimiser changes its parameters in place. The rules
are the textbook's, for one parameter at a time; a test of the project compares them with `torch.optim`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from autograder.checks.probe import here
from autograder.testing import observe, ship

FORBIDDEN = (
    "torch.optim.Optimizer.__init__",
    "torch.optim.sgd.sgd",
    "torch.optim.rprop.rprop",
    "torch.optim.adagrad.adagrad",
    "torch.optim.rmsprop.rmsprop",
    "torch.optim.adam.adam",
)

_DRIVER = """
    import torch

    def feed(cls, starts, grads, settings, as_generator, overwrite, rates):
        params = [torch.nn.Parameter(s.detach().clone()) for s in starts]
        addresses = [p.data_ptr() for p in params]
        optimizer = cls((p for p in params) if as_generator else params, **settings)
        paths, kept = [[p.detach().clone()] for p in params], True
        for step, row in enumerate(grads):
            if step in rates:
                if not hasattr(optimizer, "lr"):  # kept under another name: nothing to change from outside
                    return None
                optimizer.lr = rates[step]
            for p, g in zip(params, row):
                if g is not None and overwrite and p.grad is not None:
                    p.grad.copy_(g)
                else:
                    p.grad = None if g is None else g.detach().clone()
            optimizer.step()
            for p, g in zip(params, row):
                kept = kept and (p.grad is None if g is None else p.grad is not None and torch.equal(p.grad, g))
            for p, path in zip(params, paths):
                path.append(p.detach().clone())
        return {
            "paths": [torch.stack(path) for path in paths],
            "grads_kept": kept,
            "in_place": addresses == [p.data_ptr() for p in params],
            "leaves": all(p.requires_grad and p.is_leaf for p in params),
        }

    def rosenbrock(params):
        x, y = params[0]
        return (1 - x) ** 2 + 100 * (y - x ** 2) ** 2

    def network(params):
        W, b, v = params
        x = torch.linspace(-2, 2, 15, dtype=W.dtype).reshape(5, 3)
        target = torch.tensor([0.5, -1.0, 0.3, 0.8, -0.2], dtype=W.dtype)
        return ((torch.tanh(x @ W.T + b) @ v - target) ** 2).mean()

    def bowl(params):
        return (params[0] ** 2 * torch.tensor([1.0, 100.0], dtype=params[0].dtype)).sum() / 2

    PROBLEMS = {"rosenbrock": rosenbrock, "network": network, "bowl": bowl}

    def minimise(cls, problem, starts, settings, steps):
        params = [torch.nn.Parameter(s.detach().clone()) for s in starts]
        optimizer = cls(params, **settings)
        paths = [[p.detach().clone()] for p in params]
        for _ in range(steps):
            optimizer.zero_grad()
            PROBLEMS[problem](params).backward()
            optimizer.step()
            for p, path in zip(params, paths):
                path.append(p.detach().clone())
        return [torch.stack(path) for path in paths]

    def make(cls, settings):
        return type(cls([torch.nn.Parameter(torch.ones(2))], **settings)).__name__

    def tools():
        return feed, minimise, make
"""


class Driver:
    """The student's optimiser class and the rule that it should follow, driven alike."""

    def __init__(self, expect: Any, cls: Any, rule: Callable):
        self.expect = expect
        self.cls = cls
        self.rule = rule
        self._feed, self._minimise, self.make = ship(_DRIVER, "tools")()
        self._own_feed, self._own_minimise, _ = here(_DRIVER, "tools")()

    def feed(self, starts, grads, settings, as_generator=False, overwrite=False, rates=None) -> list | None:
        """The path of every parameter, [steps + 1, ...]; what must hold after any step is checked here.

        `rates`: step to value of the attribute `lr` from then on; None comes where there is no such attribute.
        """
        args = (self.cls, starts, grads, settings, as_generator, overwrite, rates or {})
        seen = observe(self._feed, *args, forbidden=FORBIDDEN, time_limit=20.0).value
        if seen is None:
            return None
        expect = self.expect
        hint = "an operation in place on p.grad (`*=`, `mul_`): the caller's gradient must stay as it was"
        expect.true(seen["grads_kept"], "step() changed the gradients", likely=hint)
        hint = "p.add_(...), p.sub_(...), p -= ..., under torch.no_grad(): not p = p - ..., not p.data = ..."
        expect.true(seen["in_place"], "the parameters have moved in memory: update them in place", likely=hint)
        expect.true(seen["leaves"], "the parameters are no longer leaves that require a gradient", likely=hint)
        return seen["paths"]

    def wanted(self, starts, grads, settings, rates=None) -> list:
        """The paths by the rule."""
        return self._own_feed(self._by_rule, starts, grads, settings, False, False, rates or {})["paths"]

    def minimise(self, problem: str, starts, settings, steps: int) -> list:
        """The paths on a problem whose gradients depend on where the parameters are."""
        args = (self.cls, problem, starts, settings, steps)
        return observe(self._minimise, *args, forbidden=FORBIDDEN, time_limit=20.0).value

    def minimised(self, problem: str, starts, settings, steps: int) -> list:
        """The same by the rule."""
        return self._own_minimise(self._by_rule, problem, starts, settings, steps)

    def _by_rule(self, params, **settings) -> ByRule:
        return ByRule(self.rule, params, settings)


class ByRule:
    """An optimiser made of a rule `rule(state, g, t, **settings) -> increment`."""

    def __init__(self, rule: Callable, params, settings: dict):
        self.rule = rule
        self.params = list(params)
        self.settings = dict(settings)
        self.states: list[dict] = [{} for _ in self.params]

    @property
    def lr(self) -> float:
        """The step size, which a schedule may change."""
        return self.settings["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self.settings["lr"] = value

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One step; a parameter's own steps are counted."""
        for p, state in zip(self.params, self.states, strict=True):
            if p.grad is not None:
                state["t"] = state.get("t", 0) + 1
                p.copy_(p + self.rule(state, p.grad, **self.settings))


def _ema(state: dict, name: str, beta: float, value: torch.Tensor) -> torch.Tensor:
    state[name] = beta * state.get(name, 0.0) + (1 - beta) * value
    return state[name]


def sgd(state, g, lr, momentum=0.0, nesterov=False):
    """In torch's form: the buffer collects gradients, and the step size comes last."""
    buffer = state["buffer"] = momentum * state.get("buffer", 0.0) + g
    return -lr * (g + momentum * buffer if nesterov else buffer)


def rprop(state, g, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    """Signs only; no weight backtracking."""
    size = state.get("size", torch.full_like(g, lr))
    change = torch.sign(g) * state.get("sign", torch.zeros_like(g))
    size = torch.where(change > 0, size * etas[1], torch.where(change < 0, size * etas[0], size))
    state["size"], state["sign"] = size.clamp(*step_sizes), torch.sign(g)
    return -state["size"] * torch.sign(g)


def adagrad(state, g, lr=1e-2, eps=1e-10):
    """The sum of the squares, coordinate by coordinate."""
    state["sum"] = state.get("sum", 0.0) + g * g
    return -lr * g / (state["sum"].sqrt() + eps)


def rmsprop(state, g, lr=1e-2, beta=0.99, eps=1e-8):
    """eps outside of the root."""
    return -lr * g / (_ema(state, "v", beta, g * g).sqrt() + eps)


def adam(state, g, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """Both moments corrected, eps outside of the root."""
    m, v = _ema(state, "m", betas[0], g), _ema(state, "v", betas[1], g * g)
    first, second = 1 - betas[0] ** state["t"], 1 - betas[1] ** state["t"]
    return -lr * (m / first) / (v.sqrt() / math.sqrt(second) + eps)
