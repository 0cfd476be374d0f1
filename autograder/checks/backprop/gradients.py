"""Exercise 1: numerical derivatives."""

from __future__ import annotations

import numpy as np
from coursekit.checking import hidden

from autograder.testing import counted, observe, ship

# What has to share memory or flags with the student's arrays cannot be sent by value.
_LAYOUTS = """
    import numpy as np

    def first_row_view(x):
        return x.reshape(-1)[1:2].reshape(())   # no copy: shares memory with x

    def head_view(x):
        return x[:2]

    def with_read_only(fn, f, x):
        x = np.array(x)
        x.flags.writeable = False
        return fn(f, x)

    def with_transposed(fn, f, x):
        return fn(f, np.array(x).T)

    def tools():
        return first_row_view, head_view, with_read_only, with_transposed
"""

# A fourth-order stencil stands in for the student's own numerical_grad while check_grad is tested.
_STENCIL = """
    import numpy as np

    def numerical_grad(f, x, h=None, scheme="central"):
        x = np.asarray(x, dtype=np.float64)
        grad = np.zeros(x.shape)
        for i in np.ndindex(x.shape):
            step = np.zeros(x.shape)
            step[i] = 1e-3 * max(1.0, abs(float(x[i])))
            near = float(f(x + step)) - float(f(x - step))
            far = float(f(x + 2 * step)) - float(f(x - 2 * step))
            grad[i] = (8 * near - far) / (12 * step[i])
        return grad
"""


def _quadratic(rng: np.random.Generator, n: int):
    """A quadratic function of n variables with values of order 1, and its gradient."""
    a, b = rng.normal(size=(n, n)), rng.normal(size=n)
    return (lambda x: float(x @ a @ x + b @ x)), (lambda x: (a + a.T) @ x + b)


def numerical_grad(student):
    """Hidden test of `numerical_grad(f, x, h=None, scheme="central")`."""
    first_row_view, _, with_read_only, with_transposed = ship(_LAYOUTS, "tools")()
    rng = np.random.default_rng(201)
    with hidden("Exercise 1: numerical gradient") as expect:
        # For a quadratic all error terms of the central difference vanish: what is left is rounding,
        # about 1e-16 / 0.1 times the size of f, far below 1e-9.
        expect.case("a quadratic function of 5 variables, scheme='central', h=0.1")
        f, gradient = _quadratic(rng, 5)
        x = rng.uniform(-0.9, 0.9, size=5)
        got = student(f, x.copy(), h=0.1, scheme="central")
        expect.close(
            got,
            gradient(x),
            "the central difference of a quadratic function, exact but for rounding",
            rtol=0,
            atol=1e-9,
            likely="(f(x + h) - f(x - h)) / (2h), one component of x at a time, the others untouched",
        )

        _orders(expect, student, rng)
        _shapes(expect, student, rng)
        _steps(expect, student)
        for scheme, base in (("central", 6e-6), ("forward", 1.5e-8)):
            _default_steps(expect, student, f"scheme={scheme!r}, ", base, scheme=scheme)

        expect.case("x = (1, 2, 3) as an integer array")
        probe = counted(lambda z: float((np.asarray(z, dtype=np.float64) ** 3).sum()))
        got = student(probe, np.array([1, 2, 3]))
        hint = "an integer array cannot hold 1.000006: convert x to float64 before you perturb it"
        expect.close(got, [3.0, 12.0, 27.0], "the gradient at integers", rtol=1e-7, likely=hint)
        floats = all(dtype is not None and dtype.startswith("float") for dtype in probe.dtypes)
        expect.true(floats, "f was called with an integer array although x has to be perturbed", likely=hint)

        expect.case("f returns a view of its argument")
        got = student(first_row_view, np.array([0.5, -1.5, 2.0]))
        expect.close(
            got,
            [0.0, 1.0, 0.0],
            "the gradient of f(x) = x[1] where f returns a view and not a number of its own",
            likely="f(x + h) changed with x after f had returned: turn it into a float at once, "
            "or give f a fresh array each time",
        )

        expect.case("x is read-only, shape (2, 3)")
        x = rng.normal(size=(2, 3))
        got = with_read_only(student, lambda z: float((z**2).sum()), x)
        expect.close(got, 2 * x, "the gradient at a read-only array", likely="work on a copy of x")

        expect.case("x is the transpose of another array, so not contiguous")
        got = with_transposed(student, lambda z: float((z**2).sum()), x)
        hint = (
            "reshape(-1) and ravel() copy an array that is not contiguous: the perturbation never reached f"
        )
        expect.close(got, 2 * x.T, "the gradient at a non-contiguous array", likely=hint)

        _refusals(expect, student)


