"""Exercise 3: gradient descent on a quadratic, its analysis, Newton's step and critical points."""

from __future__ import annotations

import torch
from coursekit.checking import hidden

from autograder.checks.probe import CLOSE, SINGLE, Probe, same


def _rotation(seed: int, m: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(m, m, generator=generator, dtype=torch.float64))[0]


def _symmetric(seed: int, eigenvalues) -> torch.Tensor:
    """A dense symmetric matrix with these eigenvalues."""
    values = torch.tensor(eigenvalues, dtype=torch.float64)
    Q = _rotation(seed, len(values))
    A = Q @ torch.diag(values) @ Q.T
    return (A + A.T) / 2


def _vectors(seed: int, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, m, generator=generator, dtype=torch.float64))


def _descend(A, b, w, lr, steps):
    path = [w]
    for _ in range(steps):
        path.append(path[-1] - lr * (torch.mv(A, path[-1]) - b))
    return torch.stack(path)


def _asymmetric(expect, probe, arguments) -> None:
    """Everything that takes a matrix refuses one that is not symmetric, in proportion to its entries."""
    A = _symmetric(31, [1.0, 2.0, 4.0])
    for scale in (1.0, 1e6, 1e-6):
        expect.case(f"a matrix of size {scale:g} whose [0, 2] and [2, 0] differ by one part in a million")
        skew = scale * A
        skew[0, 2] += 1e-6 * scale
        probe.refuses("an asymmetric matrix is refused", *arguments(skew), likely="call require_symmetric")
    expect.case("a matrix of shape (2, 3)")
    probe.refuses("a matrix that is not square is refused", *arguments(torch.ones(2, 3).double()))


_PATH = "w - lr * (A @ w - b), from w0; keep a copy of every iterate"


def gd_quadratic(student):
    """Hidden test of `gd_quadratic(A, b, w0, lr, steps) -> [steps + 1, M]`."""
    with hidden("Exercise 3: gradient descent on a quadratic") as expect:
        probe = Probe(expect, student, "A b w0 lr steps", time_limit=10.0)
        matrices = {
            "6 eigenvalues from 0.5 to 6": _symmetric(1, [0.5, 1.0, 1.5, 3.0, 5.0, 6.0]),
            "1 eigenvalue": _symmetric(2, [2.0]),
            "an indefinite A": _symmetric(3, [-1.0, 0.5, 2.0]),
            "a singular A": _symmetric(4, [0.0, 1.0, 2.0, 3.0]),
        }
        for name, A in matrices.items():
            for steps in (0, 1, 7, 30):
                expect.case(f"{name}, {steps} steps")
                b, w0 = _vectors(steps, len(A))
                path = probe(A, b, w0, 0.21, steps).value
                expect.shape(path, (steps + 1, len(A)), "the path", likely="row 0 is w0 itself")
                want = _descend(A, b, w0, 0.21, steps)
                expect.close(same(path)[0], w0, "row 0 of the path, the start", likely=_PATH, **CLOSE)
                expect.close(path, want, "the path", likely=_PATH, **CLOSE)
                expect.dtype(path, torch.float64, "the path")
        A, (b, w0) = matrices["6 eigenvalues from 0.5 to 6"], _vectors(5, 6)
        expect.case("float32")
        path = probe(A.float(), b.float(), w0.float(), 0.21, 7).value
        expect.close(path, _descend(A, b, w0, 0.21, 7), "the path", **SINGLE)
        expect.dtype(path, torch.float32, "the path")
        expect.case("lr = 0")
        expect.equal(probe(A, b, w0, 0.0, 3).value, w0.expand(4, 6), "the path")
        _asymmetric(expect, probe, lambda H: (H, torch.ones(3).double(), torch.ones(3).double(), 0.1, 2))


