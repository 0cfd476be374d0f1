"""Right answers to exercise 1, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex1-pca-fit",
        name="svd-of-the-data",
        code="""
def pca_fit(X, m):
    if X.dim() != 2 or m < 1 or m > X.shape[1]:
        raise ValueError("X [N, n] and 1 <= m <= n")
    mean = X.mean(0)
    _, s, Vt = torch.linalg.svd(X - mean, full_matrices=True)
    var = X.new_zeros(X.shape[1])
    var[: len(s)] = s.square() / X.shape[0]
    return mean, Vt[:m].mT, var[:m]
""",
    ),
    Right(
        exercise="ex1-pca-fit",
        name="torch-cov-and-argsort",
        code="""
def pca_fit(X, m):
    if X.ndim != 2:
        raise ValueError("X must be a matrix")
    if m < 1 or m > X.size(1):
        raise ValueError("m")
    mean = torch.mean(X, dim=0, keepdim=True)
    C = torch.cov(X.T, correction=0)
    values, vectors = torch.linalg.eigh(C)
    order = torch.argsort(values, descending=True)[:m]
    return mean[0], vectors[:, order], values[order]
""",
    ),
    Right(
        exercise="ex1-pca-fit",
        name="power-iteration",
        code="""
def pca_fit(X, m):
    if X.ndim != 2 or not 0 < m <= X.shape[1]:
        raise ValueError("X [N, n] and 1 <= m <= n")
    n = X.shape[1]
    mean = X.mean(dim=0)
    C = (X - mean).double().T @ (X - mean).double() / len(X)
    columns, variances = [], []
    for k in range(m):
        w = torch.ones(n, dtype=torch.float64) + torch.arange(n) * 0.37
        for _ in range(500):
            w = C @ w
            for v in columns:
                w = w - v * (v @ w)
            w = w / w.norm()
        columns.append(w)
        variances.append(w @ C @ w)
    return mean, torch.stack(columns, dim=1).to(X.dtype), torch.stack(variances).to(X.dtype)
""",
    ),
    Right(
        exercise="ex1-pca-codes",
        name="einsum",
        code="""
def pca_encode(X, mean, W):
    return torch.einsum("bn,nm->bm", X - mean[None], W)


def pca_decode(Z, mean, W):
    return torch.einsum("bm,nm->bn", Z, W) + mean
""",
    ),
    Right(
        exercise="ex1-pca-codes",
        name="row-by-row",
        code="""
def pca_encode(X, mean, W):
    return torch.stack([W.T @ (x - mean) for x in X])


def pca_decode(Z, mean, W):
    return torch.stack([W @ z + mean for z in Z])
""",
    ),
]
