"""Right answers to exercise 4, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex4-whitener",
        name="svd-of-the-centred-data",
        code='''
class Whitener:
    """SVD of the data, unbiased variances, thin matrices."""

    def __init__(self, method, eps=1e-5, n_components=None):
        if method not in {"standardize", "pca", "zca"}:
            raise ValueError(method)
        if method != "pca" and n_components is not None:
            raise ValueError("n_components is for pca")
        self.method, self.eps, self.k = method, eps, n_components
        self.fitted = False

    def fit(self, X):
        n, d = X.shape
        if self.k is not None and self.k > d:
            raise ValueError("too many components")
        self.mu = X.mean(0)
        if self.method == "standardize":
            self.s = (X.var(0, unbiased=True) + self.eps).sqrt()
        else:
            U, S, Vh = torch.linalg.svd(X - self.mu, full_matrices=False)
            self.V = Vh.T[:, : self.k]
            self.s = (S**2 / (n - 1) + self.eps).sqrt()[: self.k]
        self.width = d
        self.fitted = True
        return self

    def check(self):
        if not self.fitted:
            raise RuntimeError("not fitted")

    def transform(self, X):
        self.check()
        if X.shape[-1] != self.width:
            raise ValueError("width")
        Z = X - self.mu
        if self.method == "standardize":
            return Z / self.s
        Z = (Z @ self.V) / self.s
        return Z if self.method == "pca" else Z @ self.V.T

    def inverse_transform(self, Z):
        self.check()
        if self.method == "standardize":
            return Z * self.s + self.mu
        if self.method == "zca":
            Z = Z @ self.V
        return (Z * self.s) @ self.V.T + self.mu
''',
    ),
    Right(
        exercise="ex4-whitener",
        name="torch-cov-and-pseudo-inverse",
        code='''
class Whitener:
    """One matrix there, its pseudo-inverse back."""

    METHODS = ("standardize", "pca", "zca")

    def __init__(self, method, eps=1e-5, n_components=None):
        if method not in self.METHODS or (n_components and method != "pca"):
            raise ValueError("bad arguments")
        self.method = method
        self.eps = eps
        self.n_components = n_components

    def fit(self, X):
        D = X.shape[1]
        k = D if self.n_components is None else self.n_components
        if k > D:
            raise ValueError("n_components > D")
        C = torch.cov(X.T, correction=0).reshape(D, D)
        if self.method == "standardize":
            M = torch.diag(torch.rsqrt(torch.diag(C) + self.eps))
        else:
            lam, E = torch.linalg.eigh(C)
            order = torch.argsort(lam, descending=True)[:k]
            E, lam = E[:, order], lam[order].clamp(min=0.0)
            M = torch.diag(torch.rsqrt(lam + self.eps)) @ E.T
            if self.method == "zca":
                M = E @ M
        self.map, self.mean = M, torch.sum(X, dim=0) / len(X)
        return self

    def transform(self, X):
        if not hasattr(self, "map"):
            raise RuntimeError("call fit first")
        if X.shape[1] != self.map.shape[1]:
            raise ValueError("wrong number of features")
        return torch.einsum("cd,nd->nc", self.map, X - self.mean[None])

    def inverse_transform(self, Z):
        if not hasattr(self, "map"):
            raise RuntimeError("call fit first")
        return Z @ torch.linalg.pinv(self.map).T + self.mean
''',
    ),
    Right(
        exercise="ex4-whitener",
        name="methods-as-functions",
        code='''
class Whitener:
    """What is fitted are two functions."""

    def __init__(self, method, eps=1e-5, n_components=None):
        self._fits = {"standardize": self._standardize, "pca": self._pca, "zca": self._zca}
        if method not in self._fits:
            raise ValueError(f"no method {method}")
        if n_components is not None and method != "pca":
            raise ValueError("n_components")
        self.method, self.eps, self.n_components = method, eps, n_components
        self._there = self._back = self._mean = None

    def fit(self, X):
        self._mean = X.mean(dim=0, keepdim=True)
        self._there, self._back = self._fits[self.method](X - self._mean)
        return self

    def _standardize(self, X):
        s = torch.sqrt(X.square().mean(0) + self.eps)
        return (lambda x: x / s), (lambda z: z * s)

    def _eigen(self, X):
        values, vectors = torch.linalg.eigh(X.T.matmul(X) / (X.shape[0] - 1))
        return values.clip(0).flip(-1), vectors.flip(-1)

    def _pca(self, X):
        if self.n_components is not None and X.shape[1] < self.n_components:
            raise ValueError("more components than features")
        values, E = self._eigen(X)
        values, E = values[: self.n_components], E[:, : self.n_components]
        s = torch.sqrt(values + self.eps)
        return (lambda x: (x @ E).div(s)), (lambda z: z.mul(s) @ E.T)

    def _zca(self, X):
        values, E = self._eigen(X)
        s = torch.sqrt(values + self.eps)
        W, V = (E / s) @ E.T, (E * s) @ E.T
        return (lambda x: x @ W), (lambda z: z @ V)

    def transform(self, X):
        if self._mean is None:
            raise RuntimeError("fit first")
        if X.shape[1] != self._mean.shape[1]:
            raise ValueError("features")
        return self._there(X - self._mean)

    def inverse_transform(self, Z):
        if self._mean is None:
            raise RuntimeError("fit first")
        return self._back(Z) + self._mean
''',
    ),
]
