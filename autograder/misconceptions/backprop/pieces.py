"""Wrong answers to exercise 8: linear pieces."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_count = wrongs_of("ex8-count-pieces")
_tent = wrongs_of("ex8-tent-network")
_regions = wrongs_of("ex8-max-regions")

_MERGE = (
    "        if abs(after - before) > max(1e-9 * max(abs(before), abs(after)), 1e-12):\n"
    "            pieces += 1\n"
)
_GRID = """
def count_linear_pieces(Ws, bs, lo, hi):
    if lo >= hi:
        raise ValueError("need lo < hi")
    x = np.linspace(lo, hi, 801)
    h = x[:, None]
    for W, b in zip(Ws[:-1], bs[:-1]):
        h = np.maximum(h @ W + b, 0.0)
    y = (h @ Ws[-1] + bs[-1])[:, 0]
    slopes = np.diff(y) / np.diff(x)
    bends = np.abs(np.diff(slopes)) > 1e-9 * np.maximum(np.abs(slopes[1:]), np.abs(slopes[:-1])) + 1e-9
    return 1 + int((bends & ~np.append(False, bends[:-1])).sum())
"""
_FIRST_LAYER = """
def count_linear_pieces(Ws, bs, lo, hi):
    if lo >= hi:
        raise ValueError("need lo < hi")
    w, b = Ws[0][0], bs[0]
    knots = sorted({float(-c / v) for v, c in zip(w, b) if v != 0 and lo < -c / v < hi})
    edges = [lo, *knots, hi]

    def value(x):
        h = np.array([[x]])
        for W, c in zip(Ws[:-1], bs[:-1]):
            h = np.maximum(h @ W + c, 0.0)
        return float((h @ Ws[-1] + bs[-1]).item())

    slopes = [(value(q) - value(p)) / (q - p) for p, q in zip(edges[:-1], edges[1:])]
    pieces = 1
    for p, q in zip(slopes[:-1], slopes[1:]):
        pieces += abs(p - q) > max(1e-9 * max(abs(p), abs(q)), 1e-12)
    return pieces
