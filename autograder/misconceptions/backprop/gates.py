"""Wrong answers to exercise 2: gates by hand."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_square = wrongs_of("ex2-square-graph")
_gate = wrongs_of("ex2-gate-backward")
_branch = wrongs_of("ex2-branch-graph")

_MAX = (
    "first_wins = np.where(a >= b, 1.0, 0.0)\n"
    "        return (upstream * first_wins, upstream * (1.0 - first_wins))"
)
_DX = "dx = to_product * y + (1.0 - to_product) + y**2"

MISCONCEPTIONS = [
    _square(
        "square-node-without-2",
        ("dq = 2 * q", "dq = q"),
        says="the square node's derivative is 2q, times the 1 that enters at",
        hint="The derivative of q^2 is 2q, not q.",
    ),
    _square(
        "product-passes-its-own-input",
        ("ds = dq * z", "ds = dq * s"),
        ("dz = dq * s", "dz = dq * z"),
        says="the product node passes on the other factor: dq/ds = z",
        hint="A product gate switches: d(sz)/ds = z and d(sz)/dz = s.",
    ),
    _square(
        "add-gate-halves",
        ("dx = ds", "dx = ds / 2"),
        ("dy = ds", "dy = ds / 2"),
        says="the add node passes its gradient on to both inputs, unchanged",
        hint="Each input of a sum moves the output one to one, so each gets the whole upstream gradient.",
    ),
    _square(
        "upstream-dropped-at-the-product",
        ("ds = dq * z", "ds = z"),
        ("dz = dq * s", "dz = s"),
        says="the product node passes on the other factor: dq/ds = z",
        hint="z and s are only the local derivatives. Multiply them by the gradient that arrives at q.",
    ),
    _square(
        "add-gate-multiplies",
        ("dx = ds", "dx = ds * y"),
        ("dy = ds", "dy = ds * x"),
        says="the add node passes its gradient on to both inputs, unchanged",
        hint="That is the rule of the product gate. The local derivatives of x + y are both 1.",
    ),
    _square(
        "value-of-q",
        ("value = q**2", "value = q"),
        says="q = (x + y) z is one node before the end: the value is its",
        hint="f is the square of q: one node is missing in the forward pass.",
    ),
    _gate(
        "mul-passes-its-own-input",
        ("(upstream * b, upstream * a)", "(upstream * a, upstream * b)"),
        says="a product gate switches: each input gets upstream times the",
        hint="The product gate switches: the derivative with respect to a is b.",
    ),
    _gate(
        "mul-without-upstream",
        ("(upstream * b, upstream * a)", "(b, a)"),
        says="a product gate switches: each input gets upstream times the",
        hint="These are the local derivatives; multiply each by the upstream gradient.",
    ),
    _gate(
        "mul-divides-by-the-input",
        ("(upstream * b, upstream * a)", "(upstream * (a * b) / a, upstream * (a * b) / b)"),
        says="mul, inputs 0 and 3",
        hint="(a b) / a equals b except where a = 0. Use the other input itself.",
    ),
    _gate(
        "add-halves",
        ("return (upstream, upstream)", "return (upstream / 2, upstream / 2)"),
        says="an add gate hands the whole upstream gradient to both inputs",
        hint="Each input of a sum moves the output one to one: both get the whole upstream gradient.",
    ),
    _gate(
        "max-to-both",
        (_MAX, "return (upstream, upstream)"),
        says="a max gate routes: the larger input gets all of upstream, the",
        hint="The smaller input did not influence the output, so it gets 0.",
    ),
    _gate(
        "max-compares-magnitudes",
        ("a >= b", "abs(a) >= abs(b)"),
        says="a max gate routes: the larger input gets all of upstream, the",
        hint="max(3, -5) is 3: the larger input wins, not the one farther from 0.",
    ),
    _gate(
        "max-without-upstream",
        (_MAX, "first_wins = np.where(a >= b, 1.0, 0.0)\n        return (first_wins, 1.0 - first_wins)"),
        says="a max gate routes: the larger input gets all of upstream, the",
        hint="The gate routes the upstream gradient; 1 and 0 are only the local derivatives.",
    ),
    _gate(
        "max-doubles-ties",
        (
            "upstream * (1.0 - first_wins)",
            "upstream * np.where(b >= a, 1.0, 0.0)",
        ),
        says="it must not double",
        hint="On a tie both comparisons are true and the gradient is counted twice. The shares must sum "
        "to 1.",
    ),
    _gate(
        "max-by-one-python-comparison",
        (_MAX, "return (upstream, 0.0 * upstream) if np.all(a >= b) else (0.0 * upstream, upstream)"),
        says="entry by entry",
        hint="With arrays every entry has a winner of its own: compare elementwise.",
    ),
    _gate(
        "copy-keeps-the-last",
        ("sum(upstream)", "upstream[-1]"),
        says="what comes back along all branches of a fan-out adds up",
        hint="Each branch contributes to the loss. Overwriting forgets all but the last one: add.",
    ),
    _gate(
        "copy-averages",
        ("sum(upstream)", "sum(upstream) / len(upstream)"),
        says="what comes back along all branches of a fan-out adds up",
        hint="The chain rule sums over paths; nothing is divided by their number.",
    ),
    _gate(
        "unknown-kind-returns-none",
        ("""raise ValueError(f"unknown gate {kind!r}")""", "return None"),
        says="an unknown kind is refused",
        hint="A misspelt gate would silently give None, and the error would appear far away. Raise "
        "ValueError.",
    ),
    _branch(
        "last-path-overwrites",
        (_DX, "dx = to_product * y + (1.0 - to_product)\n    dx = y**2"),
        says="x enters along three edges and y along two: what comes back",
        hint="x is used three times. The second assignment forgets what came back through the max gate.",
    ),
    _branch(
        "max-to-both",
        (_DX, "dx = y + 1.0 + y**2"),
        says="x enters along three edges and y along two: what comes back",
        hint="Only the larger argument of the max passes its gradient on.",
    ),
    _branch(
        "chooses-by-y-alone",
        ("product >= x, 1.0", "np.asarray(y) >= 1.0, 1.0"),
        says="what comes back along each of them adds up",
        hint="xy > x means y > 1 only for positive x; for negative x it is the other way round.",
    ),
    _branch(
        "compares-magnitudes",
        ("product >= x, 1.0", "np.abs(product) >= np.abs(x), 1.0"),
        says="what comes back along each of them adds up",
        hint="max takes the larger number, not the one farther from 0: for negative x these differ.",
    ),
    _branch(
        "power-without-2",
        ("2 * x * y", "x * y"),
        says="x enters along three edges and y along two: what comes back",
        hint="The derivative of y^2 is 2y.",
    ),
    _branch(
        "forgets-the-path-of-x-itself",
        (_DX, "dx = to_product * y + y**2"),
        says="x enters along three edges and y along two: what comes back",
        hint="Where the max chooses its second argument, x itself, dx receives 1 from there.",
    ),
]
