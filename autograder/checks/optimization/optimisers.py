"""Exercise 8: the optimisers, against their update rules and against facts about their paths."""

from __future__ import annotations

import math

import torch
from coursekit.checking import hidden

from autograder.checks.optimization import descents
from autograder.checks.optimization.descents import Driver

# Fifty steps of float64; a rounding error is not amplified by more than a few powers of ten.
_CLOSE = {"rtol": 1e-9, "atol": 1e-11}
_F64 = torch.float64
_STEPS = 50


def _draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=_F64)


def _tensors(*values) -> list[torch.Tensor]:
    return [torch.tensor(value, dtype=_F64) for value in values]


def _row(*values) -> list:
    """The gradients of one step, a list for each parameter."""
    return [None if value is None else torch.tensor(value, dtype=_F64) for value in values]


def _text(settings: dict) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "defaults"


def _steps(path: torch.Tensor) -> torch.Tensor:
    return path[1:] - path[:-1]


def _compare(expect, got, want, hint: str, close=_CLOSE) -> None:
    for number, (path, right) in enumerate(zip(got, want, strict=True), 1):
        expect.finite(path, f"parameter {number} of {len(want)}")
        expect.close(path[1], right[1], f"parameter {number} after the first step", likely=hint, **close)
        expect.close(path, right, f"the path of parameter {number}", likely=hint, **close)


def _problems(expect, driver: Driver, settings: dict, hint: str, rate: float) -> None:
    """A small network with three parameters, and Rosenbrock's valley with a step size that suits it."""
    starts = [_draw(81, 4, 3), _draw(82, 4), _draw(83, 4)]
    expect.case(f"{_STEPS} steps on a small network, {_text(settings)}")
    got = driver.minimise("network", starts, settings, _STEPS)
    _compare(expect, got, driver.minimised("network", starts, settings, _STEPS), hint)
    settings = {**settings, "lr": rate}
    expect.case(f"{_STEPS} steps on Rosenbrock's function from (-1.2, 1), {_text(settings)}")
    start = _tensors([-1.2, 1.0])
    got = driver.minimise("rosenbrock", start, settings, _STEPS)
    _compare(expect, got, driver.minimised("rosenbrock", start, settings, _STEPS), hint)


def _rules(expect, driver: Driver, settings: dict, hint: str, own_clock: bool = False) -> None:
    """What the text asks of every optimiser, whatever its formula.

    `own_clock`: whether steps are counted for each parameter or for all may differ, so a parameter that got
    no gradient at some step is not compared in numbers.
    """
    starts = [_draw(84, 2, 3), _draw(85, 4), _draw(86)]
    full = [[_draw(10 * i + j, *s.shape) for j, s in enumerate(starts)] for i in range(9)]

    expect.case(f"three parameters of shape (2, 3), (4,) and (), {_text(settings)}")
    want = driver.wanted(starts, full, settings)
    state = f"{hint}; every parameter has a state of its own"
    _compare(expect, driver.feed(starts, full, settings), want, state)
    expect.case("the parameters come as a generator, as model.parameters() does")
    once = "a generator can be walked through once: super().__init__(params) has done it, use self.params"
    got = driver.feed(starts, full, settings, as_generator=True)
    _compare(expect, got, want, once)
    expect.case("every gradient is written into the tensor that held the last one")
    kept = "p.grad is overwritten by the next backward: keep a copy of what you need, not the tensor itself"
    _compare(expect, driver.feed(starts, full, settings, overwrite=True), want, kept)
    expect.case("float32 parameters")
    single = [s.float() for s in starts], [[g.float() for g in row] for row in full]
    got = driver.feed(*single, settings)
    expect.dtype(got[0], torch.float32, "the parameters")
    _compare(expect, got, want, hint, {"rtol": 1e-4, "atol": 1e-5})

    expect.case("parameter 1 never gets a gradient, parameter 2 none at steps 1, 2 and 5")
    sparse = [[None, row[1] if i not in (0, 1, 4) else None, row[0], row[2]] for i, row in enumerate(full)]
    starts = [_draw(87, 2), starts[1], starts[0], starts[2]]
    got, want = driver.feed(starts, sparse, settings), driver.wanted(starts, sparse, settings)
    skipped = "`if p.grad is None: continue`, and nothing of this parameter changes, its state included"
    expect.equal(got[0], want[0], "parameter 1, which must not move", likely=skipped)
    for step in (0, 1, 4):
        what = f"parameter 2 before and after step {step + 1}"
        expect.equal(got[1][step + 1], got[1][step], what, likely=skipped)
    later = "a parameter without a gradient is skipped, and those behind it still take their step"
    for number in (3, 4):
        what = f"the path of parameter {number}, which always has a gradient"
        expect.close(got[number - 1], want[number - 1], what, likely=later, **_CLOSE)
    if own_clock:
        expect.finite(got[1], "parameter 2")
        moved = (got[1][3] - got[1][2]).sign()
        expect.equal(moved, -sparse[2][1].sign(), "the direction of the first step of parameter 2")
    else:
        expect.close(got[1], want[1], "the path of parameter 2", likely=skipped, **_CLOSE)

    expect.case("gradients of zero, then of one")
    zero = [_row([0.0, 0.0])] * 3 + [_row([1.0, 0.0])] * 2
    start = _tensors([1.0, 2.0])
    got, want = driver.feed(start, zero, settings), driver.wanted(start, zero, settings)
    expect.finite(got[0], "the parameters", likely="0 / 0: add eps to the denominator")
    _compare(expect, got, want, hint)