def gd_closed_form(student):
    """Hidden test of `gd_closed_form(A, b, w0, lr, t) -> [M]`."""
    hint = "z = Q.T (w0 - w_star), each coordinate times (1 - lr * eigenvalue)^t, then back: w_star + Q z"
    with hidden("Exercise 3: the path in closed form") as expect:
        # a loop over ten million steps would take minutes
        probe = Probe(expect, student, "A b w0 lr t", time_limit=3.0)
        for m, A in (
            (6, _symmetric(11, [0.5, 1.0, 1.5, 3.0, 5.0, 6.0])),
            (1, _symmetric(12, [2.0])),
            (3, _symmetric(13, [1.0, 4.0, 9.0])),
        ):
            for t in (0, 1, 2, 7, 50):
                # with lr = 0.3 the largest eigenvalues give a negative factor, so that the sign of z alternates
                for lr in (0.1, 0.21 if m == 3 else 0.3):
                    expect.case(f"M = {m}, dense A, lr = {lr}, t = {t}")
                    b, w0 = _vectors(t, m)
                    got = probe(A, b, w0, lr, t).value
                    expect.shape(got, (m,), "the weights after t steps")
                    want = _descend(A, b, w0, lr, t)[-1]
                    expect.close(got, want, "the weights after t steps", rtol=1e-9, atol=1e-10, likely=hint)
                    expect.dtype(got, torch.float64, "the weights")
        expect.case("M = 3, t = 10 000 000, lr = 1e-7")
        A, (b, w0) = _symmetric(14, [0.5, 1.0, 2.0]), _vectors(6, 3)
        values, Q = torch.linalg.eigh(A)
        w_star = torch.linalg.solve(A, b)
        factor = torch.exp(1e7 * torch.log1p(-1e-7 * values))
        want = w_star + Q @ (factor * (Q.T @ (w0 - w_star)))
        # 1 - 1e-7 is rounded to 16 digits, and the power multiplies the error by 1e7
        got = probe(A, b, w0, 1e-7, 10_000_000).value
        expect.close(got, want, "the weights after t steps", rtol=1e-6, atol=1e-7, likely=hint)
        expect.case("float32")
        A, (b, w0) = _symmetric(15, [1.0, 2.0, 3.0, 4.0]), _vectors(7, 4)
        got = probe(A.float(), b.float(), w0.float(), 0.2, 5).value
        expect.close(got, _descend(A, b, w0, 0.2, 5)[-1], "the weights after t steps", rtol=1e-4, atol=1e-4)
        expect.dtype(got, torch.float32, "the weights")
        _asymmetric(expect, probe, lambda H: (H, torch.ones(3).double(), torch.ones(3).double(), 0.1, 2))


# --- step sizes --------------------------------------------------------------------------------------------

_SPECTRA = ([1.0, 100.0], [0.5, 2.0, 3.0], [3.0], [0.2, 1.0, 1.1, 5.0, 8.0], [4.0, 4.0], [0.01, 0.02, 0.03])


def _number(expect, value, what: str) -> float:
    expect.shape(value, (), f"{what}, one number")
    expect.finite(value, what)
    return float(same(value))


def _indefinite(expect, probe, *more) -> None:
    for case, A in {
        "eigenvalues 1 and -2": _symmetric(41, [1.0, -2.0]),
        "eigenvalues -1 and -2": _symmetric(42, [-1.0, -2.0, -3.0]),
        "diag(1, 0)": torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64)),
    }.items():
        expect.case(case)
        hint = "all eigenvalues must be positive: spectrum() tests it"
        probe.refuses("a matrix that is not positive definite is refused", A, *more, likely=hint)
    _asymmetric(expect, probe, lambda A: (A, *more))


def convergence_rate(student):
    """Hidden test of `convergence_rate(A, lr) -> float`."""
    hint = "the largest |1 - lr * eigenvalue|: the slowest coordinate decides, and its sign does not matter"
    with hidden("Exercise 3: convergence_rate") as expect:
        probe = Probe(expect, student, "A lr", time_limit=10.0)
        for spectrum in _SPECTRA:
            low, high = min(spectrum), max(spectrum)
            for part in (0.01, 0.5, 0.9, 1.1):
                for seed in (1, 2):
                    lr = part * 2 / high
                    expect.case(
                        f"{len(spectrum)} eigenvalues, condition number {high / low:g}, rotated, "
                        f"lr = {part:g} times the largest stable one"
                    )
                    A = _symmetric(seed, spectrum)
                    got = _number(expect, probe(A, lr).value, "the rate")
                    want = max(abs(1 - lr * low), abs(1 - lr * high))
                    expect.close(got, want, "the rate", rtol=1e-9, atol=1e-10, likely=hint)
        for lr in (0.005, 0.02, 0.0225):
            expect.case(f"eigenvalues 1, 3 and 90, rotated: the path itself, lr = {lr}")
            A = _symmetric(3, [1.0, 3.0, 90.0])
            z = _descend(A, torch.zeros(3).double(), torch.ones(3).double(), lr, 300)
            measured = (z[300].norm() / z[299].norm()).item()
            got = _number(expect, probe(A, lr).value, "the rate")
            what = "the rate, against the shrinkage of the error measured after 300 steps"
            expect.close(got, measured, what, rtol=1e-3, atol=0, likely=hint)
        _indefinite(expect, probe, 0.1)


