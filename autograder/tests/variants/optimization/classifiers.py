"""Right answers to exercise 2, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex2-xor-network",
        name="one-or-the-other",
        code="""
def xor_network():
    # each hidden unit says "this one and not the other"
    return torch.tensor([[1., -1.], [-1., 1.]]), torch.zeros(2), torch.ones(2), torch.tensor(0.)
""",
    ),
    Right(
        exercise="ex2-xor-network",
        name="nand-and-or",
        code="""
def xor_network():
    W1 = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])
    return [W1, torch.tensor([3.0, -1.0]), torch.ones(2), torch.tensor(-1.5)]
""",
    ),
    Right(
        exercise="ex2-xor-network",
        name="whole-numbers",
        code="""
def xor_network():
    # tensors of whole numbers: no dtype is asked for
    return torch.tensor([[1, 1], [-1, -1]]), torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor(-1)
""",
    ),
    Right(
        exercise="ex2-perceptron",
        name="numpy-inside",
        code="""
def perceptron_fit(X, y, max_epochs=100):
    if not set(y.tolist()) <= {-1, 1}:
        raise ValueError("labels")
    rows, labels = X.numpy(), y.numpy()
    w = np.zeros(rows.shape[1], dtype=rows.dtype)
    updates = 0
    for _ in range(max_epochs):
        clean = True
        for i in range(len(rows)):
            if labels[i] * np.dot(w, rows[i]) <= 0:
                w += labels[i] * rows[i]
                updates += 1
                clean = False
        if clean:
            break
    return torch.from_numpy(w), updates, np.all(labels * (rows @ w) > 0)
""",
    ),
    Right(
        exercise="ex2-perceptron",
        name="while-with-an-index",
        code="""
def perceptron_fit(X, y, max_epochs=100):
    if set(y.tolist()) - {-1, 1}:
        raise ValueError("labels")
    n = X.size(0)
    w = X.new_zeros(X.size(1))
    updates, clean, i = 0, 0, 0
    while i < n * max_epochs and clean < n:
        k = i % n
        clean = 0 if k == 0 else clean
        if torch.dot(X[k], w) * y[k] > 0:
            clean += 1
        else:
            w += y[k] * X[k]
            updates += 1
        i += 1
        if k == n - 1 and clean < n:
            clean = 0
    return w, updates, ((X @ w).sign() == y).all()
""",
    ),
    Right(
        exercise="ex2-perceptron",
        name="sign-of-the-score",
        code="""
def perceptron_fit(X, y, max_epochs=100):
    if ((y != 1) & (y != -1)).any():
        raise ValueError("labels must be -1 or 1")
    w = torch.zeros_like(X[0])
    count = 0
    for epoch in range(max_epochs):
        start = count
        for x, label in zip(X, y):
            guess = torch.sign(torch.sum(x * w))
            if guess != label:
                w = torch.add(w, x, alpha=float(label))
                count = count + 1
        if count == start:
            return w, count, True
    return w, count, bool((torch.mv(X, w) * y).min() > 0)
""",
    ),
    Right(
        exercise="ex2-logistic-grad",
        name="loop-over-the-examples",
        code="""
def logistic_grad(X, y, w, b):
    loss, gw, gb = 0.0, torch.zeros_like(w), torch.zeros_like(b)
    for x, t in zip(X, y.to(X.dtype)):
        if t != 0 and t != 1:
            raise ValueError("labels")
        z = x.dot(w) + b
        loss = loss + F.softplus(z if t == 0 else -z) / len(X)
        gw += (z.sigmoid() - t) * x / len(X)
        gb += (z.sigmoid() - t) / len(X)
    return loss, gw, gb
""",
    ),
    Right(
        exercise="ex2-logistic-grad",
        name="signed-labels-and-einsum",
        code="""
def logistic_grad(X, y, w, b):
    if not torch.isin(y, torch.tensor([0, 1], dtype=y.dtype, device=y.device)).all():
        raise ValueError("labels")
    s = 2 * y.to(X.dtype) - 1
    margin = s * (X.matmul(w) + b)
    pull = -s * torch.sigmoid(-margin)
    loss = (margin.clamp(max=0).neg() + torch.log1p(torch.exp(-margin.abs()))).mean()
    return loss, torch.einsum("n,nm->m", pull, X) / X.shape[0], pull.mean()
""",
    ),
    Right(
        exercise="ex2-logistic-grad",
        name="with-the-loss-of-exercise-1",
        code="""
def logistic_grad(X, y, w, b):
    if ((y != 0) & (y != 1)).any():
        raise ValueError("labels")
    z, y = X @ w + b, y.to(X.dtype)
    error = torch.sigmoid(z) - y
    return bce_with_logits(z, y), error @ X / len(y), error.sum() / len(y)
""",
    ),
    Right(
        exercise="ex2-logistic-fit",
        name="preallocated-losses",
        code="""
def logistic_fit(X, y, lr, steps, w0=None, b0=None):
    w = torch.zeros(X.shape[1], dtype=X.dtype, device=X.device)
    b = torch.zeros((), dtype=X.dtype, device=X.device)
    if w0 is not None:
        w.copy_(w0)
    if b0 is not None:
        b.copy_(b0)
    losses = torch.empty(steps + 1, dtype=X.dtype)
    for t in range(steps + 1):
        losses[t], gw, gb = logistic_grad(X, y, w, b)
        if t < steps:
            w -= lr * gw
            b -= lr * gb
    return w, b, losses
""",
    ),
    Right(
        exercise="ex2-logistic-fit",
        name="bias-as-a-last-weight",
        code="""
def logistic_fit(X, y, lr, steps, w0=None, b0=None):
    m = X.shape[1]
    theta = X.new_zeros(m + 1)
    theta = torch.cat([theta[:m] if w0 is None else w0.clone(), theta[m:] if b0 is None else b0.reshape(1)])
    seen = []
    for t in range(steps + 1):
        loss, gw, gb = logistic_grad(X, y, theta[:m], theta[m])
        seen.append(float(loss))
        if t == steps:
            break
        theta = theta - lr * torch.cat([gw, gb.reshape(1)])
    return theta[:m], theta[m], torch.tensor(seen, dtype=X.dtype)
""",
    ),
]
