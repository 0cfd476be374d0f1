"""Wrong answers to exercise 3: gradient descent on a quadratic, Newton's step, critical points."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_path = wrongs_of("ex3-gd-quadratic")
_closed = wrongs_of("ex3-gd-closed-form")
_rate = wrongs_of("ex3-step-sizes", "ex3-convergence-rate-test")
_best = wrongs_of("ex3-step-sizes", "ex3-optimal-lr-test")
_stable = wrongs_of("ex3-step-sizes", "ex3-max-stable-lr-test")
_newton = wrongs_of("ex3-newton-step")
_point = wrongs_of("ex3-critical-point")

_RATE = "return float((1 - lr * spectrum(A)).abs().max())"
_BEST = "return float(2 / (eigenvalues[0] + eigenvalues[-1]))"
_STABLE = "return float(2 / spectrum(A)[-1])"
_RETURN = "return w_star + Q @ ((1 - lr * eigenvalues) ** t * z)"
_SOLVE = "return -torch.linalg.solve(hess, grad)"

MISCONCEPTIONS = [
    _path(
        "gradient-plus-b",
        ("(A @ path[-1] - b)", "(A @ path[-1] + b)"),
        says="w - lr * (A w - b)",
        hint="The loss is w.A.w / 2 MINUS b.w, so the gradient is A w - b.",
    ),
    _path(
        "gradient-without-b",
        ("(A @ path[-1] - b)", "(A @ path[-1])"),
        says="w - lr * (A w - b)",
        hint="This descends to 0. The minimum is where A w = b.",
    ),
    _path(
        "start-left-out",
        ("return torch.stack(path)", "return torch.stack(path[1:])"),
        says="the path of 2 steps, start included",
        hint="Row 0 is the start: steps + 1 rows.",
    ),
    _path(
        "all-rows-the-same-tensor",
        (
            "path = [w0]\n    for _ in range(steps):\n        path.append(path[-1] - lr * (A @ path[-1] - b))",
            "w = w0.clone()\n    path = [w]\n    for _ in range(steps):\n        w -= lr * (A @ w - b)\n"
            "        path.append(w)",
        ),
        says="do not overwrite them in place",
        hint="The list holds the same tensor again and again, and `-=` changes it: keep copies, or "
        "write `w = w - ...`.",
    ),
    _path(
        "start-changed-in-place",
        (
            "path = [w0]\n    for _ in range(steps):\n        path.append(path[-1] - lr * (A @ path[-1] - b))",
            "path = [w0.clone()]\n    for _ in range(steps):\n        w0 -= lr * (A @ w0 - b)\n"
            "        path.append(w0.clone())",
        ),
        says="w0 after the call",
        hint="`w0 -= ...` changes the caller's starting point.",
    ),
    _path(
        "one-step-short",
        ("range(steps)", "range(steps - 1)"),
        says="the path of 2 steps, start included",
        hint="`steps` steps and the start make steps + 1 rows.",
    ),
    _path(
        "gradient-doubled",
        ("lr * (A @", "2 * lr * (A @"),
        says="w - lr * (A w - b)",
        hint="The 1/2 in the loss cancels the 2 of the derivative: the gradient is A w - b.",
    ),
    _path(
        "asymmetric-matrix-passes",
        ("    require_symmetric(A)\n", ""),
        says="an asymmetric A",
        hint="For an asymmetric A the gradient is not A w - b. require_symmetric refuses it.",
    ),
    _closed(
        "left-in-eigen-coordinates",
        (_RETURN, "return w_star + (1 - lr * eigenvalues) ** t * z"),
        says="then go back: w_star + Q z",
        hint="z are coordinates along the eigenvectors: Q z brings them back to weights.",
    ),
    _closed(
        "power-of-the-eigenvalue",
        ("(1 - lr * eigenvalues) ** t", "(lr * eigenvalues) ** t"),
        says="shrinks by (1 - lr * eigenvalue)^t",
        hint="A step multiplies the error by 1 - lr * eigenvalue, not by lr * eigenvalue.",
    ),
    _closed(
        "optimum-not-subtracted",
        ("z = Q.T @ (w0 - w_star)", "z = Q.T @ w0"),
        says="the weights after t = 0 steps",
        hint="It is the distance from the minimum that shrinks: z = Q.T (w0 - w_star).",
    ),
    _closed(
        "optimum-not-added",
        (_RETURN, "return Q @ ((1 - lr * eigenvalues) ** t * z)"),
        says="the weights after t = 0 steps",
        hint="Q z is the distance from the minimum: add w_star.",
    ),
    _closed(
        "eigenvectors-taken-for-rows",
        (
            "eigenvalues, Q = torch.linalg.eigh(A)",
            "eigenvalues, Q = torch.linalg.eigh(A)[0], torch.linalg.eigh(A)[1].T",
        ),
        says="into the COLUMNS of Q",
        hint="eigh puts one eigenvector into each column of Q. (With a 2 x 2 matrix the slip may not show.)",
    ),
    _closed(
        "rotated-the-wrong-way",
        ("z = Q.T @ (w0 - w_star)", "z = Q @ (w0 - w_star)"),
        ("w_star + Q @", "w_star + Q.T @"),
        says="z = Q.T (w0 - w_star)",
        hint="The eigenvectors are the COLUMNS of Q: coordinates along them are Q.T w.",
    ),
    _closed(
        "loop-over-the-steps",
        (_RETURN, "w = w0\n    for _ in range(t):\n        w = w - lr * (A @ w - b)\n    return w"),
        says="took longer than",
        hint="Without taking the steps: a power of 1 - lr * eigenvalue replaces the loop.",
    ),
    _closed(
        "gradient-flow",
        ("(1 - lr * eigenvalues) ** t", "torch.exp(-lr * eigenvalues * t)"),
        says="the weights after t = 1 steps",
        hint="exp(-lr * eigenvalue * t) is the limit of small steps; steps of size lr give (1 - lr * eigenvalue)^t.",
    ),
    _closed(
        "sign-lost",
        ("(1 - lr * eigenvalues) ** t", "(1 - lr * eigenvalues).abs() ** t"),
        says="shrinks by (1 - lr * eigenvalue)^t",
        hint="Where lr * eigenvalue > 1 the path jumps from side to side: the factor is negative, keep its sign.",
    ),
    _closed(
        "asymmetric-matrix-passes",
        ("    require_symmetric(A)\n", ""),
        says="an asymmetric matrix is refused",
        hint="eigh looks at one triangle of the matrix only and would not notice. require_symmetric does.",
    ),
    _rate(
        "without-the-absolute-value",
        (_RATE, "return float((1 - lr * spectrum(A)).max())"),
        says="take the absolute value",
        hint="1 - lr * eigenvalue is negative for steep directions: its size counts.",
    ),
    _rate(
        "fastest-coordinate",
        (_RATE, _RATE.replace(".max()", ".min()")),
        says="the slowest coordinate counts",
        hint="In the end only the slowest coordinate is left: the maximum, not the minimum.",
    ),
    _rate(
        "largest-eigenvalue-only",
        (_RATE, "return float((1 - lr * spectrum(A)[-1]).abs())"),
        says="the slowest coordinate counts",
        hint="For small steps the SMALLEST eigenvalue is the slowest: look at both ends.",
    ),
    _rate(
        "smallest-eigenvalue-only",
        (_RATE, "return float((1 - lr * spectrum(A)[0]).abs())"),
        says="the rate at lr = 0.03",
        hint="For large steps the LARGEST eigenvalue overshoots: look at both ends.",
    ),
    _rate(
        "best-rate-whatever-the-step",
        (_RATE, "e = spectrum(A)\n    return float((e[-1] - e[0]) / (e[-1] + e[0]))"),
        says="the rate at lr = 0.001",
        hint="(kappa - 1) / (kappa + 1) is the rate at the best step size only.",
    ),
    _rate(
        "indefinite-matrix-passes",
        (_RATE, "require_symmetric(A)\n    return float((1 - lr * torch.linalg.eigvalsh(A)).abs().max())"),
        says="a matrix that is not positive definite",
        hint="With a negative eigenvalue there is no minimum to converge to: spectrum(A) refuses it.",
    ),
    _best(
        "one-over-the-largest",
        (_BEST, "return float(1 / eigenvalues[-1])"),
        says="the best step size for eigenvalues 1 and 3",
        hint="1 / largest eigenvalue is safe, not best: a somewhat larger step shrinks the flat direction faster.",
    ),
    _best(
        "two-over-the-trace",
        (_BEST, "return float(2 / torch.trace(A))"),
        says="the best step size",
        hint="The trace sums all eigenvalues; only the smallest and the largest matter.",
    ),
    _best(
        "inverted",
        (_BEST, "return float((eigenvalues[0] + eigenvalues[-1]) / 2)"),
        says="the best step size for eigenvalues 1 and 3",
        hint="The mean of the two eigenvalues is a curvature; the step size is its inverse.",
    ),
    _best(
        "factor-two-lost",
        (_BEST, "return float(1 / (eigenvalues[0] + eigenvalues[-1]))"),
        says="the best step size for eigenvalues 1 and 3",
        hint="1 - lr * smallest = lr * largest - 1 gives lr = 2 / (smallest + largest).",
    ),
    _best(
        "diagonal-for-eigenvalues",
        ("eigenvalues = spectrum(A)", "spectrum(A)\n    eigenvalues = A.diagonal().sort().values"),
        says="the best step size",
        hint="The diagonal holds the eigenvalues of a diagonal matrix only.",
    ),
    _best(
        "geometric-mean",
        (_BEST, "return float(1 / (eigenvalues[0] * eigenvalues[-1]).sqrt())"),
        says="the best step size for eigenvalues 1 and 3",
        hint="The two extremes must shrink equally fast, which leads to their arithmetic mean.",
    ),
    _best(
        "mean-of-all-eigenvalues",
        (_BEST, "return float(1 / eigenvalues.mean())"),
        says="the others do not matter",
        hint="Eigenvalues between the extremes never decide: only the smallest and the largest count.",
    ),
    _stable(
        "limit-one-over-the-largest",
        (_STABLE, "return float(1 / spectrum(A)[-1])"),
        says="the largest stable step size",
        hint="At 1 / largest eigenvalue the steep direction is solved in one step; it stays stable up to twice that.",
    ),
    _stable(
        "smallest-eigenvalue",
        (_STABLE, "return float(2 / spectrum(A)[0])"),
        says="must hold for the steepest direction",
        hint="The steepest direction, with the largest eigenvalue, is the first to diverge.",
    ),
    _stable(
        "limit-two-over-the-trace",
        (_STABLE, "spectrum(A)\n    return float(2 / torch.trace(A))"),
        says="the largest stable step size",
        hint="The trace is an upper bound of the largest eigenvalue, not that eigenvalue.",
    ),
    _stable(
        "largest-diagonal-entry",
        (_STABLE, "spectrum(A)\n    return float(2 / A.diagonal().max())"),
        says="the largest stable step size",
        hint="The largest eigenvalue of a matrix is larger than its largest diagonal entry, unless it is diagonal.",
    ),
    _stable(
        "frobenius-norm",
        (_STABLE, "spectrum(A)\n    return float(2 / torch.linalg.norm(A))"),
        says="the largest stable step size",
        hint="torch.linalg.norm of a matrix is the root of the sum of its squares; the largest eigenvalue is meant.",
    ),
    _newton(
        "uphill-sign",
        (_SOLVE, "return torch.linalg.solve(hess, grad)"),
        says="mind the sign, the step is ADDED to the weights",
        hint="The increment is minus the solution: it is added to the weights.",
    ),
    _newton(
        "multiplies-by-the-hessian",
        (_SOLVE, "return -hess @ grad"),
        says="solve hess @ step = -grad",
        hint="Newton divides by the curvature: solve with the Hessian, do not multiply by it.",
    ),
    _newton(
        "diagonal-only",
        (_SOLVE, "return -grad / hess.diagonal()"),
        says="solve hess @ step = -grad",
        hint="Dividing by the diagonal ignores how the weights interact: solve the whole system.",
    ),
    _newton(
        "damped",
        (_SOLVE, "return -torch.linalg.solve(hess + 1e-4 * torch.eye(len(grad), dtype=hess.dtype), grad)"),
        says="solve hess @ step = -grad",
        hint="Adding a multiple of the identity is a trust-region method; Newton's step takes the Hessian as it is.",
    ),
    _newton(
        "absolute-eigenvalues",
        (_SOLVE, "values, Q = torch.linalg.eigh(hess)\n    return -Q @ (Q.T @ grad / values.abs())"),
        says="an indefinite Hessian",
        hint="Newton's step makes the model stationary, also where that is a saddle: keep the signs "
        "of the eigenvalues.",
    ),
    _newton(
        "small-eigenvalues-dropped",
        (_SOLVE, "return -torch.linalg.pinv(hess, rtol=1e-6) @ grad"),
        says="no eigenvalue dropped",
        hint="pinv with a tolerance throws small curvatures away, and those are the directions where Newton is strong.",
    ),
    _newton(
        "asymmetric-hessian-passes",
        ("    require_symmetric(hess)\n", ""),
        says="an asymmetric matrix is refused",
        hint="A Hessian is symmetric; one that is not is a mistake of the caller.",
    ),
    _point(
        "zero-eigenvalue-called-minimum",
        (
            'if bool((eigenvalues.abs() <= tol * eigenvalues.abs().max()).any()):\n        return "degenerate"\n    '
            "if bool((eigenvalues > 0).all()):",
            "if bool((eigenvalues >= 0).all()):",
        ),
        says="any zero eigenvalue",
        hint="Where the curvature is zero the second derivative does not decide: x^4 and -x^4 look alike.",
    ),
    _point(
        "absolute-tolerance",
        ("<= tol * eigenvalues.abs().max()", "<= tol"),
        says="tol times the largest |eigenvalue|",
        hint="A loss measured in other units would change its kind: compare with tol times the largest |eigenvalue|.",
    ),
    _point(
        "diagonal-for-eigenvalues",
        ("eigenvalues = torch.linalg.eigvalsh(H)", "eigenvalues = H.diagonal()"),
        says="look at the eigenvalues",
        hint="The diagonal of [[1, 2], [2, 1]] is positive, and it is a saddle all the same.",
    ),
    _point(
        "mixed-signs-before-zeros",
        (
            "    if bool((eigenvalues.abs() <= tol",
            '    if eigenvalues[0] < 0 < eigenvalues[-1]:\n        return "saddle"\n'
            "    if bool((eigenvalues.abs() <= tol",
        ),
        says="counts as zero",
        hint="The exercise calls every point with a zero eigenvalue degenerate, whatever the other signs are.",
    ),
    _point(
        "minimum-and-maximum-exchanged",
        ("(eigenvalues > 0).all()", "(eigenvalues < 0).all()"),
        ("(eigenvalues < 0).all()) else", "(eigenvalues > 0).all()) else"),
        says="the point with the Hessian",
        hint="Positive curvature in every direction: a valley, a minimum.",
    ),
    _point(
        "relative-to-the-largest-signed",
        ("<= tol * eigenvalues.abs().max()", "<= tol * eigenvalues.max()"),
        says="tol times the largest |eigenvalue|",
        hint="Of a maximum all eigenvalues are negative: take absolute values before the maximum.",
    ),
    _point(
        "determinant",
        (
            'if bool((eigenvalues > 0).all()):\n        return "minimum"',
            'if torch.linalg.det(H) < 0:\n        return "saddle"\n    if bool((eigenvalues > 0).all()):\n'
            '        return "minimum"',
        ),
        says="not at the diagonal, the trace or the determinant",
        hint="A negative determinant means a saddle in two dimensions only.",
    ),
    _point(
        "two-signs-only",
        ('return "maximum" if bool((eigenvalues < 0).all()) else "saddle"', 'return "maximum"'),
        says="the point with the Hessian",
        hint="Not a minimum does not mean maximum: eigenvalues of both signs make a saddle.",
    ),
    _point(
        "asymmetric-hessian-passes",
        ("    require_symmetric(H)\n", ""),
        says="an asymmetric matrix is refused",
        hint="eigvalsh looks at one triangle only and would not notice an asymmetric matrix.",
    ),
]
