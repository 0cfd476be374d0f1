"""Wrong answers to exercise 4: whitening."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_standardize = wrongs_of("ex4-whitener", "ex4-whitener-standardize-test")
_pca = wrongs_of("ex4-whitener", "ex4-whitener-pca-test")
_zca = wrongs_of("ex4-whitener", "ex4-whitener-zca-test")
_inverse = wrongs_of("ex4-whitener", "ex4-whitener-inverse-test")

_TRANSFORM = "return (X - self.mean) @ self.forward"
_SCALE = "scale = (variances.clamp(min=0) + self.eps).sqrt()"
_FLIP = "variances.flip(0)[: self.n_components], axes.flip(1)[:, : self.n_components]"

MISCONCEPTIONS = [
    _standardize(
        "statistics-of-the-data-being-transformed",
        (_TRANSFORM, "return (X - X.mean(dim=0)) @ self.forward"),
        says="computes nothing",
        hint="Test data go through the map of the training data: use self.mean, not the mean of what comes in.",
    ),
    _standardize(
        "fits-again-in-transform",
        (_TRANSFORM, "self.fit(X)\n        return (X - self.mean) @ self.forward"),
        says="transform uses the mean and variance that fit has stored",
        hint="transform must not fit: a batch of test data has other statistics, and a single row has none.",
    ),
    _standardize(
        "mean-over-the-features",
        ("self.mean = X.mean(dim=0)", "self.mean = X.mean(dim=1, keepdim=True)"),
        says="your code raised an exception",
        hint="dim=1 averages the features of one example. Each feature has its mean over the examples: dim=0.",
    ),
    _standardize(
        "divides-by-the-variance",
        (_SCALE, _SCALE.replace(".sqrt()", "")),
        says="divide by the root of the variance",
        hint="The standard deviation is the root of the variance.",
    ),
    _standardize(
        "eps-added-to-the-deviation",
        (_SCALE, "scale = variances.clamp(min=0).sqrt() + self.eps"),
        says="eps is added to the variance, not to its root",
        hint="eps goes under the root, to the variance.",
    ),
    _standardize(
        "not-centred",
        (_TRANSFORM, "return X @ self.forward"),
        says="the mean of each column",
        hint="Subtract the mean first.",
    ),
    _standardize(
        "centres-the-caller-s-data",
        (
            "covariance = (X - self.mean).T @ (X - self.mean) / len(X)",
            "X -= self.mean\n        covariance = X.T @ X / len(X)",
        ),
        says="X after fit",
        hint="`X -= ...` changes the caller's data. Write `centred = X - self.mean`.",
    ),
    _standardize(
        "fit-returns-nothing",
        (
            "            self.forward, self.backward = self.forward @ axes.T, axes @ self.backward\n"
            "        return self",
            "            self.forward, self.backward = self.forward @ axes.T, axes @ self.backward",
        ),
        says="None",
        hint="fit returns self, so that Whitener(...).fit(X).transform(X) works.",
    ),
    _standardize(
        "unknown-method-passes",
        ('method not in ("standardize", "pca", "zca") or (', "("),
        says='the method "white"',
        hint="A typing error in the method must be told at once: refuse unknown names in __init__.",
    ),
    _standardize(
        "one-scale-for-all-features",
        (
            "variances, axes = covariance.diagonal(),",
            "variances, axes = covariance.diagonal().mean().expand(X.shape[1]),",
        ),
        says="the columns must have variance 1",
        hint="Every feature is divided by its own standard deviation.",
    ),
    _standardize(
        "other-widths-broadcast",
        ("if X.ndim != 2 or X.shape[1] != len(self.mean):", "if X.ndim != 2 or X.shape[1] > len(self.mean):"),
        says="data of another width than in fit are refused",
        hint="A single column would broadcast against the mean: compare the width exactly.",
    ),
    _pca(
        "smallest-components",
        (_FLIP, "variances[: self.n_components], axes[:, : self.n_components]"),
        says="eigh sorts the eigenvalues in ascending order",
        hint="eigh sorts ascending: the components of largest variance stand at the end.",
    ),
    _pca(
        "eigenvalues-turned-but-not-the-vectors",
        (_FLIP, "variances.flip(0)[: self.n_components], axes[:, : self.n_components]"),
        says="divide by the ROOT of its eigenvalues",
        hint="Eigenvalues and eigenvectors must be reordered together.",
    ),
    _pca(
        "divides-by-the-eigenvalue",
        (_SCALE, _SCALE.replace(".sqrt()", "")),
        says="divide by the ROOT of its eigenvalues",
        hint="The eigenvalue is the variance along its direction; divide by its root.",
    ),
    _pca(
        "multiplies-by-e-where-e-transposed-belongs",
        (
            "self.forward, self.backward = axes / scale, (axes * scale).T",
            "self.forward, self.backward = axes.T[:, : len(scale)] / scale, (axes * scale).T",
        ),
        says="the covariance of the whitened points",
        hint="Q^T x for a column x is x Q for a row x: the eigenvectors are the columns of Q.",
    ),
    _pca(
        "rotated-but-not-scaled",
        ("self.forward, self.backward = axes / scale,", "self.forward, self.backward = axes,"),
        says="the covariance of the whitened points",
        hint="PCA alone only turns the axes; whitening also divides each component by its standard deviation.",
    ),
    _pca(
        "eps-added-to-the-root",
        (_SCALE, "scale = variances.clamp(min=0).sqrt() + self.eps"),
        says="eps is added to the variance, not to its root",
        hint="eps is added to the eigenvalue, under the root.",
    ),
    _pca(
        "all-components-kept",
        (_FLIP, "variances.flip(0), axes.flip(1)"),
        says="one component of 2000 points",
        hint="n_components asks for the first ones only.",
    ),
    _pca(
        "too-many-components-pass",
        ("if (self.n_components or 0) > X.shape[1]:", "if X.ndim != 2:"),
        says="n_components > D is refused by fit",
        hint="There are no more components than features: refuse in fit, where D is known.",
    ),
    _pca(
        "second-moments-not-centred",
        ("covariance = (X - self.mean).T @ (X - self.mean) / len(X)", "covariance = X.T @ X / len(X)"),
        says="the covariance of the whitened points",
        hint="The covariance is that of the centred data; without centring the mean is the largest component.",
    ),
    _zca(
        "pca-returned",
        (
            "            self.forward, self.backward = self.forward @ axes.T, axes @ self.backward\n",
            "            pass\n",
        ),
        says="multiply by Q once more",
        hint="ZCA turns the whitened data back to the original axes: multiply by Q once more.",
    ),
    _zca(
        "turned-the-wrong-way-back",
        ("self.forward @ axes.T, axes @ self.backward", "self.forward @ axes, axes.T @ self.backward"),
        says="the covariance of x0 with z1 against that of x1 with z0",
        hint="Back from eigen-coordinates is Q: for rows, multiply by Q^T from the right.",
    ),
    _zca(
        "root-of-the-covariance-not-inverted",
        (
            "self.forward, self.backward = axes / scale, (axes * scale).T",
            "self.forward, self.backward = axes * scale, (axes / scale).T",
        ),
        says="the covariance of the whitened points",
        hint="Divide by the standard deviations along the eigenvectors, do not multiply by them.",
    ),
    _zca(
        "components-with-another-method-pass",
        (' or (n_components is not None and method != "pca")', ""),
        says="n_components with another method than pca is refused in __init__",
        hint="Dropping components belongs to PCA; with zca the result would have the old width and hide it.",
    ),
    _zca(
        "eps-forgotten",
        (_SCALE, "scale = variances.clamp(min=1e-12).sqrt()"),
        says="eps is added to the variance",
        hint="Without eps a nearly constant direction is blown up to variance 1, and that is noise.",
    ),
    _inverse(
        "mean-not-added",
        ("return Z @ self.backward + self.mean", "return Z @ self.backward"),
        says="undo the steps in reverse order",
        hint="The mean was subtracted on the way there: add it at the end of the way back.",
    ),
    _inverse(
        "mean-added-too-early",
        ("return Z @ self.backward + self.mean", "return (Z + self.mean[: Z.shape[1]]) @ self.backward"),
        says="undo the steps in reverse order",
        hint="Undo in reverse order: scale and turn back first, then add the mean.",
    ),
    _inverse(
        "transposed-for-inverse",
        ("return Z @ self.backward + self.mean", "return Z @ self.forward.T + self.mean"),
        says="undo the steps in reverse order",
        hint="The transpose undoes a rotation, but not the division by the standard deviations.",
    ),
    _inverse(
        "without-eps",
        ("(axes * scale).T", "(axes * variances.clamp(min=0).sqrt()).T"),
        says="undo the steps in reverse order",
        hint="transform divided by sqrt(variance + eps): multiply by exactly that.",
    ),
    _inverse(
        "unfitted-passes",
        (
            'if self.mean is None:\n            raise RuntimeError("fit comes before inverse_transform")',
            "if self.mean is None:\n            return Z",
        ),
        by="ex4-whitener-pca-test",
        says="inverse_transform before fit is refused",
        hint="Before fit there is nothing to undo: raise RuntimeError.",
    ),
]