def _orders(expect, student, rng):
    x = rng.uniform(-0.9, 0.9, size=4)
    f = lambda z: float(np.exp(z).sum())
    errors = {}
    for scheme in ("central", "forward"):
        for h in (1e-2, 5e-3):
            expect.case(f"f = sum(exp(x)), scheme={scheme!r}, h={h:g}")
            got = student(f, x.copy(), h=h, scheme=scheme)
            expect.shape(got, (4,), "the gradient")
            expect.finite(got, "the gradient")
            errors[scheme, h] = np.abs(np.asarray(got) - np.exp(x))
    for scheme, factor, slack in (("central", 4.0, 0.2), ("forward", 2.0, 0.1)):
        expect.case(f"f = sum(exp(x)), scheme={scheme!r}, h = 0.01 and 0.005")
        with np.errstate(all="ignore"):
            ratio = errors[scheme, 1e-2] / errors[scheme, 5e-3]
        expect.true(
            np.abs(ratio - factor) <= slack,
            f"halving h must divide the error of the {scheme} difference by about {factor:.0f}",
            likely="central: (f(x+h) - f(x-h)) / 2h, forward: (f(x+h) - f(x)) / h, with the h of the caller",
        )
    # (exp(x+h) - exp(x)) / h in closed form; rounding is 1e-16 / h
    expect.case("f = sum(exp(x)), scheme='forward', h=0.01")
    want = np.exp(x) * np.expm1(1e-2) / 1e-2
    got = student(f, x.copy(), h=1e-2, scheme="forward")
    expect.close(got, want, "the forward difference", rtol=1e-10, likely="forward steps to x + h, not x - h")


def _shapes(expect, student, rng):
    for shape in ((), (3,), (2, 3), (2, 1, 2)):
        n = int(np.prod(shape, dtype=int))
        x, w = rng.normal(size=shape), rng.normal(size=shape)
        for scheme, calls, rtol in (("central", 2 * n, 1e-7), ("forward", n + 1, 1e-5)):
            expect.case(f"x of shape {shape}, scheme={scheme!r}, default h")
            f = counted(lambda z, w=w: float((w * np.sin(z)).sum() + (z * z).sum() ** 2))
            seen = observe(student, f, x, scheme=scheme)
            want = w * np.cos(x) + 4 * (x * x).sum() * x
            expect.shape(seen.value, shape, "the gradient")
            # central: 1e-16 / 6e-6 = 2e-11 and h^2 = 4e-11; forward: 1e-16 / 1.5e-8 and h, both about 1e-8
            expect.close(seen.value, want, "the gradient", rtol=rtol, atol=rtol)
            expect.dtype(seen.value, np.float64, "the gradient")
            expect.equal(
                seen.args[1], x, "x after the call", likely="x was perturbed and not restored: work on a copy"
            )
            expect.true(
                all(came == shape for came in f.shapes),
                "f was called with an array of another shape than x",
                likely="f wants the whole array with one entry perturbed, not a flattened one or one entry",
            )
            expect.true(
                f.calls == calls,
                f"f was called {f.calls} times for {n} component(s) of x, not {calls} times",
                likely="central: twice per component; forward: once per component and once for f(x)",
            )


