"""Right answers to exercise 1, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex1-numerical-grad",
        name="one-hot-directions",
        code='''
def numerical_grad(f, x, h=None, scheme="central"):
    """Every direction is a row of the identity matrix; nothing is ever written into."""
    if scheme not in {"central", "forward"}:
        raise ValueError(scheme)
    if h is not None and not h > 0:
        raise ValueError(h)
    x = np.asarray(x, dtype=float)

    def along(direction):
        out = np.asarray(f(x + direction.reshape(x.shape)), dtype=float)
        if out.size != 1:
            raise ValueError("f is not scalar")
        return out.item()

    base = h if h is not None else {"central": 6e-6, "forward": 1.5e-8}[scheme]
    steps = np.full(x.size, base) if h is not None else base * np.maximum(1.0, np.abs(x.ravel()))
    if scheme == "central":
        slopes = [(along(d) - along(-d)) / (2.0 * s) for d, s in zip(np.diag(steps), steps)]
    else:
        here = along(np.zeros(x.size))
        slopes = [(along(d) - here) / s for d, s in zip(np.diag(steps), steps)]
    return np.array(slopes, dtype=float).reshape(x.shape)
''',
    ),
    Right(
        exercise="ex1-numerical-grad",
        name="nditer-over-a-copy-restored",
        code="""
def numerical_grad(f, x, h=None, scheme="central"):
    if scheme != "central" and scheme != "forward":
        raise ValueError("scheme")
    if h is not None and h <= 0:
        raise ValueError("h")
    work = np.array(x, dtype=np.float64, order="C")
    grad = np.empty_like(work)

    def call():
        value = f(work.copy())
        if np.size(value) != 1:
            raise ValueError("f must be scalar")
        return float(np.reshape(value, ()))

    start = call() if scheme == "forward" else None
    walk = np.nditer(work, flags=["multi_index"], op_flags=["readwrite"])
    while not walk.finished:
        i = walk.multi_index
        old = float(work[i])
        step = h
        if step is None:
            step = (6e-6 if scheme == "central" else 1.5e-8) * max(1.0, abs(old))
        work[i] = old + step
        above = call()
        if scheme == "central":
            work[i] = old - step
            grad[i] = (above - call()) / (2 * step)
        else:
            grad[i] = (above - start) / step
        work[i] = old
        walk.iternext()
    return grad
""",
    ),
    Right(
        exercise="ex1-numerical-grad",
        name="given-step-scaled-too",
        edits=[
            ("step = 6e-6 * scale if h is None else h", "step = scale * (6e-6 if h is None else h)"),
            ("step = 1.5e-8 * scale if h is None else h", "step = scale * (1.5e-8 if h is None else h)"),
        ],
    ),
    Right(
        exercise="ex1-numerical-jacobian",
        name="filled-column-by-column",
        code="""
def numerical_jacobian(f, x, h=None):
    if h is not None and h <= 0:
        raise ValueError("h must be positive")
    x = np.asarray(x, dtype=np.float64)
    jacobian = None
    for i, value in enumerate(x):
        step = h or 6e-6 * max(1.0, abs(value))
        e = np.zeros_like(x)
        e[i] = step
        above, below = np.ravel(f(x + e)).astype(float), np.ravel(f(x - e)).astype(float)
        if jacobian is None:
            jacobian = np.empty((above.size, x.size))
        jacobian[:, i] = (above - below) / (step + step)
    return jacobian
""",
    ),
    Right(
        exercise="ex1-numerical-jacobian",
        name="rows-of-the-transpose",
        code="""
def numerical_jacobian(f, x, h=None):
    if h is not None and h <= 0:
        raise ValueError(f"h = {h}")
    x = np.array(x, dtype=float)
    steps = [h if h is not None else 6e-6 * max(1.0, abs(v)) for v in x]
    return np.array([
        (np.array(f(x + d), dtype=float) - np.array(f(x - d), dtype=float)) / (2 * s)
        for s, d in zip(steps, np.diag(steps))
    ]).T
""",
    ),
    Right(
        exercise="ex1-check-grad",
        name="loop-over-the-entries",
        code="""
def rel_error(a, b):
    worst = 0.0
    for p, q in zip(np.ravel(a).tolist(), np.ravel(b).tolist()):
        worst = max(worst, abs(p - q) / max(abs(p) + abs(q), 1e-8))
    return worst


def check_grad(f, grad_f, x, tol=1e-6):
    numeric, written = numerical_grad(f, x), grad_f(x)
    if rel_error(numeric, written) < tol:
        return True
    return False
""",
    ),
    Right(
        exercise="ex1-check-grad",
        name="where-and-numpy-bool",
        code="""
def rel_error(a, b):
    a, b = np.asarray(a, float), np.asarray(b, float)
    size = np.abs(a) + np.abs(b)
    return (np.abs(a - b) / np.where(size > 1e-8, size, 1e-8)).max()


def check_grad(f, grad_f, x, tol=1e-6):
    return np.bool_(tol > rel_error(grad_f(x), numerical_grad(f, x)))
""",
    ),
]