def _rates(expect, driver: Driver, settings: dict) -> None:
    expect.case("the attribute lr is changed after 3 and after 6 steps, as a schedule does")
    start, grads = _tensors([0.5, -0.5]), [[_draw(i, 2)] for i in range(9)]
    changes = {3: 0.5, 6: 0.02}
    got = driver.feed(start, grads, settings, rates=changes)
    want = driver.wanted(start, grads, settings, rates=changes)
    if got is not None:
        hint = "store the step size as self.lr and read it in every step"
        expect.close(got[0], want[0], "the path", likely=hint, **_CLOSE)


def _defaults(expect, driver: Driver, settings: dict) -> None:
    """Large gradients, beside which eps vanishes."""
    expect.case(f"default settings{' but ' + _text(settings) if settings else ''}")
    start, grads = _tensors([0.5, -0.5]), [[1e4 * _draw(i, 2)] for i in range(12)]
    got, want = driver.feed(start, grads, settings), driver.wanted(start, grads, settings)
    hint = "the defaults of the exercise's signature"
    expect.close(got[0], want[0], "the path", likely=hint, **_CLOSE)


def _settings(expect, driver: Driver, bad: list[dict], good: list[dict]) -> None:
    for settings in bad:
        expect.case(_text(settings))
        expect.raises(ValueError, driver.make, driver.cls, settings, what="these settings are refused")
    for settings in good:
        expect.case(f"{_text(settings)}, which is allowed")
        driver.make(driver.cls, settings)


# --- SGD ----------------------------------------------------------------------------------------------------

_HEAVY = "v = momentum * v - lr * g from v = 0, then theta + v: no factor (1 - momentum)"


