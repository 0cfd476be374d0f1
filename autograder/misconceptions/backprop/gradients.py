"""Wrong answers to exercise 1: numerical derivatives."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_grad = wrongs_of("ex1-numerical-grad")
_jacobian = wrongs_of("ex1-numerical-jacobian")
_check = wrongs_of("ex1-check-grad")

_IN_PLACE = """
def numerical_grad(f, x, h=None, scheme="central"):
    if scheme not in ("central", "forward") or (h is not None and h <= 0):
        raise ValueError("bad scheme or step")
    x = np.asarray(x, dtype=np.float64)
    grad = np.zeros(x.shape)
    at_x = f(x)
    if np.size(at_x) != 1:
        raise ValueError("f must return one number")
    at_x = float(at_x)
    for i in np.ndindex(x.shape):
        scale = max(1.0, abs(x[i]))
        old = x[i]
        step = h or (6e-6 if scheme == "central" else 1.5e-8) * scale
        x[i] = old + step
        plus = f(x)
        if scheme == "forward":
            grad[i] = (plus - at_x) / step
        else:
            x[i] = old - step
            grad[i] = (plus - f(x)) / (2 * step)
        RESTORE
    return grad
"""

_FLATTENED = """
def numerical_grad(f, x, h=None, scheme="central"):
    if scheme not in ("central", "forward") or (h is not None and h <= 0):
        raise ValueError("bad scheme or step")

    def value(point):
        out = np.asarray(f(point))
        if out.size != 1:
            raise ValueError("f must return one number")
        return float(out.reshape(()))

    work = np.array(x, dtype=np.float64)
    flat = work.reshape(-1)
    grad = np.zeros(flat.size)
    at_x = value(work) if scheme == "forward" else 0.0
    for i in range(flat.size):
        old, scale = flat[i], max(1.0, abs(flat[i]))
        step = h or (6e-6 if scheme == "central" else 1.5e-8) * scale
        flat[i] = old + step
        plus = value(work)
        flat[i] = old - step
        grad[i] = (plus - at_x) / step if scheme == "forward" else (plus - value(work)) / (2 * step)
        flat[i] = old
    return grad.reshape(work.shape)
