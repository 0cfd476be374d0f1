"""Right answers to exercise 8, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex8-count-pieces",
        name="recursion-over-segments",
        code='''
def count_linear_pieces(Ws, bs, lo, hi):
    if not lo < hi:
        raise ValueError("empty interval")
    slopes = []

    def descend(depth, left, right, at_left, at_right):
        """Values of the layer's input at both ends of a segment on which it is linear."""
        if right - left <= 1e-13 * (hi - lo):
            return
        u, v = at_left @ Ws[depth] + bs[depth], at_right @ Ws[depth] + bs[depth]
        if depth == len(Ws) - 1:
            slopes.append(float((v - u)[0] / (right - left)))
            return
        crossing = u * v < 0
        cuts = sorted({0.0, 1.0, *(u[crossing] / (u[crossing] - v[crossing])).tolist()})
        for s, t in zip(cuts[:-1], cuts[1:]):
            a, c = u + s * (v - u), u + t * (v - u)
            middle = (a + c) / 2
            on = middle > 0
            descend(depth + 1, left + s * (right - left), left + t * (right - left), a * on, c * on)

    descend(0, float(lo), float(hi), np.array([float(lo)]), np.array([float(hi)]))
    merged = [slopes[0]]
    for slope in slopes[1:]:
        if abs(slope - merged[-1]) > max(1e-9 * max(abs(slope), abs(merged[-1])), 1e-12):
            merged.append(slope)
    return len(merged)
''',
    ),
    Right(
        exercise="ex8-count-pieces",
        name="exact-fractions",
        code="""
from fractions import Fraction


def count_linear_pieces(Ws, bs, lo, hi):
    if lo >= hi:
        raise ValueError("lo must lie below hi")
    exact = lambda a: [[Fraction(float(v)) for v in row] for row in np.atleast_2d(a)]
    zero = Fraction(0)
    # a segment: left, right and, per unit, (slope, intercept)
    segments = [(Fraction(lo), Fraction(hi), [(Fraction(1), zero)])]
    for W, b in zip(Ws, bs):
        rows, bias = exact(W), exact(b)[0]
        new = []
        for left, right, units in segments:
            lines = [
                (sum((u[0] * rows[i][j] for i, u in enumerate(units)), zero),
                 sum((u[1] * rows[i][j] for i, u in enumerate(units)), bias[j]))
                for j in range(len(bias))
            ]
            if W is Ws[-1]:
                new.append((left, right, lines))
                continue
            cuts = {-c / m for m, c in lines if m and left < -c / m < right}
            edges = [left, *sorted(cuts), right]
            for p, q in zip(edges[:-1], edges[1:]):
                middle = (p + q) / 2
                new.append((p, q, [(m, c) if m * middle + c > 0 else (zero, zero) for m, c in lines]))
        segments = new
    slopes = [lines[0][0] for _, _, lines in segments]
    pieces = 1
    for before, after in zip(slopes[:-1], slopes[1:]):
        largest = max(abs(before), abs(after))
        pieces += abs(after - before) > max(largest / 10**9, Fraction(1, 10**12))
    return pieces
""",
    ),
    Right(
        exercise="ex8-count-pieces",
        name="sorted-knots-layer-by-layer",
        code="""
def count_linear_pieces(Ws, bs, lo, hi):
    if lo >= hi:
        raise ValueError(f"[{lo}, {hi}]")
    knots = np.array([lo, hi], dtype=float)

    def values(points, depth):
        h = points[:, None]
        for W, b in zip(Ws[:depth], bs[:depth]):
            h = np.maximum(h @ W + b, 0)
        return h @ Ws[depth] + bs[depth]

    for depth in range(len(Ws) - 1):
        z = values(knots, depth)
        left, right = z[:-1], z[1:]
        segment, unit = np.nonzero(left * right < 0)
        share = left[segment, unit] / (left[segment, unit] - right[segment, unit])
        knots = np.unique(np.append(knots, knots[segment] + share * np.diff(knots)[segment]))
        keep = np.append(True, np.diff(knots) > 1e-12 * (hi - lo))
        knots = knots[keep]
    inner = knots[:-1] + 0.25 * np.diff(knots), knots[:-1] + 0.75 * np.diff(knots)
    # the slope from the pattern of active units in the middle, not from differences
    middle = (inner[0] + inner[1]) / 2
    h, slope = middle[:, None], np.ones((len(middle), 1))
    for W, b in zip(Ws[:-1], bs[:-1]):
        h, slope = h @ W + b, slope @ W
        on = h > 0
        h, slope = h * on, slope * on
    slope = (slope @ Ws[-1])[:, 0]
    change = np.abs(np.diff(slope))
    bound = np.maximum(1e-9 * np.maximum(np.abs(slope[1:]), np.abs(slope[:-1])), 1e-12)
    return 1 + int(np.count_nonzero(change > bound))
""",
    ),
    Right(
        exercise="ex8-tent-network",
        name="grown-layer-by-layer",
        code="""
def tent_network(depth):
    if depth < 1:
        raise ValueError("depth")
    Ws, bs = [np.array([[1.0, 1.0]])], [np.array([0.0, -0.5])]
    while len(Ws) < depth:
        Ws.append(np.array([[2.0, 2.0], [-4.0, -4.0]]))
        bs.append(np.array([0.0, -0.5]))
    Ws.append(np.array([2.0, -4.0]).reshape(2, 1))
    bs.append(np.array([0.0]))
    return Ws, bs
""",
    ),
    Right(
        exercise="ex8-tent-network",
        name="units-scaled-and-exchanged",
        code='''
def tent_network(depth):
    """Units relu(4 x - 2) and relu(2 x): the tent is h1 - h0."""
    if not depth >= 1:
        raise ValueError("depth")
    read, out = np.array([[4.0, 2.0]]), np.array([[-1.0], [1.0]])
    Ws = [read, *(out @ read for _ in range(1, depth)), out]
    return tuple(Ws), tuple([np.array([-2.0, 0.0])] * depth + [np.zeros(1)])
''',
    ),
    Right(
        exercise="ex8-max-regions",
        name="pascal",
        code='''
def max_regions_shallow(units, n):
    """One more hyperplane adds as many regions as it is cut into by the others."""
    if units == 0 or n == 0:
        return 1
    return max_regions_shallow(units - 1, n) + max_regions_shallow(units - 1, n - 1)
'''.replace("def max_regions", "import functools\n\n\n@functools.cache\ndef max_regions", 1),
    ),
    Right(
        exercise="ex8-max-regions",
        name="running-product",
        code="""
def max_regions_shallow(units, n):
    total, term = 0, 1
    for j in range(min(units, n) + 1):
        total += term
        term = term * (units - j) // (j + 1)
    return total
""",
    ),
]