def sgd_momentum(SGD):
    """Hidden test of `SGD(params, lr, momentum=0.0)`."""
    with hidden("Exercise 8: SGD with momentum") as expect:
        driver = Driver(expect, SGD, descents.sgd)
        expect.case("momentum 0.9, lr 0.1, the first step for the gradient (2, -3)")
        path = driver.feed(_tensors([1.0, 1.0]), [_row([2.0, -3.0])], {"lr": 0.1, "momentum": 0.9})[0]
        what = "the first step, which is that of plain descent"
        expect.close(path[1], [0.8, 1.3], what, likely=_HEAVY, **_CLOSE)
        expect.case("a constant gradient, momentum 0.9, 300 steps")
        path = driver.feed(_tensors([0.0]), [_row([2.0])] * 300, {"lr": 0.01, "momentum": 0.9})[0]
        limit = "the last step, against lr * g / (1 - momentum)"
        expect.close(_steps(path)[-1], [-0.2], limit, rtol=1e-6, likely=_HEAVY)
        expect.case("condition number 100 from (1, 1), the best momentum and step size")
        root = math.sqrt(100.0)
        settings = {"lr": (2 / (1 + root)) ** 2, "momentum": ((root - 1) / (root + 1)) ** 2}
        path = driver.minimise("bowl", _tensors([1.0, 1.0]), settings, 120)[0]
        sizes = path.norm(dim=1) / path[0].norm()
        reached = bool((sizes <= 1e-6).any()) and int((sizes <= 1e-6).double().argmax()) <= 100
        hint = "plain descent needs 691 steps here, momentum less than 100"
        expect.true(reached, "the error is not a millionth after 100 steps", likely=hint)
        for settings in ({"lr": 0.1}, {"lr": 0.1, "momentum": 0.9}, {"lr": 0.05, "momentum": 0.5}):
            _problems(expect, driver, settings, _HEAVY, 2e-4)
            _rules(expect, driver, settings, _HEAVY)
        bad = [{"lr": -0.1}, {"lr": -1e-9, "momentum": 0.5}]
        bad += [{"lr": 0.1, "momentum": m} for m in (-0.1, 1.0, 1.5)]
        _settings(expect, driver, bad, [{"lr": 0.0}, {"lr": 0.1, "momentum": 0.0}, {"lr": 0.1, "momentum": 0.99}])
        expect.case("lr = 0")
        got = driver.feed(_tensors([1.0]), [_row([2.0])] * 3, {"lr": 0.0, "momentum": 0.9})[0]
        expect.equal(got, torch.ones(4, 1), "the path")


def sgd_nesterov(SGD):
    """Hidden test of `SGD(params, lr, momentum, nesterov=True)`."""
    hint = "psi - mu * v_old + (1 + mu) * v_new, with v_new = mu * v_old - lr * g as in the heavy ball"
    with hidden("Exercise 8: Nesterov momentum") as expect:
        driver = Driver(expect, SGD, descents.sgd)
        expect.case("lr 0.1, momentum 0.9, the first step for the gradient 1")
        settings = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
        path = driver.feed(_tensors([0.0]), [_row([1.0])] * 300, settings)[0]
        what = "the first step, which is (1 + momentum) times that of plain descent"
        expect.close(_steps(path)[0], [-0.19], what, likely=hint, **_CLOSE)
        expect.case("a constant gradient, lr 0.1, momentum 0.9, 300 steps")
        what = "the last step, against lr * g / (1 - momentum)"
        expect.close(_steps(path)[-1], [-1.0], what, rtol=1e-6, likely=hint)
        for settings in ({"lr": 0.1, "momentum": 0.9}, {"lr": 0.05, "momentum": 0.5}):
            settings = {**settings, "nesterov": True}
            _problems(expect, driver, settings, hint, 2e-4)
            _rules(expect, driver, settings, hint)
        bad = [{"lr": 0.1, "nesterov": True}, {"lr": 0.1, "momentum": 0.0, "nesterov": True}]
        _settings(expect, driver, bad, [{"lr": 0.1, "momentum": 0.01, "nesterov": True}])


def rprop(Rprop):
    """Hidden test of `Rprop(params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0))`."""
    hint = (
        "the size times 1.2 if this gradient and the last agree in sign, times 0.5 if not, as it was if one of "
        "them is 0 or missing; clamp it; then always step by -size * sign(g)"
    )
    with hidden("Exercise 8: Rprop") as expect:
        driver = Driver(expect, Rprop, descents.rprop)

        def test(case: str, values, settings=None) -> None:
            expect.case(f"{case}, {_text(settings or {})}")
            grads, start = [_row([float(v)]) for v in values], _tensors([0.0])
            got = driver.feed(start, grads, settings or {})
            _compare(expect, got, driver.wanted(start, grads, settings or {}), hint)

        test("gradients of one sign and of any size", [3, 1e-9, 1e6, 2, 5, 1e-9])
        test("gradients of one negative sign", [-3, -0.5, -7])
        test("one change of sign", [1, 1, -1, -1, -1])
        test("signs that alternate", [1, -1, 1, -1, 1, -1])
        test("gradients that are 0 now and then", [1, 1, 0, 1, 1, 0, -1, -1])
        test("the size grows up to its bound", [1] * 12, {"step_sizes": (1e-6, 0.05)})
        test("the size shrinks down to its bound", [1, -1] * 6, {"step_sizes": (2e-3, 50.0)})
        test("60 steps: the default upper bound", [1] * 60)
        test("20 changes of sign: the default lower bound", [1, -1] * 10)
        test("other factors", [1, 1, -1, 1, 1, 1], {"lr": 0.3, "etas": (0.25, 1.5)})
        for settings in ({"lr": 0.05}, {"lr": 0.02, "etas": (0.4, 1.3), "step_sizes": (0.005, 0.03)}):
            _problems(expect, driver, settings, hint, settings["lr"])
            _rules(expect, driver, settings, hint)
        _settings(expect, driver, [{"lr": -0.1}], [{"lr": 0.0}])


