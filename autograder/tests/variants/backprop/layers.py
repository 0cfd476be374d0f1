"""Right answers to exercise 6, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex6-linear",
        name="einsum",
        code="""
class Linear:
    def __init__(self, d_in, d_out, rng, gain=2.0):
        self.W = rng.standard_normal((d_in, d_out)) * (gain / d_in) ** 0.5
        self.b = np.zeros((d_out,))
        self.dW, self.db, self.x = None, None, None

    def forward(self, x):
        if np.ndim(x) != 2 or np.shape(x)[1] != len(self.W):
            raise ValueError(f"x of shape {np.shape(x)}")
        self.x = np.array(x)
        return np.einsum("ni,io->no", self.x, self.W) + self.b

    def backward(self, dy):
        if self.x is None or np.shape(dy) != (len(self.x), len(self.b)):
            raise ValueError("dy")
        self.dW = np.einsum("ni,no->io", self.x, dy)
        self.db = np.einsum("no->o", dy)
        return np.einsum("no,io->ni", dy, self.W)
""",
    ),
    Right(
        exercise="ex6-linear",
        name="loop-over-the-examples",
        code="""
class Linear:
    rows = None

    def __init__(self, d_in, d_out, rng, gain=2.0):
        self.W = np.array([rng.normal(scale=math.sqrt(gain / d_in), size=d_out) for _ in range(d_in)])
        self.b = np.zeros(d_out)

    def forward(self, x):
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != self.W.shape[0]:
            raise ValueError("x")
        self.rows = [row.copy() for row in x]
        return np.array([row @ self.W + self.b for row in self.rows])

    def backward(self, dy):
        if self.rows is None or dy.shape != (len(self.rows), self.b.size):
            raise ValueError("dy")
        dW, db, dx = np.zeros(self.W.shape), np.zeros(self.b.shape), []
        for row, g in zip(self.rows, dy):
            dW += np.outer(row, g)
            db += g
            dx.append(self.W @ g)
        self.dW, self.db = dW, db
        return np.array(dx)
""",
    ),
    Right(
        exercise="ex6-softmax-cross-entropy",
        name="one-hot-and-logaddexp",
        code="""
class SoftmaxCrossEntropy:
    grad = None

    def forward(self, logits, y):
        logits, y = np.array(logits, dtype=float), np.array(y)
        if logits.ndim != 2 or y.ndim != 1 or len(y) != len(logits):
            raise ValueError("shapes")
        if y.dtype.kind not in "iu" or (y < 0).any() or (y >= logits.shape[1]).any():
            raise ValueError("labels")
        onehot = np.eye(logits.shape[1])[y]
        log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        self.grad = (np.exp(log_p) - onehot) / len(y)
        return -np.einsum("nk,nk->", onehot, log_p) / len(y)

    def backward(self):
        if self.grad is None:
            raise ValueError("no forward pass yet")
        return self.grad.copy()
""",
    ),
    Right(
        exercise="ex6-softmax-cross-entropy",
        name="loop-over-the-examples",
        code="""
class SoftmaxCrossEntropy:
    def forward(self, logits, y):
        shape = np.shape(logits)
        if len(shape) != 2 or np.shape(y) != (shape[0],):
            raise ValueError("shapes")
        for label in np.asarray(y).tolist():
            if type(label) is not int or not 0 <= label < shape[1]:
                raise ValueError("labels")
        losses, rows = [], []
        for z, label in zip(np.asarray(logits, dtype=float), y):
            top = z.max()
            e = np.exp(z - top)
            total = e.sum()
            losses.append(math.log(total) + top - z[label])
            row = e / total
            row[label] -= 1
            rows.append(row / len(y))
        self.rows = rows
        return float(np.mean(losses))

    def backward(self):
        if not hasattr(self, "rows"):
            raise ValueError("no forward pass yet")
        return np.array(self.rows)
""",
    ),
    Right(
        exercise="ex6-mse",
        name="einsum",
        code="""
class MSE:
    def __init__(self):
        self.f = self.y = None

    def forward(self, f, y):
        if np.shape(f) != np.shape(y) or np.ndim(f) != 2:
            raise ValueError("f and y")
        self.f, self.y = np.array(f), np.array(y)
        return np.einsum("nk,nk->", self.f - self.y, self.f - self.y) / self.f.shape[0]

    def backward(self):
        if self.f is None:
            raise ValueError("no forward pass yet")
        n = self.f.shape[0]
        return self.f * (2 / n) - self.y * (2 / n)
""",
    ),
    Right(
        exercise="ex6-mse",
        name="mean-of-the-row-sums",
        code="""
class MSE:
    def forward(self, f, y):
        f, y = np.asarray(f, dtype=float), np.asarray(y, dtype=float)
        if f.shape != y.shape or len(f.shape) != 2:
            raise ValueError("f and y")
        self.gradient = np.stack([(p - q) * 2 for p, q in zip(f, y)]) / len(f)
        return np.mean([np.sum((p - q) ** 2) for p, q in zip(f, y)])

    def backward(self):
        try:
            return self.gradient
        except AttributeError:
            raise ValueError("no forward pass yet") from None
""",
    ),
    Right(
        exercise="ex6-bce",
        name="logaddexp",
        code="""
class BCEWithLogits:
    z = y = None

    def forward(self, z, y):
        if np.ndim(z) != 1 or np.shape(z) != np.shape(y):
            raise ValueError("z and y")
        if not np.all((np.asarray(y) >= 0) & (np.asarray(y) <= 1)):
            raise ValueError("labels")
        self.z, self.y = np.array(z, dtype=float), np.array(y, dtype=float)
        return np.mean(np.logaddexp(0, self.z) - self.y * self.z)

    def backward(self):
        if self.z is None:
            raise ValueError("no forward pass yet")
        return (0.5 * (1 + np.tanh(self.z / 2)) - self.y) / self.z.size
""",
    ),
    Right(
        exercise="ex6-bce",
        name="loop-with-cases",
        code="""
class BCEWithLogits:
    parts = ()

    def forward(self, z, y):
        z, y = np.asarray(z, dtype=float), np.asarray(y)
        if z.shape != y.shape or z.ndim != 1:
            raise ValueError("shapes")
        if any(label not in (0, 1) for label in y.tolist()):
            raise ValueError("labels are 0 or 1")
        loss, self.parts = 0.0, []
        for logit, label in zip(z.tolist(), y.tolist()):
            wrong = -logit if label else logit  # the logit of the wrong answer
            loss += max(wrong, 0.0) + math.log1p(math.exp(-abs(wrong)))
            p = 1 / (1 + math.exp(-wrong)) if wrong > 0 else math.exp(wrong) / (1 + math.exp(wrong))
            self.parts.append(-p if label else p)
        return loss / len(z)

    def backward(self):
        if not self.parts:
            raise ValueError("no forward pass yet")
        return np.array(self.parts) / len(self.parts)
""",
    ),
]