def _steps(expect, student):
    """The default step: relative for |x| > 1, absolute below; measured by what it does to the error."""
    for x, scheme, rtol in ((2.0e6, "central", 1e-6), (2.0e6, "forward", 1e-4)):
        expect.case(f"f = log|x| at {x:g} and {-x:g}, scheme={scheme!r}, default h")
        for point in (x, -x):
            got = student(lambda z: float(np.log(np.abs(z)).sum()), np.array([point]), scheme=scheme)
            hint = "scale the default h by max(1, |x_i|): 6e-6 is lost in the rounding of a large x"
            expect.close(got, [1 / point], "the gradient at a large x", rtol=rtol, atol=0, likely=hint)
    for scheme, atol in (("central", 1e-9), ("forward", 1e-6)):
        expect.case(f"f = sum(exp(x)) at x = (0, 1e-3, -1e-3), scheme={scheme!r}, default h")
        x = np.array([0.0, 1e-3, -1e-3])
        got = student(lambda z: float(np.exp(z).sum()), x.copy(), scheme=scheme)
        hint = "scale the default h by max(1, |x_i|): a step of 0 or nearly 0 leaves only rounding"
        expect.close(got, np.exp(x), "the gradient near 0", rtol=0, atol=atol, likely=hint)


def _default_steps(expect, student, scheme_words, base, **options):
    """How far f was moved from x by default: base * max(1, |x_i|), seen from the arguments of f."""
    for value in (0.5, -1.5, 40.0, -40.0):
        expect.case(f"x = {value:g}, {scheme_words}default h")
        distances = []

        def f(z, value=value, distances=distances):
            distances.append(abs(float(np.asarray(z)[0]) - value))
            return np.asarray(z) ** 2 if not options else float(np.asarray(z)[0]) ** 2

        student(f, np.array([value]), **options)
        moved = max(distances, default=0.0)
        want = base * max(1.0, abs(value))
        # x + h is rounded: a relative error of the distance of 1e-16 |x| / h, at most 1e-8 |x| for h = 1.5e-8
        hint = f"the default h is {base:g} * max(1, |x_i|), to either side of x for the central difference"
        expect.true(
            abs(moved / want - 1) < 1e-3, f"f was called at a distance of {moved:.3g} from x", likely=hint
        )


def _refusals(expect, student):
    f, x = (lambda z: float(z.sum())), np.array([1.0, 2.0])
    for name in ("backward", "Central", ""):
        expect.case(f"scheme={name!r}")
        expect.raises(ValueError, student, f, x, scheme=name, what="an unknown scheme is refused")
    for h in (0.0, -1e-3):
        for scheme in ("central", "forward"):
            expect.case(f"h={h:g}, scheme={scheme!r}")
            expect.raises(ValueError, student, f, x, h=h, scheme=scheme, what="a step h <= 0 is refused")
    expect.case("f returns an array of shape (2,)")
    for scheme in ("central", "forward"):
        what = "a function that does not return a scalar is refused"
        expect.raises(ValueError, student, lambda z: z * 2.0, x, scheme=scheme, what=what)