def _step_size(expect, student, what: str, formula, hint: str):
    probe = Probe(expect, student, "A", time_limit=10.0)
    for spectrum in _SPECTRA:
        for seed in (1, 2):
            expect.case(f"{len(spectrum)} eigenvalues from {min(spectrum):g} to {max(spectrum):g}, rotated")
            got = _number(expect, probe(_symmetric(seed, spectrum)).value, what)
            expect.close(got, formula(min(spectrum), max(spectrum)), what, rtol=1e-9, atol=1e-12, likely=hint)
    return probe


def optimal_lr(student):
    """Hidden test of `optimal_lr(A) -> float`."""
    hint = "where the smallest and the largest eigenvalue shrink equally fast; the others do not matter"
    with hidden("Exercise 3: optimal_lr") as expect:
        probe = _step_size(expect, student, "the best step size", lambda low, high: 2 / (low + high), hint)
        expect.case("all eigenvalues equal: one step is enough")
        A, (b, w0) = 3.7 * torch.eye(4, dtype=torch.float64), _vectors(8, 4)
        lr = _number(expect, probe(A).value, "the best step size")
        w = w0 - lr * (A @ w0 - b)
        expect.close(A @ w, b, "A w after one step of this size, against b", likely=hint, **CLOSE)
        expect.case("condition number 100: the number of steps until the error is a millionth")
        A = _symmetric(9, [1.0, 100.0])
        lr = _number(expect, probe(A).value, "the best step size")
        start = torch.linalg.eigh(A)[1].sum(1)
        sizes = _descend(A, torch.zeros(2).double(), start, lr, 800).norm(dim=1)
        steps = int((sizes <= 1e-6 * sizes[0]).double().argmax())
        expect.true(690 <= steps <= 692, f"{steps} steps are not what the best step size needs", likely=hint)
        _indefinite(expect, probe)


def max_stable_lr(student):
    """Hidden test of `max_stable_lr(A) -> float`."""
    hint = "|1 - lr * eigenvalue| < 1 must hold for the steepest direction, the largest eigenvalue"
    with hidden("Exercise 3: max_stable_lr") as expect:
        probe = _step_size(expect, student, "the largest stable step size", lambda low, high: 2 / high, hint)
        A = _symmetric(10, [0.5, 2.0, 7.0])
        lr = _number(expect, probe(A).value, "the largest stable step size")
        zero, one = torch.zeros(3).double(), torch.ones(3).double()
        for part, word in ((0.99, "below"), (1.01, "above")):
            expect.case(f"1 % {word} the returned step size")
            sizes = _descend(A, zero, one, part * lr, 400).norm(dim=1)
            right = sizes[-1] < sizes[200] if part < 1 else sizes[-1] > sizes[200]
            fate = "converges" if part < 1 else "diverges"
            expect.true(right, f"{word} the largest stable step size the path {fate}; here not", likely=hint)
        _indefinite(expect, probe)