"""

MISCONCEPTIONS = [
    _count(
        "counts-knots",
        ("    pieces = 1\n", "    pieces = 0\n"),
        says="k knots inside the interval separate k + 1 pieces",
        hint="k knots separate k + 1 pieces.",
    ),
    _count(
        "counts-activation-patterns",
        (_MERGE, "        pieces += 1\n"),
        says="merge neighbouring pieces of equal slope",
        hint="A unit may switch without bending the output, if its outgoing weight is 0 or another one "
        "cancels it. "
        "Compare the slopes.",
    ),
    _count(
        "grid",
        code=_GRID,
        says="the number of linear pieces",
        hint="However fine the grid, two knots can lie between two of its points. Compute the zero "
        "crossings.",
    ),
    _count(
        "knots-of-the-first-layer-only",
        code=_FIRST_LAYER,
        says="insert every zero crossing",
        hint="Units of later layers bend the function as well, where THEIR input crosses 0.",
    ),
    _count(
        "relu-after-the-output",
        (
            "    slopes = [(slope @ Ws[-1]).item() for *_, slope in segments]",
            "    slopes = [(slope @ Ws[-1] * (intercept @ Ws[-1] + bs[-1] + slope @ Ws[-1] * (start + "
            "stop) / 2 > 0)).item() for start, stop, intercept, slope in segments]",
        ),
        says="the number of linear pieces",
        hint="The last layer is linear: no ReLU follows it.",
    ),
    _count(
        "knots-at-the-ends",
        (
            "    pieces = 1\n",
            "    first = -bs[0][Ws[0][0] != 0] / Ws[0][0][Ws[0][0] != 0]\n"
            "    pieces = 1 + int(np.isin([lo, hi], first).sum())\n",
        ),
        says="a knot at an end of the interval separates nothing",
        hint="A knot at lo or hi has nothing on its other side within the interval.",
    ),
    _count(
        "absolute-tolerance-only",
        ("max(1e-9 * max(abs(before), abs(after)), 1e-12)", "1e-6"),
        says="equal means",
        hint="Whether two slopes are equal depends on their size: compare relative to the larger one.",
    ),
    _count(
        "exact-comparison",
        ("abs(after - before) > max(1e-9 * max(abs(before), abs(after)), 1e-12)", "after != before"),
        says="equal means",
        hint="Slopes that should be equal differ in their last digits: allow for rounding.",
    ),
    _count(
        "keeps-knots-that-are-one-point",
        ("    tiny = 1e-12 * (hi - lo)\n", "    tiny = 0.0\n"),
        says="are one point that was rounded differently",
        hint="Two units may bend at the same point, and rounding moves it by the last digit: drop crossings "
        "within about 1e-12 of each other or of an end.",
    ),
    _count(
        "interval-not-checked",
        ("    if lo >= hi:\n", "    if lo > hi + 1e9:\n"),
        says="an interval with lo >= hi is refused",
        hint="An empty interval has no pieces: refuse it with ValueError.",
    ),
    _tent(
        "one-layer-too-many",
        ("for _ in range(depth - 1)]", "for _ in range(depth)]"),
        ("for _ in range(depth)] + [np.zeros(1)]", "for _ in range(depth + 1)] + [np.zeros(1)]"),
        says="there must be depth + 1 weights and biases",
        hint="depth hidden layers: the first reads x, and depth - 1 connect one hidden layer to the next.",
    ),
    _tent(
        "tent-not-folded-in",
        ("tent @ read for", "np.ones((2, 2)) for"),
        says="the next layer reads 2 h0 - 4 h1 of this one: fold that into",
        hint="The next layer reads the tent 2 h0 - 4 h1, not h0 + h1.",
    ),
    _tent(
        "slope-down-without-the-double",
        ("[[2.0], [-4.0]]", "[[2.0], [-2.0]]"),
        says="tent(x) = 2 relu(x) - 4 relu(x - 1/2)",
        hint="Right of 1/2 the slope has to change from 2 to -2, which takes -4.",
    ),
    _tent(
        "kink-at-one",
        ("np.array([0.0, -0.5]) for", "np.array([0.0, -1.0]) for"),
        says="tent(x) = 2 relu(x) - 4 relu(x - 1/2)",
        hint="The tent bends at 1/2: relu(x - 1/2).",
    ),
    _tent(
        "depth-0-is-allowed",
        ("if depth < 1:", "if depth < 0:"),
        says="depth < 1 is refused",
        hint="Without a hidden layer there is no tent: refuse depth < 1.",
    ),
    _regions(
        "all-switch-positions",
        ("sum(math.comb(units, j) for j in range(n + 1))", "2**units"),
        says="add the binomials C(units, j) for j = 0 ... n; C is 0 where j >",
        hint="2^units counts all on-off patterns, but few of them occur: n inputs cannot separate them.",
    ),
    _regions(
        "sum-stops-before-n",
        ("range(n + 1)", "range(n)"),
        says="add the binomials C(units, j) for j = 0 ... n; C is 0 where j >",
        hint="range(n) stops at n - 1; the sum goes up to j = n.",
    ),
    _regions(
        "sum-starts-at-1",
        ("range(n + 1)", "range(1, n + 1)"),
        says="add the binomials C(units, j) for j = 0 ... n; C is 0 where j >",
        hint="j = 0 counts the one region that is there without any unit.",
    ),
    _regions(
        "last-term-only",
        ("sum(math.comb(units, j) for j in range(n + 1))", "math.comb(units, n)"),
        says="add the binomials C(units, j) for j = 0 ... n; C is 0 where j >",
        hint="All terms from j = 0 to n are added.",
    ),
    _regions(
        "roles-exchanged",
        ("math.comb(units, j)", "math.comb(n, j)"),
        says="add the binomials C(units, j) for j = 0 ... n; C is 0 where j >",
        hint="The binomial is C(units, j): which j of the units' hyperplanes meet.",
    ),
]
