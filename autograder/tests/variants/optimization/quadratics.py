"""Right answers to exercise 3, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex3-gd-quadratic",
        name="preallocated",
        code="""
def gd_quadratic(A, b, w0, lr, steps):
    square = A.ndim == 2 and A.shape[0] == A.shape[1]
    if not square or not torch.allclose(A, A.T, rtol=0, atol=1e-8 * float(A.abs().max())):
        raise ValueError("not symmetric")
    path = torch.empty(steps + 1, len(w0), dtype=A.dtype, device=A.device)
    path[0] = w0
    for t in range(steps):
        path[t + 1] = path[t] - lr * (torch.mv(A, path[t]) - b)
    return path
""",
    ),
    Right(
        exercise="ex3-gd-quadratic",
        name="affine-map",
        code="""
def gd_quadratic(A, b, w0, lr, steps):
    require_symmetric(A)
    step = torch.eye(len(A), dtype=A.dtype) - lr * A
    w, rows = w0.clone(), [w0.unsqueeze(0)]
    while len(rows) <= steps:
        w = step @ w + lr * b
        rows.append(w[None])
    return torch.cat(rows)
""",
    ),
    Right(
        exercise="ex3-gd-closed-form",
        name="matrix-power",
        code="""
def gd_closed_form(A, b, w0, lr, t):
    require_symmetric(A)
    w_star = torch.linalg.solve(A, b)
    shrink = torch.linalg.matrix_power(torch.eye(len(A), dtype=A.dtype, device=A.device) - lr * A, t)
    return w_star + shrink @ (w0 - w_star)
""",
    ),
    Right(
        exercise="ex3-gd-closed-form",
        name="cholesky-and-a-sum-over-eigenvectors",
        code="""
def gd_closed_form(A, b, w0, lr, t):
    require_symmetric(A)
    factor = torch.linalg.cholesky(A)
    w_star = torch.cholesky_solve(b[:, None], factor)[:, 0]
    w = w_star.clone()
    lam, Q = torch.linalg.eigh(A)
    for i in range(len(lam)):
        q = Q[:, i]
        w = w + (1 - lr * float(lam[i])) ** t * torch.dot(q, w0 - w_star) * q
    return w
""",
    ),
    Right(
        exercise="ex3-gd-closed-form",
        name="gradient-in-eigen-coordinates",
        code="""
def gd_closed_form(A, b, w0, lr, t):
    require_symmetric(A)
    e, Q = torch.linalg.eigh(A)
    target = (b @ Q) / e
    return Q.mv(target + torch.pow(1 - lr * e, t) * (w0 @ Q - target))
""",
    ),
    Right(
        exercise="ex3-step-sizes",
        name="cholesky-tests-and-eigh",
        code="""
def extremes(A):
    require_symmetric(A)
    if bool(torch.linalg.cholesky_ex(A).info) or float(torch.linalg.eigvalsh(A).min()) <= 0:
        raise ValueError("not positive definite")
    values = torch.linalg.eigh(A).eigenvalues
    return values.min(), values.max()


def convergence_rate(A, lr):
    low, high = extremes(A)
    return torch.maximum((1 - lr * low).abs(), (1 - lr * high).abs())


def optimal_lr(A):
    low, high = extremes(A)
    return 1 / ((low + high) / 2)


def max_stable_lr(A):
    return (2 / extremes(A)[1]).item()
""",
    ),
    Right(
        exercise="ex3-step-sizes",
        name="spectral-norm-of-the-iteration",
        code="""
def convergence_rate(A, lr):
    spectrum(A)
    return float(torch.linalg.matrix_norm(torch.eye(len(A), dtype=A.dtype) - lr * A, ord=2))


def optimal_lr(A):
    e = spectrum(A).tolist()
    return 2 / (min(e) + max(e))


def max_stable_lr(A):
    spectrum(A)
    return 2 / float(torch.linalg.matrix_norm(A, ord=2))
""",
    ),
    Right(
        exercise="ex3-newton-step",
        name="solves-for-the-negative-gradient",
        code="""
def newton_step(grad, hess):
    require_symmetric(hess)
    return torch.linalg.solve(hess, -grad[:, None]).squeeze(1)
""",
    ),
    Right(
        exercise="ex3-newton-step",
        name="lu",
        code="""
def newton_step(grad, hess):
    if hess.shape != (len(grad), len(grad)) or (hess - hess.T).abs().max() > 1e-8 * hess.abs().max():
        raise ValueError("hess must be symmetric")
    LU, pivots = torch.linalg.lu_factor(hess)
    return -torch.linalg.lu_solve(LU, pivots, grad.unsqueeze(-1))[..., 0]
""",
    ),
    Right(
        exercise="ex3-newton-step",
        name="inverse",
        code="""
def newton_step(grad, hess):
    require_symmetric(hess)
    return -(torch.linalg.inv(hess) @ grad)
""",
    ),
    Right(
        exercise="ex3-critical-point",
        name="counts-the-signs",
        code="""
def classify_critical_point(H, tol=1e-8):
    require_symmetric(H)
    e = torch.linalg.eigvalsh(H).tolist()
    bound = tol * max(abs(v) for v in e)
    up, down = sum(v > bound for v in e), sum(v < -bound for v in e)
    if up + down < len(e):
        return "degenerate"
    return {len(e): "minimum", 0: "maximum"}.get(up, "saddle")
""",
    ),
    Right(
        exercise="ex3-critical-point",
        name="smallest-and-largest",
        code="""
def classify_critical_point(H, tol=1e-8):
    require_symmetric(H)
    values, _ = torch.linalg.eigh(H)
    size = values.abs()
    if size.min() <= tol * size.max():
        return "degenerate"
    if values[0] > 0:
        return "minimum"
    if values[-1] < 0:
        return "maximum"
    return "saddle"
""",
    ),
]
