"""Exercise 1: principal components. The oracle is the SVD of the centred data."""

from __future__ import annotations

import torch
from coursekit.checking import hidden

from autograder.checks.autoencoders.noise import normal, orthonormal
from autograder.checks.probe import CLOSE, Probe, dtype_name, same

FORBIDDEN = ("torch.pca_lowrank", "torch.svd_lowrank")
_SPECTRUM = (9.0, 5.0, 2.0, 0.5, 0.1, 0.01)
_SORTED = "eigh sorts the eigenvalues ASCENDING: the largest, with their COLUMNS of the eigenvectors, come last"


def _data(seed: int, rows: int, spectrum=_SPECTRUM, shift=0.0, dtype=torch.float64) -> torch.Tensor:
    """Points with about this spectrum along random axes."""
    n = len(spectrum)
    x = normal(seed, rows, n) * torch.tensor(spectrum, dtype=torch.float64).sqrt()
    return (x @ orthonormal(seed + 1, n, n).T + shift).to(dtype)


def _oracle(X: torch.Tensor):
    """Mean, axes as columns, variances (1/N), largest first."""
    X = X.double()
    _, s, axes = torch.linalg.svd(X - X.mean(dim=0), full_matrices=True)
    variances = torch.zeros(X.shape[1], dtype=torch.float64)
    variances[: len(s)] = s**2 / len(X)
    return X.mean(dim=0), axes.T, variances


def _compare(expect, probe, X, m, scale=1.0, tol=1e-6) -> None:
    mean, axes, variances = _oracle(X)
    came = probe(X, m).value
    expect.true(
        isinstance(came, list) and len(came) == 3, "pca_fit must return three tensors: the mean, W and the variances"
    )
    expect.close(came[0], mean, "the mean", rtol=tol, atol=tol * scale)
    n = X.shape[1]
    expect.shape(came[1], (n, m), "W", likely="one column for each direction: [n, m]")
    expect.shape(came[2], (m,), "the variances")
    for tensor, name in zip(came, ("the mean", "W", "the variances"), strict=True):
        expect.dtype(tensor, X.dtype, name)
        expect.finite(tensor, name)
    W, var = same(came[1]), same(came[2])
    unit = torch.eye(m, dtype=torch.float64)
    expect.close(W.T @ W, unit, "W^T W", rtol=0, atol=max(1e-8, tol), likely="the columns of W must be orthonormal")
    hint = f"subtract the mean before the covariance. {_SORTED}"
    right = axes[:, :m] @ axes[:, :m].T
    expect.close(W @ W.T, right, "the projector W W^T on the principal subspace", rtol=0, atol=10 * tol, likely=hint)
    hint = "eigenvalues of the covariance with the factor 1/N, largest first"
    expect.close(var, variances[:m], "the variances", rtol=tol, atol=tol * scale, likely=hint)
    mean_square = ((X.double() - mean) @ W).pow(2).mean(dim=0)
    expect.close(var, mean_square, "the variances, compared with those of the codes", rtol=10 * tol, atol=tol * scale)


def pca_fit(student):
    """Hidden test of `pca_fit(X, m)`."""
    with hidden("Exercise 1: pca_fit") as expect:
        probe = Probe(expect, student, "X m", forbidden=FORBIDDEN, time_limit=20.0)
        for m in (1, 2, 4, 6):
            expect.case(f"60 points in 6-D, m = {m}")
            _compare(expect, probe, _data(10, 60), m)
        expect.case("7 points in 3-D, m = 2: 1/N and 1/(N-1) differ by a sixth")
        _compare(expect, probe, _data(11, 7, (4.0, 1.0, 0.2)), 2)
        expect.case("60 points in 6-D, float32, m = 3")
        _compare(expect, probe, _data(12, 60, dtype=torch.float32), 3, tol=2e-5)

        expect.case("every coordinate has a mean near 1000")
        _compare(expect, probe, _data(13, 50, shift=1000.0), 2, scale=10.0, tol=1e-6)
        expect.case("the mean lies far out along the direction of least variance")
        axes = orthonormal(15, 6, 6)
        _compare(expect, probe, _data(14, 50, shift=20 * axes[:, -1]), 2)

        for m in range(1, 7):
            expect.case(f"60 points in 6-D, the error with m = {m}")
            X = _data(10, 60)
            mean, _, variances = _oracle(X)
            W = same(probe(X, m).value[1])
            error = (X - mean - (X - mean) @ W @ W.T).pow(2).sum(dim=1).mean()
            what = "the mean squared error of the reconstructions, which must be the sum of the eigenvalues left out"
            expect.close(error, variances[m:].sum(), what, rtol=1e-6, atol=1e-9, likely=_SORTED)

        expect.case("5 points in 12-D, m = 4: all of them, exactly")
        X = normal(16, 5, 12)
        mean, W, _ = (same(t) for t in probe(X, 4).value)
        expect.finite(
            W, "W", likely="fewer points than dimensions leave eigenvalues of 0: nothing may be divided by them"
        )
        error = (X - mean - (X - mean) @ W @ W.T).pow(2).sum(dim=1).mean()
        expect.close(error, 0.0, "the error of 5 points in a subspace of 4 dimensions", rtol=0, atol=1e-9)

        expect.case("the data turned: the subspace turns with them")
        X, turn = _data(17, 60), orthonormal(18, 6, 6)
        before, after = (same(probe(points, 2).value[1]) for points in (X, X @ turn.T))
        expect.close(after @ after.T, turn @ before @ before.T @ turn.T, "the projector", rtol=0, atol=1e-6)

        expect.case("X that does not lie in one piece in memory")
        expect.close(
            probe(_data(10, 60), 2, apart=True).value[2], _oracle(_data(10, 60))[2][:2], "the variances", rtol=1e-6
        )
        X = _data(19, 8, (3.0, 2.0, 1.0))
        for bad, m in ((X[0], 1), (X[None], 1), (X, 0), (X, -1), (X, 4)):
            expect.case(f"X of shape {tuple(bad.shape)}, m = {m}")
            probe.refuses("X must have two axes, and m lie in 1 ... n", bad, m)


def pca_codes(encode, decode):
    """Hidden test of `pca_encode(X, mean, W)` and `pca_decode(Z, mean, W)`, with means and directions of the test's."""
    with hidden("Exercise 1: codes and reconstructions") as expect:
        inward = Probe(expect, encode, "X mean W", time_limit=10.0)
        outward = Probe(expect, decode, "Z mean W", time_limit=10.0)
        for dtype, close in ((torch.float64, CLOSE), (torch.float32, {"rtol": 1e-4, "atol": 1e-4})):
            for rows, n, m in ((7, 5, 2), (1, 4, 3), (6, 3, 3)):
                expect.case(f"{rows} new points, n = {n}, m = {m}, {dtype_name(dtype)}")
                mean, W = (3 * normal(20, n)).to(dtype), orthonormal(21, n, m).to(dtype)
                X, Z = normal(22, rows, n, dtype=dtype), normal(23, rows, m, dtype=dtype)
                hint = "subtract the mean that is GIVEN, not the one of this batch, then multiply by W"
                z = inward(X, mean, W).value
                expect.close(z, (X - mean) @ W, "the codes", likely=hint, **close)
                expect.dtype(z, dtype, "the codes")
                x = outward(Z, mean, W).value
                expect.close(x, mean + Z @ W.T, "the reconstructions", likely="mean + W z: add the mean again", **close)
                expect.dtype(x, dtype, "the reconstructions")
