"""Wrong answers to exercise 1: stable losses."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_log_softmax = wrongs_of("ex1-log-softmax")
_cross_entropy = wrongs_of("ex1-cross-entropy")
_bce = wrongs_of("ex1-bce")
_mse = wrongs_of("ex1-mse")

_SHIFT = "h.detach().amax(dim=-1, keepdim=True)"
_RETURN = "return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()"
_PICK = "return -log_f[torch.arange(n, device=h.device), y.long()].mean()"
_BCE = "return (positive_part - z * y + torch.log1p(torch.exp(-z.abs()))).mean()"
_MSE = "return ((y - f) ** 2).sum(dim=1).mean()"

MISCONCEPTIONS = [
    _log_softmax(
        "over-the-batch",
        ("amax(dim=-1", "amax(dim=0"),
        ("sum(dim=-1", "sum(dim=0"),
        says="normalise over the last axis",
        hint="This normalises every column over the batch. The classes lie on the last axis: dim=-1.",
    ),
    _log_softmax(
        "one-maximum-for-the-whole-batch",
        (_SHIFT, "h.detach().max()"),
        says="subtract the largest entry of each ROW first",
        hint="One maximum for the whole batch underflows in every row that lies far below it: shift row by row.",
    ),
    _log_softmax(
        "logarithm-with-a-pinch-of-epsilon",
        (_RETURN, "p = shifted.exp()\n    return (p / p.sum(dim=-1, keepdim=True) + 1e-12).log()"),
        says="log_softmax of rows 2000 apart",
        hint="Adding 1e-12 hides log(0), and every small probability becomes 1e-12: stay with logarithms throughout.",
    ),
    _log_softmax(
        "not-shifted",
        (f"h - {_SHIFT}", "h"),
        says="exp(1000) is infinite",
        hint="exp(1000) is infinite. Subtracting the row's largest logit changes nothing in the result.",
    ),
    _log_softmax(
        "logarithm-of-the-shifted-softmax",
        (
            "return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()",
            "return (shifted.exp() / shifted.exp().sum(dim=-1, keepdim=True)).log()",
        ),
        says="never take the logarithm of f itself",
        hint="The shift saves exp from overflowing, but f itself becomes 0 and has no logarithm.",
    ),
    _log_softmax(
        "shifted-by-the-mean",
        (_SHIFT, "h.detach().mean(dim=-1, keepdim=True)"),
        says="subtract the largest entry of each ROW first",
        hint="After subtracting the mean there are still large positive logits. Only the maximum "
        "makes all of them <= 0.",
    ),
    _log_softmax(
        "shifted-by-the-minimum",
        ("amax", "amin"),
        says="subtract the largest entry of each ROW first",
        hint="After subtracting the minimum all logits are >= 0: exp overflows more easily, not less.",
    ),
    _log_softmax(
        "shifts-in-place",
        (f"shifted = h - {_SHIFT}", f"shifted = h.sub_({_SHIFT})"),
        says="h after the call",
        hint="`h -= ...` and `sub_` change the caller's logits. Write `shifted = h - ...`.",
    ),
    _log_softmax(
        "without-the-logarithm",
        (_RETURN, "return shifted.exp() / shifted.exp().sum(dim=-1, keepdim=True)"),
        says="log_softmax of 10 equal logits",
        hint="This is the softmax; its logarithm is asked for.",
    ),
    _log_softmax(
        "detached-result",
        (_RETURN, "return (shifted - shifted.exp().sum(dim=-1, keepdim=True).log()).detach()"),
        says="the result cannot be differentiated",
        hint="detach() cuts the graph: no gradient can flow back to the logits.",
    ),
    _log_softmax(
        "always-float64",
        ("shifted = h -", "shifted = h.double() -"),
        says="log_softmax",
        hint="The result has the dtype of h; float64 for float32 input makes everything behind it slower.",
    ),
    _log_softmax(
        "library-function",
        (_RETURN, "return torch.log_softmax(h, dim=-1)"),
        says="may not be used in this exercise",
        hint="The exercise asks you to write it from exp, sum and log.",
    ),
    _log_softmax(
        "library-function-by-another-name",
        ("def log_softmax", "from torch.nn.functional import log_softmax as _ready\n\n\ndef log_softmax"),
        (_RETURN, "return _ready(h, dim=-1)"),
        says="log_softmax may not be used in this exercise",
        hint="An import under another name is the same function: write it from exp, sum and log.",
    ),
    _log_softmax(
        "flattens-the-other-axes",
        ("amax(dim=-1, keepdim=True)", "amax(dim=1, keepdim=True)"),
        ("sum(dim=-1, keepdim=True)", "sum(dim=1, keepdim=True)"),
        says="log_softmax",
        hint="dim=1 is the last axis of a matrix only. h may have any number of axes: dim=-1.",
    ),
    _cross_entropy(
        "mean-over-n-and-k",
        (_PICK, _PICK.replace(".mean()", ".sum() / (n * k)")),
        says="the loss of 10 equal logits",
        hint="Each row has one right class: divide by N, not by N * K.",
    ),
    _cross_entropy(
        "soft-mean-over-n-and-k",
        ("-(y * log_f).sum(dim=1).mean()", "-(y * log_f).mean()"),
        says="average over the rows (not over N * K)",
        hint="Sum over the classes first, then average over the rows: `.mean()` alone also divides by K.",
    ),
    _cross_entropy(
        "sum-of-the-batch",
        (_PICK, _PICK.replace(".mean()", ".sum()")),
        says="the loss of 10 equal logits",
        hint="This is the sum over the batch: the learning rate would have to change with the batch size.",
    ),
    _cross_entropy(
        "without-the-minus",
        (_PICK, _PICK.replace("return -", "return ")),
        says="minus the mean over the N examples",
        hint="Logarithms of probabilities are negative; the loss is MINUS their mean.",
    ),
    _cross_entropy(
        "clamped-probabilities",
        ("log_f = log_softmax(h)", "log_f = log_softmax(h).exp().clamp(min=1e-12).log()"),
        says="a clamped one has no gradient",
        hint="Where a probability is clamped, its gradient is 0: the worst mistakes would not be corrected.",
    ),
    _cross_entropy(
        "epsilon-in-the-logarithm",
        ("log_f = log_softmax(h)", "log_f = (log_softmax(h).exp() + 1e-12).log()"),
        says="the loss",
        hint="log_softmax gives the logarithm directly: going through exp loses it where the probability is tiny.",
    ),
    _cross_entropy(
        "negative-labels-pass",
        ("y.min() < 0 or y.max() >= k", "y.max() >= k"),
        says="index -1 would silently be the last class",
        hint="Python's index -1 is the last entry: a label -1 would be taken for class K-1.",
    ),
    _cross_entropy(
        "label-k-passes",
        ("y.max() >= k", "y.max() > k"),
        says="class number 3 of K = 3",
        hint="The classes are 0 ... K-1: a label K is already outside.",
    ),
    _cross_entropy(
        "shape-of-the-labels-unchecked",
        ("if y.shape != (n,):", "if len(y) != n:"),
        says="class numbers of shape [2, 1]",
        hint="[N, 1] broadcasts against [N] to [N, N]: compare the whole shape, not only the length.",
    ),
    _cross_entropy(
        "shape-of-soft-targets-unchecked",
        ("if y.shape != h.shape:", "if y.ndim > 2:"),
        says="shapes that do not fit are refused",
        hint="Soft targets of shape [N, 1] or [K] broadcast without a word: compare y.shape with h.shape.",
    ),
    _cross_entropy(
        "softmax-over-the-batch",
        ("log_f = log_softmax(h)", "log_f = log_softmax(h.T).T"),
        says="the loss of 10 equal logits",
        hint="The probabilities of one example sum to 1 over the classes, not over the batch.",
    ),
    _cross_entropy(
        "empty-batch-passes",
        ("if h.ndim != 2 or h.shape[0] == 0:", "if h.ndim != 2:"),
        says="an empty batch",
        hint="The mean over an empty batch is NaN. Refuse it.",
    ),
    _bce(
        "minus-on-the-first-term-only",
        (_BCE, "return (-y * F.logsigmoid(z) + (1 - y) * F.logsigmoid(-z)).mean()"),
        says="the minus stands before the whole bracket",
        hint="-[y log p + (1 - y) log(1 - p)]: without the bracket the second term has the wrong sign.",
    ),
    _bce(
        "logarithm-of-the-sigmoid",
        (_BCE, "p = torch.sigmoid(z)\n    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()"),
        says="log(sigmoid(-1000)) is log(0)",
        hint="sigmoid(-1000) is 0 in floating point and its logarithm infinite. Put both into one formula.",
    ),
    _bce(
        "clamped-probability",
        (
            _BCE,
            "p = torch.sigmoid(z).clamp(1e-7, 1 - 1e-7)\n    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()",
        ),
        says="both wrong",
        hint="A clamped probability makes the loss finite and its gradient zero where the mistake is largest.",
    ),
    _bce(
        "kink-of-clamp-at-zero",
        ("torch.maximum(z, torch.zeros_like(z))", "z.clamp(min=0)"),
        says="at z = 0 clamp and abs have a kink",
        hint="clamp has the slope 1 at 0 and |z| the slope 0, together y is pushed by 1 instead of 1/2.",
    ),
    _bce(
        "kink-of-relu-at-zero",
        ("torch.maximum(z, torch.zeros_like(z))", "torch.relu(z)"),
        says="at z = 0 clamp and abs have a kink",
        hint="relu has the slope 0 at 0: the gradient there would be -y instead of 1/2 - y.",
    ),
    _bce(
        "sum-of-the-batch",
        (_BCE, _BCE.replace(".mean()", ".sum()")),
        says="the mean loss",
        hint="The loss is the mean over the N examples.",
    ),
    _bce(
        "shapes-broadcast",
        ("z.shape != y.shape or z.ndim != 1 or len(z) == 0", "z.numel() == 0"),
        says="shape [3, 1] against [3]",
        hint="[3, 1] against [3] becomes [3, 3]: nine losses instead of three, and no error. Compare the shapes.",
    ),
    _bce(
        "labels-reversed",
        ("positive_part - z * y", "positive_part - z * (1 - y)"),
        says="both wrong",
        hint="y = 1 is the class whose probability is sigmoid(z): the term is -z * y.",
    ),
    _bce(
        "plain-number",
        (_BCE, _BCE + ".item()"),
        says="nothing to differentiate",
        hint="`.item()` makes a Python number: there is no way back to the logits.",
    ),
    _mse(
        "mean-over-n-and-k",
        (_MSE, "return ((y - f) ** 2).mean()"),
        says="add up the K outputs of a row",
        hint="`.mean()` divides by N * K. The exercise sums over the K outputs and averages over the N rows.",
    ),
    _mse(
        "sum-of-the-batch",
        (_MSE, "return ((y - f) ** 2).sum()"),
        says="then average over the N = 3 rows",
        hint="This is the sum over all rows: divide by N.",
    ),
    _mse(
        "half-of-it",
        (_MSE, _MSE + " / 2"),
        says="add up the K outputs of a row",
        hint="Some texts put a factor 1/2 before the sum; the formula here has none.",
    ),
    _mse(
        "length-of-the-error",
        (_MSE, "return ((y - f) ** 2).sum(dim=1).sqrt().mean()"),
        says="add up the K outputs of a row",
        hint="This is the mean length of the error. The squared error has no root.",
    ),
    _mse(
        "shapes-broadcast",
        ("f.shape != y.shape or f.ndim != 2 or len(f) == 0", "len(f) == 0"),
        says="shape [3, 1] against [3]",
        hint="[3, 1] - [3] is a 3 by 3 matrix: compare the shapes before you subtract.",
    ),
    _mse(
        "empty-batch-passes",
        (" or len(f) == 0", ""),
        says="an empty batch is refused",
        hint="The mean over an empty batch is NaN. Refuse it.",
    ),
    _mse(
        "mean-over-the-outputs",
        (_MSE, "return ((y - f) ** 2).mean(dim=1).sum()"),
        says="then average over the N = 3 rows",
        hint="Mean and sum are exchanged: sum over the outputs (dim=1), mean over the rows.",
    ),
]