def adagrad(Adagrad):
    """Hidden test of `Adagrad(params, lr=1e-2, eps=1e-10)`."""
    hint = "s = s + g^2 first, coordinate by coordinate; then theta - lr * g / (sqrt(s) + eps)"
    with hidden("Exercise 8: AdaGrad") as expect:
        driver = Driver(expect, Adagrad, descents.adagrad)
        expect.case("a constant gradient (3, -0.01), lr = 0.1")
        path = driver.feed(_tensors([0.0, 0.0]), [_row([3.0, -0.01])] * 20, {"lr": 0.1})[0]
        t = torch.arange(1, 21, dtype=_F64)
        want = 0.1 / t.sqrt()
        what = "the sizes of the steps of coordinate {}, lr / sqrt(t)"
        expect.close(-_steps(path)[:, 0], want, what.format(0), rtol=1e-6, likely=hint)
        expect.close(_steps(path)[:, 1], want, what.format(1), rtol=1e-6, likely=hint)
        for eps in (None, 1e-10, 1e-6):
            settings = {"lr": 1.0} if eps is None else {"lr": 1.0, "eps": eps}
            expect.case(f"gradients of the order of eps, {_text(settings)}")
            start, grads = _tensors([0.0, 0.0]), [_row([eps or 1e-10, -3 * (eps or 1e-10)])] * 4
            got, want = driver.feed(start, grads, settings), driver.wanted(start, grads, settings)
            _compare(expect, got, want, "sqrt(s) + eps: eps outside of the root, 1e-10 by default")
        for settings in ({"lr": 0.1}, {"lr": 0.02, "eps": 1e-3}):
            _problems(expect, driver, settings, hint, settings["lr"])
            _rules(expect, driver, settings, hint)
        _rates(expect, driver, {"lr": 0.1})
        _defaults(expect, driver, {})
        _settings(expect, driver, [{"lr": -0.1}], [{"lr": 0.0}])


# Where eps stands is a point of its own: here it is too small to matter.
_TINY = 1e-20


def rmsprop(RMSprop):
    """Hidden test of `RMSprop(params, lr=1e-2, beta=0.99, eps=1e-8)`, but for the place of eps."""
    hint = "v = beta * v + (1 - beta) * g^2 first, from v = 0; then theta - lr * g / (sqrt(v) + eps)"
    with hidden("Exercise 8: RMSprop") as expect:
        driver = Driver(expect, RMSprop, descents.rmsprop)
        expect.case("beta = 0, gradients 3, -0.01, 1000")
        settings = {"lr": 0.1, "beta": 0.0, "eps": _TINY}
        path = driver.feed(_tensors([0.0]), [_row([v]) for v in (3.0, -0.01, 1e3)], settings)[0]
        what = "the steps, which are lr times the sign"
        expect.close(_steps(path)[:, 0], [-0.1, 0.1, -0.1], what, likely=hint, **_CLOSE)
        expect.case("a constant gradient (5, -0.2), beta = 0.9, 300 steps")
        settings = {"lr": 0.1, "beta": 0.9, "eps": _TINY}
        path = driver.feed(_tensors([0.0, 0.0]), [_row([5.0, -0.2])] * 300, settings)[0]
        what = "the last step, which is lr in size"
        expect.close(_steps(path)[-1], [-0.1, 0.1], what, rtol=1e-6, likely=hint)
        expect.case("200 cycles of nine gradients of 0.1 and one of -0.9, beta = 0.99, lr = 1")
        cycle = [_row([0.1])] * 9 + [_row([-0.9])]
        path = driver.feed(_tensors([0.0]), cycle * 200, {"lr": 1.0, "beta": 0.99, "eps": _TINY})[0][:, 0]
        drift = abs(path[-1] - path[-11]).item()
        what = f"the drift in the last cycle is {drift:.2g} lr, and must be below 0.1 lr"
        expect.true(drift < 0.1, what, likely=hint)
        for settings in ({"lr": 0.1}, {"lr": 0.01, "beta": 0.9}, {"lr": 0.05, "beta": 0.5}):
            settings = {**settings, "eps": _TINY}
            _problems(expect, driver, settings, hint, settings["lr"])
            _rules(expect, driver, settings, hint)
        _rates(expect, driver, {"lr": 0.1, "eps": _TINY})
        _defaults(expect, driver, {})
        bad = [{"lr": -0.1}, {"beta": -0.1}, {"beta": 1.0}, {"beta": 1.5}]
        _settings(expect, driver, bad, [{"lr": 0.0}, {"beta": 0.0}, {"beta": 0.999}])


