"""Wrong answers to exercise 1: principal components."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_fit = wrongs_of("ex1-pca-fit")
_codes = wrongs_of("ex1-pca-codes")
_EIGH = "variances, axes = torch.linalg.eigh(centred.T @ centred / N)  # ascending"
_RETURN = "return mean, axes.flip(1)[:, :m], variances.flip(0)[:m]"

MISCONCEPTIONS = [
    _fit(
        "not-centred",
        ("centred = X - mean", "centred = X"),
        says="subtract the mean before the covariance",
        hint="Without centring the largest direction is the one towards the mean, which tells no two points apart.",
    ),
    _fit(
        "n-minus-one",
        ("centred.T @ centred / N", "centred.T @ centred / (N - 1)"),
        says="the factor 1/N",
        hint="Here the covariance is the mean over these N points: divide by N.",
    ),
    _fit(
        "smallest-directions",
        (_RETURN, "return mean, axes[:, :m], variances[:m]"),
        says="ASCENDING",
        hint="eigh sorts ascending: these are the directions in which least happens.",
    ),
    _fit(
        "variances-ascending",
        (_RETURN, "return mean, axes.flip(1)[:, :m], variances[-m:]"),
        says="largest first",
        hint="The variances must be in the order of the columns of W, largest first.",
    ),
    _fit(
        "rows-instead-of-columns",
        (_RETURN, "return mean, axes.flip(1)[:, :m].T, variances.flip(0)[:m]"),
        says="[n, m]",
        hint="The directions are the COLUMNS of W.",
    ),
    _fit(
        "flips-the-rows",
        (_RETURN, "return mean, axes.flip(0)[:, :m], variances.flip(0)[:m]"),
        says="COLUMNS of the eigenvectors",
        hint="Eigenvectors are the columns: flip axis 1. Flipping axis 0 turns every vector upside down.",
    ),
    _fit(
        "left-singular-vectors",
        (_EIGH, "U, s, V = torch.linalg.svd(centred.T @ centred / N @ centred.T, full_matrices=False)"),
        (_RETURN, "return mean, V.T[:, :m], s[:m]"),
        says="[n, m]",
        hint="Those are directions in the space of the N examples; the components live in the space of the n features.",
    ),
    _fit(
        "singular-values",
        (_EIGH, "_, s, V = torch.linalg.svd(centred, full_matrices=True)"),
        (_RETURN, "var = torch.zeros(n, dtype=X.dtype)\n    var[: len(s)] = s\n    return mean, V.T[:, :m], var[:m]"),
        says="the variances",
        hint="The variance is the square of the singular value, divided by N.",
    ),
    _fit(
        "squares-without-1-over-n",
        (_EIGH, "_, s, V = torch.linalg.svd(centred, full_matrices=True)"),
        (
            _RETURN,
            "var = torch.zeros(n, dtype=X.dtype)\n    var[: len(s)] = s**2\n    return mean, V.T[:, :m], var[:m]",
        ),
        says="the variances",
        hint="s² adds up over the N points; the variance is its mean.",
    ),
    _fit(
        "m-not-tested",
        ("if not 1 <= m <= n:", "if m < 1:"),
        says="ValueError",
        hint="A slice beyond the end is shorter without a word: test m against n.",
    ),
    _codes(
        "mean-forgotten-in-decode",
        ("return mean + Z @ W.T", "return Z @ W.T"),
        says="add the mean",
        hint="The code describes the point relative to the mean: add it again.",
    ),
    _codes(
        "mean-of-the-batch",
        ("return (X - mean) @ W", "return (X - X.mean(dim=0)) @ W"),
        says="not",
        hint="New points must be coded as the training points were: with the mean that is given.",
    ),
    _codes(
        "not-centred",
        ("return (X - mean) @ W", "return X @ W"),
        says="mean",
        hint="Subtract the mean first: z = W^T (x - mean).",
    ),
]