def numerical_jacobian(student):
    """Hidden test of `numerical_jacobian(f, x[n], h=None) -> [m, n]`."""
    _, head_view, with_read_only, _ = ship(_LAYOUTS, "tools")()
    rng = np.random.default_rng(202)
    with hidden("Exercise 1: numerical Jacobian") as expect:
        expect.case("f(x) = A x with A of shape (2, 5)")
        a, x = rng.normal(size=(2, 5)), rng.normal(size=5)
        seen = observe(student, lambda z: a @ z, x)
        hint = "row j belongs to output j, column i to input i: [m, n]"
        expect.shape(seen.value, (2, 5), "the Jacobian", likely=hint)
        # a linear map has no truncation error; rounding is 1e-16 / 6e-6
        expect.close(seen.value, a, "the Jacobian of a linear map", rtol=0, atol=1e-8)
        expect.equal(seen.args[1], x, "x after the call", likely="work on a copy of x")

        maps = {
            "f(x) = (x0 x1, sin x2), n = 3, m = 2": (
                lambda z: np.array([z[0] * z[1], np.sin(z[2])]),
                lambda z: np.array([[z[1], z[0], 0.0], [0.0, 0.0, np.cos(z[2])]]),
                3,
            ),
            "f(x) = (x^2, exp(x), 3), n = 1, m = 3": (
                lambda z: np.array([z[0] ** 2, np.exp(z[0]), 3.0]),
                lambda z: np.array([[2 * z[0]], [np.exp(z[0])], [0.0]]),
                1,
            ),
            "f(x) = (sum of x^3), n = 4, m = 1": (
                lambda z: np.array([(z**3).sum()]),
                lambda z: 3 * z[None] ** 2,
                4,
            ),
        }
        for case, (f, jacobian, n) in maps.items():
            expect.case(case)
            x = rng.uniform(0.5, 1.5, size=n)
            probe = counted(f)
            got = student(probe, x.copy())
            expect.shape(got, jacobian(x).shape, "the Jacobian", likely=hint)
            expect.close(got, jacobian(x), "the Jacobian", rtol=1e-7, atol=1e-8)
            expect.dtype(got, np.float64, "the Jacobian")
            expect.true(
                all(shape == (n,) for shape in probe.shapes), "f was called with something not of shape (n,)"
            )

        # the central error of exp is h^2/6 exp: a given h must be used, and to second order
        expect.case("f = exp(x), h = 0.01 and 0.005")
        x = rng.uniform(-0.9, 0.9, size=3)
        error = []
        for h in (1e-2, 5e-3):
            got = student(lambda z: np.exp(z), x.copy(), h=h)
            expect.shape(got, (3, 3), "the Jacobian")
            error.append(np.abs(np.diagonal(np.asarray(got)) - np.exp(x)))
        with np.errstate(all="ignore"):
            ratio = error[0] / error[1]
        expect.true(
            np.abs(ratio - 4.0) <= 0.2,
            "halving h must divide the error by about 4",
            likely="use the central difference with the h of the caller",
        )

        for x in (2.0e6, -2.0e6):
            expect.case(f"f = log|x| at x = {x:g}, default h")
            got = student(lambda z: np.log(np.abs(z)), np.array([x]))
            hint = "scale the default h by max(1, |x_i|)"
            expect.close(got, [[1 / x]], "the Jacobian at a large x", rtol=1e-6, atol=0, likely=hint)
        _default_steps(expect, student, "", 6e-6)

        expect.case("x = (1, 2) as an integer array")
        got = student(lambda z: np.asarray(z) ** 2.0, np.array([1, 2]))
        hint = "convert x to float64 before you perturb it"
        expect.close(got, [[2.0, 0.0], [0.0, 4.0]], "the Jacobian at integers", likely=hint)

        expect.case("f returns a view of its argument")
        got = student(head_view, np.array([1.0, 2.0, 3.0]))
        hint = "f(x + h) changed with x after f had returned: copy it, or give f a fresh array each time"
        expect.close(got, np.eye(2, 3), "the Jacobian of f(x) = x[:2]", likely=hint)

        expect.case("f returns a list of two numbers")
        got = student(lambda z: [float(z[0] * z[1]), float(z[1])], np.array([3.0, 2.0]))
        expect.close(
            got, [[2.0, 3.0], [0.0, 1.0]], "the Jacobian", likely="turn what f returns into an array"
        )

        expect.case("x is read-only")
        got = with_read_only(student, lambda z: z[:1] * z[1:], np.array([2.0, 5.0]))
        expect.close(got, [[5.0, 2.0]], "the Jacobian at a read-only x", likely="work on a copy of x")
        for h in (0.0, -1e-3):
            expect.case(f"h={h:g}")
            what = "a step h <= 0 is refused"
            expect.raises(ValueError, student, lambda z: z, np.array([1.0, 2.0]), h=h, what=what)