def _eps(expect, driver: Driver, settings: dict, hint: str) -> None:
    for scale in (1e-9, 1e-8, 1e-6):
        for eps in (None, 1e-8, 1e-3):
            options = settings if eps is None else {**settings, "eps": eps}
            expect.case(f"gradients of the order of {scale:g}, {_text(options)}")
            start, grads = _tensors([0.0, 0.0]), [_row([scale, -2 * scale])] * 3 + [_row([0.5 * scale, scale])]
            got, want = driver.feed(start, grads, options), driver.wanted(start, grads, options)
            _compare(expect, got, want, hint, {"rtol": 1e-9, "atol": 1e-14})


def rmsprop_eps(RMSprop):
    """Hidden test of the place of eps in RMSprop."""
    with hidden("Exercise 8: where eps stands in RMSprop") as expect:
        driver = Driver(expect, RMSprop, descents.rmsprop)
        hint = "sqrt(v) + eps, eps outside of the root, 1e-8 by default"
        _eps(expect, driver, {"lr": 1.0, "beta": 0.5}, hint)


def adam(Adam):
    """Hidden test of `Adam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)`, but for the place of eps."""
    hint = (
        "m and v are updated first; m / (1 - beta1^t) and v / (1 - beta2^t) correct both, with t = 1 at the first "
        "step, counted once a call of step()"
    )
    with hidden("Exercise 8: Adam") as expect:
        driver = Driver(expect, Adam, descents.adam)
        expect.case("a constant gradient (3, -0.01, 1000), lr = 0.1, 100 steps")
        settings = {"lr": 0.1, "eps": _TINY}
        path = driver.feed(_tensors([0.0, 0.0, 0.0]), [_row([3.0, -0.01, 1e3])] * 100, settings)[0]
        steps = _steps(path)
        what = "the first step, which is lr in every coordinate"
        expect.close(steps[0], [-0.1, 0.1, -0.1], what, rtol=1e-7, likely=hint)
        what = "the sizes of all steps, each of them lr"
        expect.close(steps.abs(), torch.full((100, 3), 0.1), what, rtol=1e-7, likely=hint)
        for settings in ({"lr": 0.1}, {"lr": 0.01, "betas": (0.5, 0.9)}, {"lr": 0.05, "betas": (0.0, 0.99)}):
            settings = {**settings, "eps": _TINY}
            _problems(expect, driver, settings, hint, settings["lr"])
            _rules(expect, driver, settings, hint, own_clock=True)
        _rates(expect, driver, {"lr": 0.1, "eps": _TINY})
        _defaults(expect, driver, {})
        bad = [{"lr": -0.1}, *({"betas": (a, b)} for a, b in ((-0.1, 0.9), (1.0, 0.9), (0.9, -0.1), (0.9, 1.0)))]
        _settings(expect, driver, [*bad, {"betas": (1.5, 0.9)}], [{"lr": 0.0}, {"betas": (0.0, 0.0)}])


def adam_eps(Adam):
    """Hidden test of the place of eps in Adam."""
    with hidden("Exercise 8: where eps stands in Adam") as expect:
        driver = Driver(expect, Adam, descents.adam)
        hint = "sqrt(v_hat) + eps: outside of the root, added after the correction, 1e-8 by default"
        _eps(expect, driver, {"lr": 1.0, "betas": (0.5, 0.75)}, hint)