def newton_step(student):
    """Hidden test of `newton_step(grad, hess) -> [M]`, the increment."""
    with hidden("Exercise 3: Newton's step") as expect:
        probe = Probe(expect, student, "grad hess", time_limit=10.0)
        hint = "the increment s solves hess @ s = -grad; it is ADDED to the weights"
        for name, A in {
            "5 positive eigenvalues": _symmetric(51, [0.5, 1.0, 2.0, 4.0, 8.0]),
            "1 eigenvalue": _symmetric(52, [3.0]),
            "an indefinite Hessian": _symmetric(53, [-2.0, 1.0, 5.0]),
            "a negative definite Hessian": _symmetric(54, [-2.0, -1.0]),
        }.items():
            expect.case(f"{name}, one step on the quadratic with this Hessian")
            b, w = _vectors(55, len(A))
            step = probe(A @ w - b, A).value
            expect.shape(step, (len(A),), "the increment")
            w_star = torch.linalg.solve(A, b)
            expect.close(w + same(step), w_star, "the weights after the step", likely=hint, **CLOSE)
            expect.dtype(step, torch.float64, "the increment")
        expect.case("float32")
        A, (b, w) = _symmetric(56, [1.0, 2.0, 3.0]), _vectors(57, 3)
        step = probe((A @ w - b).float(), A.float()).value
        expect.close(step, torch.linalg.solve(A, b - A @ w), "the increment", rtol=1e-4, atol=1e-4)
        expect.dtype(step, torch.float32, "the increment")

        expect.case("a Hessian whose diagonal runs from 1e-4 to 1e4")
        scale = torch.tensor([1e-2, 1.0, 1e2], dtype=torch.float64)
        H = scale[:, None] * _symmetric(58, [0.5, 1.0, 2.0]) * scale
        H = (H + H.T) / 2
        want = _vectors(59, 3)[0] / scale
        # condition number about 1e8, so 8 of 16 digits are left
        got = probe(-(H @ want), H).value
        hint = "solve the linear system, with nothing added to the Hessian and no eigenvalue dropped"
        expect.close(got, want, "the increment", rtol=1e-6, atol=0, likely=hint)
        _asymmetric(expect, probe, lambda H: (torch.ones(3).double(), H))


def critical_point(student):
    """Hidden test of `classify_critical_point(H, tol=1e-8) -> str`."""
    with hidden("Exercise 3: critical points") as expect:
        probe = Probe(expect, student, "H tol", time_limit=10.0)

        def test(case, H, kind, *more, likely):
            expect.case(case)
            got = probe(H, *more).value
            expect.true(isinstance(got, str), "classify_critical_point must return a text")
            expect.true(got == kind, f"the answer {got!r} is not right", likely=likely)

        signs = "look at the signs of all eigenvalues, not at the diagonal, the trace or the determinant"
        for scale in (1.0, 1e-6, 1e6):
            for spectrum, kind in (
                ([1.0, 2.0], "minimum"),
                ([0.1, 0.2, 0.3, 4.0], "minimum"),
                ([3.0], "minimum"),
                ([-1.0, -2.0], "maximum"),
                ([-3.0], "maximum"),
                ([-0.1, -2.0, -5.0], "maximum"),
                ([1.0, -1.0], "saddle"),
                ([-0.1, 5.0, 6.0], "saddle"),
                ([-5.0, -6.0, 0.1], "saddle"),
                ([-1.0, -2.0, 3.0, 4.0], "saddle"),
            ):
                H = _symmetric(len(spectrum), [scale * v for v in spectrum])
                test(f"rotated, size {scale:g}, {len(spectrum)} eigenvalues", H, kind, likely=signs)
        flat = "an eigenvalue of at most tol times the largest |eigenvalue| counts as zero: the kind is degenerate"
        for diagonal, more, kind in (
            ([1.0, 0.0], (), "degenerate"),
            ([-1.0, 0.0], (), "degenerate"),
            ([1.0, -1.0, 0.0], (), "degenerate"),
            ([1.0, 1e-12], (), "degenerate"),
            ([-1.0, 1e-12], (), "degenerate"),
            ([1.0, -1e-12], (), "degenerate"),
            ([-1e4, 1e-6], (), "degenerate"),
            ([1e4, 1e-3], (), "minimum"),
            ([1e-12, 2e-12], (), "minimum"),
            ([1.0, 5e-9], (), "degenerate"),
            ([1.0, 3e-8], (), "minimum"),
            ([0.0, 0.0, 0.0], (), "degenerate"),
            ([1.0, 0.05], (0.1,), "degenerate"),
            ([1.0, -0.05], (0.1,), "degenerate"),
            ([1.0, 0.05], (0.01,), "minimum"),
            ([1.0, 1e-12], (1e-14,), "minimum"),
        ):
            tol = f", tol={more[0]:g}" if more else ""
            H = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
            test(f"diag{tuple(diagonal)}{tol}", H, kind, *more, likely=flat)
        _asymmetric(expect, probe, lambda H: (H,))
