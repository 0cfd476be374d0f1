"""Differently written right answers of chapter 00: the tests must accept every one of them."""

from __future__ import annotations

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex1-mean-square",
        name="loop-over-the-entries",
        code="""
def mean_square(x):
    total = 0.0
    for value in x.flat:
        total += float(value) ** 2
    return total / x.size
""",
    ),
    Right(
        exercise="ex1-mean-square",
        name="scalar-product",
        code="""
def mean_square(x):
    flat = x.astype(np.float64).ravel()
    return np.dot(flat, flat) / flat.size
""",
    ),
    Right(
        exercise="ex1-mean-square",
        name="mean-with-a-dtype",
        code="""
def mean_square(x):
    return np.mean(np.square(x, dtype=np.float64))
""",
    ),
    Right(
        exercise="ex1-mean-square",
        name="through-torch",
        code="""
def mean_square(x):
    return torch.tensor(x).double().pow(2).mean()
""",
    ),
    Right(
        exercise="ex2-accuracy",
        name="loop-over-the-rows",
        code="""
def accuracy(scores, labels):
    right = 0
    for row, label in zip(scores.tolist(), labels.tolist()):
        right += row.index(max(row)) == label
    return right / len(labels)
""",
    ),
    Right(
        exercise="ex2-accuracy",
        name="max-with-indices",
        code="""
def accuracy(scores, labels):
    _, answers = scores.max(1)
    return (answers == labels).float().mean()
""",
    ),
    Right(
        exercise="ex2-accuracy",
        name="no-score-above-that-of-the-label",
        code="""
def accuracy(scores, labels):
    mine = scores.gather(1, labels.long().unsqueeze(1))
    return float((scores <= mine).all(dim=1).sum()) / scores.shape[0]
""",
    ),
    Right(
        exercise="ex2-accuracy",
        name="through-numpy",
        code="""
def accuracy(scores, labels):
    return np.mean(np.argmax(scores.numpy(), axis=1) == labels.numpy())
""",
    ),
    Right(exercise="q1", name="other-quotes", code="answer_restart = 'b'\n"),
    Right(exercise="q1", name="built-from-pieces", code='answer_restart = "abcd"[1]\n'),
]
