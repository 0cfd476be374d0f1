"""Exercise 4: whitening. The oracle is the singular value decomposition of the centred data.

The variance may be the biased or the unbiased one, and the sign of an eigenvector is arbitrary: what came is
compared with the nearest of these.
"""

from __future__ import annotations

import torch
from coursekit.checking import hidden

from autograder.checks.probe import same
from autograder.testing import observe

# float64; the variances of the data span a factor of 1000
_CLOSE = {"rtol": 1e-7, "atol": 1e-8}
_STORED = "transform uses what fit has stored, mean and scale, and computes nothing from its own input"


def _data(n: int = 4000, shift: float = 3.0, seed: int = 41) -> torch.Tensor:
    """Correlated, shifted data [n, 6] with variances of very different size."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    mix = mix * torch.tensor([2.0, 0.1, 1.0, 0.5, 0.3, 3.0], dtype=torch.float64)[:, None]
    return torch.randn(n, 6, generator=generator, dtype=torch.float64) @ mix + shift


def _oracle(method: str, X, eps: float, correction: int, components: int | None = None):
    """(mean, map [D, C]) by SVD."""
    mean = X.mean(0)
    if method == "standardize":
        return mean, torch.diag(1 / (X.var(0, correction=correction) + eps).sqrt())
    _, s, rows = torch.linalg.svd(X - mean, full_matrices=False)
    scale = (s**2 / (len(X) - correction) + eps).sqrt()[:components]
    forward = rows[:components].T / scale
    return mean, forward @ rows if method == "zca" else forward


def _fitted(expect, Whitener, method: str, X, **options):
    whitener = Whitener(method, **options)
    seen = observe(whitener.fit, X)
    expect.equal(seen.args[0], X, "X after fit", likely="an operation in place: center a copy")
    expect.true(seen.value is not None, "fit must return self", likely="end fit with `return self`")
    return seen.value


def _transform(expect, whitener, X, width: int):
    seen = observe(whitener.transform, X)
    expect.equal(seen.args[0], X, "X after transform", likely="an operation in place: center a copy")
    expect.shape(seen.value, (len(X), width), "the transformed data")
    expect.finite(seen.value, "the transformed data")
    expect.dtype(seen.value, X.dtype, "the transformed data")
    return same(seen.value)


def _compare(expect, Z, X, fits, what: str, hint: str, signs: bool = False, close=_CLOSE) -> None:
    """Z against the nearest of the oracles; with `signs` each column up to its sign."""
    wanted = []
    for mean, forward in fits:
        want = (X - mean) @ forward
        if signs:
            flip = torch.where((Z * want).sum(0) < 0, -1.0, 1.0).double()
            want = want * flip
        wanted.append(want)
    want = min(wanted, key=lambda w: float((w - Z).norm()))
    expect.close(Z, want, what, likely=hint, **close)


def _check_map(expect, Whitener, method: str, hint: str, eps: float, components: int | None = None) -> None:
    """The map on the training data and on new data that come from elsewhere."""
    X, new = _data(), _data(7, shift=-20.0, seed=42) * 2
    options = {"eps": eps, **({} if components is None else {"n_components": components})}
    width = components or 6
    whitener = _fitted(expect, Whitener, method, X, **options)
    fits = [_oracle(method, X, eps, correction, components) for correction in (0, 1)]
    Z = _transform(expect, whitener, X, width)
    signs = method == "pca"
    _compare(expect, Z, X, fits, "the transformed training data", hint, signs)
    mixed = torch.cat([X, new])  # with the training data in front the signs are known
    aligned = [(mean, forward * _signs(Z, (X - mean) @ forward)) for mean, forward in fits] if signs else fits
    for rows, name in ((new, "7 new rows from elsewhere"), (mixed, "training data and new rows together")):
        got = _transform(expect, whitener, rows, width)
        _compare(expect, got, rows, aligned, f"the transform of {name}", _STORED, close=_CLOSE)
    _compare(expect, _transform(expect, whitener, new[:1], width), new[:1], aligned, "a single new row", _STORED)


def _signs(Z, want):
    return torch.where((Z * want).sum(0) < 0, -1.0, 1.0).double()


def _white(expect, Z, what: str) -> None:
    expect.close(Z.mean(0), torch.zeros(Z.shape[1]), "the mean of each column", rtol=0, atol=1e-9)
    # N and N - 1 differ by 2.5e-4 for 4000 rows
    expect.close(Z.T @ Z / len(Z), torch.eye(Z.shape[1]), "the covariance", rtol=0, atol=1e-3, likely=what)


def _variances(expect, Whitener, method: str, X, directions, variances) -> None:
    """eps is added to the variances, before the root: along `directions` what is left is d / (d + eps)."""
    for eps in (0.1, 2.0):
        expect.case(f"method={method!r}, eps={eps}")
        Z = _transform(expect, _fitted(expect, Whitener, method, X, eps=eps), X, 6)
        got = (Z @ directions).var(0, correction=0)
        hint = "divide by sqrt(variance + eps): eps is added to the variance, not to its root"
        expect.close(got, variances / (variances + eps), "the variances", rtol=2e-3, atol=0, likely=hint)


def _edge_cases(expect, Whitener, method: str) -> None:
    """A constant feature, fewer rows than features, float32, fitting again, two at a time, refusals."""
    X = _data(50, seed=43)
    X[:, 2] = 7.0
    expect.case(f"method={method!r}, a constant feature, default eps")
    _transform(expect, _fitted(expect, Whitener, method, X), X, 6)
    expect.case(f"method={method!r}, 4 rows of 6 features, default eps")
    few = _data(4, seed=44)
    Z = observe(_fitted(expect, Whitener, method, few).transform, few).value
    expect.finite(Z, "the transformed data", likely="the smallest eigenvalues are 0 up to rounding")

    expect.case(f"method={method!r}, variances of 1e-5, default eps")
    tiny = _data(4000, shift=0.0, seed=45)
    tiny = tiny / tiny.std(0) * 1e-5**0.5 if method == "standardize" else _sphere(tiny) * 1e-5**0.5
    Z = _transform(expect, _fitted(expect, Whitener, method, tiny), tiny, 6)
    hint = "the default eps is 1e-5, and it is added to the variance"
    expect.close(Z.var(0), torch.full((6,), 0.5), "the variances", rtol=2e-3, atol=0, likely=hint)

    expect.case(f"method={method!r}, float32")
    X = _data(300, seed=46)
    Z = _transform(expect, _fitted(expect, Whitener, method, X.float(), eps=0.1), X.float(), 6)
    fits = [_oracle(method, X, 0.1, correction) for correction in (0, 1)]
    close = {"rtol": 1e-3, "atol": 2e-3}  # float32, a covariance, an eigen-decomposition
    _compare(expect, Z, X, fits, "the transformed data", "", method == "pca", close)

    expect.case(f"method={method!r}, fit called twice, and two objects in turn")
    A, B = _data(30, seed=47), _data(30, shift=-9.0, seed=48)
    one = _fitted(expect, Whitener, method, A)
    one = observe(one.fit, B).value
    other = _fitted(expect, Whitener, method, A)
    fresh = _fitted(expect, Whitener, method, B)
    got = _transform(expect, one, B, 6)
    hint = "what fit learns belongs to the object (self), and a second fit replaces the first"
    expect.close(got, _transform(expect, fresh, B, 6), "transform after a second fit", likely=hint, **_CLOSE)
    expect.true(not torch.allclose(got, _transform(expect, other, B, 6)), "two objects share what they learn")

    for name in ("transform", "inverse_transform"):
        expect.case(f"method={method!r}, {name} before fit")
        expect.raises(RuntimeError, getattr(Whitener(method), name), A, what=f"{name} before fit is refused")
    for width in (5, 7, 1):
        expect.case(f"method={method!r}, fitted on 6 features, data of {width}")
        what = "data of another width than in fit are refused"
        expect.raises(ValueError, one.transform, torch.ones(3, width).double(), what=what)
    if method != "pca":
        expect.case(f"method={method!r}, n_components=2")
        what = "n_components with another method than pca is refused in __init__"
        expect.raises(ValueError, Whitener, method, n_components=2, what=what)


def _sphere(X):
    """The same rows, rotated and scaled to a covariance of exactly 1."""
    mean, forward = _oracle("zca", X, 0.0, 0)
    return (X - mean) @ forward


def whitener_standardize(Whitener):
    """Hidden test of `Whitener("standardize")`."""
    hint = "subtract the mean over the ROWS, divide by sqrt(variance + eps), feature by feature"
    with hidden("Exercise 4: standardize") as expect:
        X = _data()
        expect.case("4000 rows of 6 correlated features, eps=0")
        Z = _transform(expect, _fitted(expect, Whitener, "standardize", X, eps=0.0), X, 6)
        expect.close(Z.mean(0), torch.zeros(6), "the mean of each column", rtol=0, atol=1e-9, likely=hint)
        expect.close(Z.var(0), torch.ones(6), "the variance of each column", rtol=0, atol=1e-3, likely=hint)
        variances = X.var(0, correction=0)
        _variances(expect, Whitener, "standardize", X, torch.eye(6).double(), variances)
        for eps in (0.0, 0.1):
            expect.case(f"eps={eps}")
            _check_map(expect, Whitener, "standardize", hint, eps)
        _edge_cases(expect, Whitener, "standardize")
        for method in ("white", "PCA", ""):
            expect.case(f"method={method!r}")
            expect.raises(ValueError, Whitener, method, what="an unknown method is refused in __init__")


def whitener_pca(Whitener):
    """Hidden test of `Whitener("pca")`."""
    hint = "project the centred data on the eigenvectors (columns of Q), then divide by sqrt(eigenvalue + eps)"
    order = "the components of LARGEST variance come first: eigh sorts its eigenvalues ascending"
    with hidden("Exercise 4: PCA whitening") as expect:
        X = _data()
        expect.case("4000 rows of 6 correlated features, eps=0")
        Z = _transform(expect, _fitted(expect, Whitener, "pca", X, eps=0.0), X, 6)
        _white(expect, Z, hint)
        expect.case("how much of the data's variance each component explains")
        explained = ((X - X.mean(0)).T @ Z / len(X)).norm(dim=0)
        expect.true((explained.diff() < 0).all(), "the components do not come by variance", likely=order)
        values = torch.linalg.eigvalsh((X - X.mean(0)).T @ (X - X.mean(0)) / len(X))
        # component i of Z varies along eigenvector 6 - i; no rotation is needed to compare the variances
        _variances(expect, Whitener, "pca", X, torch.eye(6).double(), values.flip(0))
        for eps, components in ((0.0, None), (0.1, None), (0.0, 2), (0.1, 3), (0.0, 6), (0.0, 1)):
            number = "" if components is None else f", n_components={components}"
            expect.case(f"eps={eps}{number}")
            _check_map(expect, Whitener, "pca", hint if components is None else order, eps, components)
        _edge_cases(expect, Whitener, "pca")
        expect.case("n_components=7 of 6 features")
        too_many = Whitener("pca", n_components=7)
        expect.raises(ValueError, too_many.fit, X[:20], what="n_components > D is refused by fit")


def whitener_zca(Whitener):
    """Hidden test of `Whitener("zca")`."""
    hint = "ZCA is PCA whitening turned back: Q (Lambda + eps)^(-1/2) Q^T (x - mean)"
    with hidden("Exercise 4: ZCA whitening") as expect:
        X = _data()
        expect.case("4000 rows of 6 correlated features, eps=0")
        Z = _transform(expect, _fitted(expect, Whitener, "zca", X, eps=0.0), X, 6)
        _white(expect, Z, hint)
        centred = X - X.mean(0)
        cross = centred.T @ Z / len(X)
        expect.close(cross, cross.T, "the covariance of x and z, which is symmetric", likely=hint, **_CLOSE)
        distance = (centred - Z).pow(2).mean()
        generator = torch.Generator().manual_seed(4)
        for _ in range(50):
            R = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
            rotated = (centred - Z @ R).pow(2).mean()
            expect.true(distance < rotated, "a rotation brings Z closer to the original data", likely=hint)
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(X))
        _variances(expect, Whitener, "zca", X, vectors, values)
        for eps in (0.0, 0.1):
            expect.case(f"eps={eps}")
            _check_map(expect, Whitener, "zca", hint, eps)
        _edge_cases(expect, Whitener, "zca")


def whitener_inverse(Whitener):
    """Hidden test of `inverse_transform`, with and without dropped components."""
    back = "undo the steps in reverse order, with the same eps: scale back, turn back, add the mean"
    with hidden("Exercise 4: inverse_transform") as expect:
        X, new = _data(500, seed=49), _data(7, shift=-5.0, seed=50)
        for method in ("standardize", "pca", "zca"):
            for eps in (0.0, 0.3):
                expect.case(f"method={method!r}, eps={eps}, all components")
                whitener = _fitted(expect, Whitener, method, X, eps=eps)
                for rows, name in ((X, "the training data"), (new, "new data"), (new[:1], "a single row")):
                    got = _back(expect, whitener, rows, 6)
                    expect.close(got, rows, f"there and back, {name}", likely=back, **_CLOSE)
        mean = X.mean(0)
        rows = torch.linalg.svd(X - mean, full_matrices=False)[2]
        for components in (1, 2, 5):
            for eps in (0.0, 0.3):
                expect.case(f"method='pca', n_components={components}, eps={eps}")
                whitener = _fitted(expect, Whitener, "pca", X, eps=eps, n_components=components)
                kept = rows[:components]
                for points, name in ((X, "the training data"), (new, "new data")):
                    want = mean + (points - mean) @ kept.T @ kept
                    got = _back(expect, whitener, points, components)
                    what = f"there and back, {name}: the best reconstruction with so few components"
                    expect.close(got, want, what, likely=back, **_CLOSE)


def _back(expect, whitener, rows, width: int):
    Z = _transform(expect, whitener, rows, width)
    seen = observe(whitener.inverse_transform, Z)
    expect.equal(seen.args[0], Z, "Z after inverse_transform", likely="an operation in place")
    expect.dtype(seen.value, rows.dtype, "the result of inverse_transform")
    return seen.value