"""

MISCONCEPTIONS = [
    _grad(
        "perturbs-in-place",
        code=_IN_PLACE.replace("RESTORE", "pass"),
        says="one component of x at a time",
        hint="The perturbation of one component is still in x when the next one is measured (and in the "
        "caller's "
        "array afterwards). Restore x[i], or start every component from a fresh copy.",
    ),
    _grad(
        "restores-the-callers-array",
        code=_IN_PLACE.replace("RESTORE", "x[i] = old"),
        says="f was called",
        hint="f(x) is evaluated although the central difference does not need it, and the caller's own "
        "array is "
        "written to: a read-only x fails, and so does a function that returns a view of x.",
    ),
    _grad(
        "flattens-a-copy-that-is-no-view",
        code=_FLATTENED,
        says="reshape(-1)",
        hint="reshape(-1) of an array that is not contiguous is a copy: what you write into it never "
        "reaches f.",
    ),
    _grad(
        "keeps-integers",
        ("x = np.array(x, dtype=np.float64)", "x = np.array(x)"),
        says="an integer array cannot hold",
        hint="In an integer array 1 + 6e-6 is stored as 1, so the difference is 0. Convert x to float64 "
        "first.",
    ),
    _grad(
        "central-divided-by-h",
        ("(2 * step)", "step"),
        says="(f(x + h) - f(x - h)) / (2h), one component of x at a time, the",
        hint="The two points of the central difference are 2h apart, so that is what you divide by.",
    ),
    _grad(
        "forward-for-central",
        (
            "minus[i] -= step\n            grad[i] = (value(plus) - value(minus)) / (2 * step)",
            "grad[i] = (value(plus) - value(minus)) / step",
        ),
        says="(f(x + h) - f(x - h)) / (2h), one component of x at a time, the",
        hint="scheme='central' asks for (f(x + h) - f(x - h)) / 2h; this is the forward difference, with "
        "an error "
        "of order h.",
    ),
    _grad(
        "backward-for-forward",
        (
            "plus[i] += step\n            grad[i] = (value(plus) - at_x) / step",
            "minus[i] -= step\n            grad[i] = (at_x - value(minus)) / step",
        ),
        says="the forward difference",
        hint="This is the backward difference (f(x) - f(x - h)) / h: as good in general, but not what was "
        "asked.",
    ),
    _grad(
        "perturbs-a-whole-row",
        (
            "plus[i] += step\n            minus[i] -= step",
            "plus[i[:1]] += step\n            minus[i[:1]] -= step",
        ),
        says="x of shape (2, 3)",
        hint="x[i] with one index of a table is a whole row. Loop over all index tuples (np.ndindex), one "
        "entry "
        "at a time.",
    ),
    _grad(
        "step-not-scaled",
        ("scale = max(1.0, abs(x[i]))", "scale = 1.0"),
        says="scale the default h",
        hint="At x = 2 000 000 a step of 6e-6 drowns in the rounding of x. The default step grows with |x|.",
    ),
    _grad(
        "step-proportional-to-x",
        ("max(1.0, abs(x[i]))", "abs(x[i])"),
        says="default h",
        hint="With h proportional to |x| the step is 0 at x = 0. The scale is max(1, |x_i|).",
    ),
    _grad(
        "scale-without-absolute-value",
        ("max(1.0, abs(x[i]))", "max(1.0, x[i])"),
        says="scale the default h",
        hint="The size of x counts, not its sign: max(1, |x_i|).",
    ),
    _grad(
        "evaluates-f-at-x-every-time",
        ("(value(plus) - at_x) / step", "(value(plus) - value(x.copy())) / step"),
        says="f was called",
        hint="f(x) is the same for all components: evaluate it once. A forward gradient costs n + 1 "
        "calls, not 2n.",
    ),
    _grad(
        "accepts-a-negative-step",
        ("h is not None and h <= 0", "h is not None and h == 0"),
        says="a step h <= 0 is refused",
        hint="A negative step is as meaningless as a step of 0: refuse both with ValueError.",
    ),
    _jacobian(
        "transposed",
        ("axis=1)", "axis=0)"),
        says="row j belongs to output j, column i to input i: [m, n]",
        hint="What comes back when x_i moves is column i of J: outputs are rows, inputs are columns.",
    ),
    _jacobian(
        "divided-by-h",
        ("(2 * step)", "step"),
        says="the Jacobian of a linear map",
        hint="The two points of the central difference are 2h apart.",
    ),
    _jacobian(
        "forward-difference",
        ("minus[i] -= step\n", "\n"),
        ("(2 * step)", "step"),
        says="the Jacobian",
        hint="This is the forward difference, with an error of order h; the exercise asks for the central "
        "one.",
    ),
    _jacobian(
        "sums-the-outputs",
        ("np.atleast_1d(difference)", "np.atleast_1d(difference.sum())"),
        says="row j belongs to output j, column i to input i: [m, n]",
        hint="You computed the gradient of the sum of all outputs. Keep the outputs apart: one row each.",
    ),
    _jacobian(
        "ignores-the-given-step",
        ("6e-6 * max(1.0, abs(x[i])) if h is None else h", "6e-6 * max(1.0, abs(x[i]))"),
        says="with the h of the caller",
        hint="When the caller gives h, use it; the default is only for h=None.",
    ),
    _jacobian(
        "step-not-scaled",
        ("6e-6 * max(1.0, abs(x[i]))", "6e-6"),
        says="scale the default h",
        hint="For large |x| a fixed step of 6e-6 drowns in rounding: multiply it by max(1, |x_i|).",
    ),
    _jacobian(
        "keeps-a-view",
        (
            "plus, minus = x.copy(), x.copy()\n        plus[i] += step\n        minus[i] -= step\n"
            "        difference = np.asarray(f(plus)) - np.asarray(f(minus))",
            "old = x[i]\n        x[i] = old + step\n        above = np.asarray(f(x))\n"
            "        x[i] = old - step\n"
            "        difference = above - np.asarray(f(x))\n        x[i] = old",
        ),
        says="after f had returned",
        hint="f may return a part of its argument; when you change x afterwards, the stored value changes "
        "with it.",
    ),
    _check(
        "divides-by-b-only",
        ("np.abs(a) + np.abs(b)", "np.abs(b)"),
        says="the largest |a_i - b_i| / max(|a_i| + |b_i|, 1e-8) over all",
        hint="With |b| alone the error depends on which of the two is called b, and b = 0 blows it up.",
    ),
    _check(
        "mean-instead-of-maximum",
        ("np.max(np.abs(a - b) / size)", "np.mean(np.abs(a - b) / size)"),
        says="the largest |a_i - b_i| / max(|a_i| + |b_i|, 1e-8) over all",
        hint="An average hides one bad component among many good ones. One wrong entry is a wrong gradient.",
    ),
    _check(
        "ratio-of-norms",
        (
            "np.max(np.abs(a - b) / size)",
            "np.linalg.norm(a - b) / max(np.linalg.norm(a) + np.linalg.norm(b), 1e-8)",
        ),
        says="the largest |a_i - b_i| / max(|a_i| + |b_i|, 1e-8) over all",
        hint="In a norm the large components drown the small ones: compare entry by entry.",
    ),
    _check(
        "no-floor",
        ("np.maximum(np.abs(a) + np.abs(b), 1e-8)", "np.abs(a) + np.abs(b)"),
        says="rel_error, both arrays all zero",
        hint="Where both gradients are 0 this is 0/0. The floor 1e-8 under the denominator prevents it.",
    ),
    _check(
        "floor-added",
        ("np.maximum(np.abs(a) + np.abs(b), 1e-8)", "np.abs(a) + np.abs(b) + 1e-8"),
        says="max(|a_i| + |b_i|, 1e-8)",
        hint="The floor is a lower limit of the denominator (a maximum), not something added to it.",
    ),
    _check(
        "sign-of-the-difference",
        ("np.abs(a - b) / size", "(a - b) / size"),
        says="with a and b exchanged",
        hint="Without the absolute value an error of the other sign counts as no error at all.",
    ),
    _check(
        "returns-the-error",
        ("grad_f(x)) < tol\n    ### END", "grad_f(x))\n    ### END"),
        says="must return True or False",
        hint="The caller asks whether the gradient is right: compare the error with tol.",
    ),
    _check(
        "ignores-tol",
        ("grad_f(x)) < tol\n    ### END", "grad_f(x)) < 1e-6\n    ### END"),
        says="with tol=0.02",
        hint="1e-6 is only the default of tol; use the value that the caller gives.",
    ),
    _check(
        "compares-the-sums",
        (
            "return rel_error(numerical_grad(f, x), grad_f(x)) < tol",
            "return rel_error(numerical_grad(f, x).sum(), grad_f(x).sum()) < tol",
        ),
        says="must not pass",
        hint="Wrong components can cancel in a sum, and large ones hide small ones: compare entry by entry.",
    ),
    _check(
        "passes-at-the-tolerance",
        (
            "return rel_error(numerical_grad(f, x), grad_f(x)) < tol",
            "return rel_error(numerical_grad(f, x), grad_f(x)) <= tol",
        ),
        says="an error as large as tol was accepted",
        hint="The error has to be smaller than tol: < and not <=.",
    ),
]