def check_grad(rel_error, student):
    """Hidden test of `rel_error(a, b)` and `check_grad(f, grad_f, x, tol=1e-6)`."""
    stencil = ship(_STENCIL, "numerical_grad")
    rng = np.random.default_rng(203)
    with hidden("Exercise 1: relative error and gradient check") as expect:
        for shape in ((4,), (2, 3), ()):
            expect.case(f"rel_error, random arrays of shape {shape}")
            a, b = rng.normal(size=shape), rng.normal(size=shape)
            want = np.max(np.abs(a - b) / np.maximum(np.abs(a) + np.abs(b), 1e-8))
            hint = "the largest |a_i - b_i| / max(|a_i| + |b_i|, 1e-8) over all entries"
            seen = observe(rel_error, a, b, np_errors="raise")
            expect.close(seen.value, want, "the relative error", rtol=1e-12, atol=0, likely=hint)
            expect.close(
                rel_error(b, a), want, "the relative error with a and b exchanged", rtol=1e-12, atol=0
            )
            expect.equal(seen.args[0], a, "a after the call")
            expect.equal(seen.args[1], b, "b after the call")
        cases = {
            "equal arrays": ([1.0, -2.0, 1e6], [1.0, -2.0, 1e6], 0.0),
            "both arrays all zero": ([0.0, 0.0], [0.0, 0.0], 0.0),
            "one bad entry of five": ([1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 3.0, 1.0, 1.0], 0.5),
            "opposite signs": ([2.0, 1.0], [-2.0, 1.0], 1.0),
            "b is zero, a is not": ([4.0], [0.0], 1.0),
            "both far below the floor 1e-8": ([3e-12], [1e-12], 2e-4),
            "a large and a small entry, the small one wrong": ([1e3, 1e-3], [1e3, 3e-3], 0.5),
        }
        for case, (a, b, want) in cases.items():
            expect.case(f"rel_error, {case}")
            for left, right in ((a, b), (b, a)):
                got = observe(rel_error, np.array(left), np.array(right), np_errors="raise").value
                hint = "take the maximum over the entries, with the floor 1e-8 under |a_i| + |b_i|"
                expect.close(got, want, "the relative error", rtol=1e-12, atol=1e-300, likely=hint)
        expect.case("rel_error of two lists, one of whole numbers")
        for left, right in (([1, 3], [1.0, 1.0]), ([1.0, 1.0], [1, 3])):
            expect.close(rel_error(left, right), 0.5, "the relative error", rtol=1e-12, atol=0, likely=hint)

        # Gradients whose components differ by 1e4 in size; the small one alone is wrong by 1 %.
        scale = np.array([1e2, 1.0, 1e-2])
        f = lambda x: float((scale * np.sin(x)).sum())
        right = lambda x: scale * np.cos(x)
        x = np.array([0.3, -0.5, 0.8])

        def verdict(gradient, f=f, **tolerance):
            # the exercise on numerical_grad is tested elsewhere: an error there costs nothing here
            got = observe(student, f, gradient, x, replacing={"numerical_grad": stencil}, **tolerance)
            expect.equal(got.args[2], x, "x after the call")
            expect.true(isinstance(got.value, bool | np.bool_), "check_grad must return True or False")
            return bool(got.value)

        expect.case("check_grad, the right gradient, components between 0.01 and 100")
        expect.true(verdict(right), "the right gradient was refused")
        for i in range(3):
            expect.case(f"check_grad, component {i} of 3 wrong by 1 %")
            wrong = lambda x, i=i: right(x) * np.where(np.arange(3) == i, 1.01, 1.0)
            hint = "compare entry by entry with rel_error: an average hides one bad component"
            expect.true(not verdict(wrong), "a wrong gradient was accepted", likely=hint)
            # 1.01 against 1 is a relative error of 0.01 / 2.01 = 0.005
            expect.true(verdict(wrong, tol=0.02), "with tol=0.02 an error of 0.5 % must pass")
            expect.true(not verdict(wrong, tol=0.002), "with tol=0.002 an error of 0.5 % must not pass")
        expect.case("check_grad, the gradient with the wrong sign")
        expect.true(not verdict(lambda x: -right(x)), "a gradient of the wrong sign was accepted")
        expect.case("check_grad, a gradient wrong by 1e-4, default tol")
        hint = "the default tolerance is 1e-6"
        expect.true(not verdict(lambda x: right(x) * 1.0001), "a wrong gradient was accepted", likely=hint)
        # |0 - 1| / (0 + 1) without any rounding
        expect.case("check_grad, f constant, grad_f all ones, tol=1: a relative error of exactly 1")
        hint = "the gradient passes if rel_error(...) < tol, not if both are equal"
        passed = verdict(np.ones_like, f=lambda x: 0.0, tol=1.0)
        expect.true(not passed, "an error as large as tol was accepted", likely=hint)
