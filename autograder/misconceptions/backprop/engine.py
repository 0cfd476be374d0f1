"""Wrong answers to exercise 3: the reverse-mode engine."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_elementwise = "ex3-engine-elementwise-test"
_graph = "ex3-engine-graph-test"
_core = wrongs_of("ex3-engine-core", _elementwise)
_backward = wrongs_of("ex3-engine-backward", _graph)
_operators = wrongs_of("ex3-engine-elementwise")
_functions = wrongs_of("ex3-engine-functions", _elementwise)
_matmul = wrongs_of("ex3-engine-matmul")
_reductions = wrongs_of("ex3-engine-reductions")
_indexing = wrongs_of("ex3-engine-indexing")

_STORE = "self.grad = g.copy() if self.grad is None else self.grad + g"
_SEARCH = """\
        order, seen, stack = [], {id(self)}, [(self, iter(self.edges))]
        while stack:
            node, edges = stack[-1]
            for parent, _ in edges:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    stack.append((parent, iter(parent.edges)))
                    break
            else:
                order.append(node)
                stack.pop()
"""
_PUSH = """\
        self._accumulate(grad)
        for node in reversed(order):
            for parent, vjp in node.edges:
                parent._accumulate(vjp(node.grad))
"""
_BREADTH_FIRST = """\
        order, seen, queue = [], {id(self)}, [self]
        while queue:
            node = queue.pop(0)
            order.append(node)
            for parent, _ in node.edges:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    queue.append(parent)
        order.reverse()
"""
_PRE_ORDER = """\
        order, seen, stack = [], set(), [self]
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            order.append(node)
            stack.extend(parent for parent, _ in node.edges)
        order.reverse()
"""
_RECURSIVE = """\
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent, _ in node.edges:
                    visit(parent)
                order.append(node)

        visit(self)
"""
_EVERY_PATH = """\
        stack = [(self, grad)]
        while stack:
            node, g = stack.pop()
            node._accumulate(g)
            for parent, vjp in node.edges:
                stack.append((parent, vjp(g)))
"""
_AGAIN_AND_AGAIN = """\
        self._accumulate(grad)
        stack = [self]
        while stack:
            node = stack.pop()
            for parent, vjp in node.edges:
                parent._accumulate(vjp(node.grad))
                stack.append(parent)
"""
_MAX_BACK = """\
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return g * share
"""
_LATE_BINDING = """
def add_functions():
    for name, value, slope in [
        ("exp", np.exp, lambda a, out: out),
        ("log", np.log, lambda a, out: 1.0 / a),
        ("tanh", np.tanh, lambda a, out: 1.0 - out**2),
        ("sigmoid", lambda a: 0.5 * (1.0 + np.tanh(0.5 * a)), lambda a, out: out * (1.0 - out)),
        ("relu", lambda a: np.maximum(a, 0.0), lambda a, out: a > 0),
    ]:
        def method(self):
            out = value(self.data)
            local = slope(self.data, out)
            return Tensor._result(name, out, (self, lambda g: g * local))

        setattr(Tensor, name, method)


add_functions()
"""

MISCONCEPTIONS = [
    _core(
        "gradient-assigned",
        (_STORE, "self.grad = g.copy()"),
        by=_graph,
        says="a tensor that is used twice receives the SUM of both gradients",
        hint="A tensor that is used twice gets a gradient from both uses: add, do not overwrite.",
    ),
    _core(
        "one-array-for-both-parents",
        (
            "        g = unbroadcast(g, self.shape)\n",
            "        if g.shape != self.shape:\n            g = unbroadcast(g, self.shape)\n",
        ),
        (
            _STORE,
            "if self.grad is None:\n            self.grad = g\n        else:\n            self.grad += g",
        ),
        by=_graph,
        says="share one gradient array",
        hint="An add gate hands the same array to both parents, and += on one changes the other. Store "
        "copies, or "
        "write grad = grad + g.",
    ),
    _core(
        "no-unbroadcast",
        ("        g = unbroadcast(g, self.shape)\n", ""),
        says="sum the gradient back to the operand's shape: over the axes",
        hint="The bias was copied to every row, so its gradient is the sum over the rows: its shape is (3,).",
    ),
    _core(
        "unbroadcast-leading-axes-only",
        ("return g.sum(axis=stretched, keepdims=True)", "return g"),
        says="where the operand has length 1",
        hint="Broadcasting also stretches axes of length 1; sum over these too, with keepdims.",
    ),
    _core(
        "unbroadcast-first-axis-only",
        ("for i, n in enumerate(shape) if", "for i, n in enumerate(shape[:1]) if"),
        says="where the operand has length 1",
        hint="An axis of length 1 may stand in the middle, as in (4, 1, 5): look at every axis.",
    ),
    _core(
        "unbroadcast-with-the-mean",
        ("g = g.sum(axis=tuple(range(added)))", "g = g.mean(axis=tuple(range(added)))"),
        says="d(a + b)/da = 1: upstream goes to both operands, new arrays of",
        hint="Every copy contributes to the loss: sum the gradients of the copies, do not average them.",
    ),
    _core(
        "product-passes-its-own-operand",
        (
            "(self, lambda g: g * b), (other, lambda g: g * a)",
            "(self, lambda g: g * a), (other, lambda g: g * b)",
        ),
        says="d(a - b)/db = -1; and 3 - x calls x.__rsub__(3): the array or",
        hint="d(ab)/da = b: each operand gets the other one.",
    ),
    _core(
        "product-without-upstream",
        ("(self, lambda g: g * b), (other, lambda g: g * a)", "(self, lambda g: b), (other, lambda g: a)"),
        says="a - b with a of shape (2, 1), b of shape (1, 3)",
        hint="b and a are the local derivatives; multiply them by the upstream gradient g.",
    ),
    _backward(
        "breadth-first",
        (_SEARCH, _BREADTH_FIRST),
        says="reverse topological order",
        hint="Breadth-first order sends a node's gradient on before its longer paths have reported. Use a "
        "topological order: a node after all that depend on it.",
    ),
    _backward(
        "pre-order",
        (_SEARCH, _PRE_ORDER),
        says="reverse topological order",
        hint="A node was put into the list when it was first met, not when all its parents were in it.",
    ),
    _backward(
        "forward-order",
        ("for node in reversed(order):", "for node in order:"),
        says="your code raised an exception",
        hint="The list holds parents first. Backward starts at the result: go through it from the end.",
    ),
    _backward(
        "recursion-without-room",
        (_SEARCH, _RECURSIVE),
        says="RecursionError",
        hint="Python stops at 1000 nested calls; a chain of 5000 nodes needs a stack of your own, or "
        "sys.setrecursionlimit.",
    ),
    _backward(
        "follows-every-path",
        (_PUSH, _EVERY_PATH),
        says="following every path",
        hint="The number of paths doubles with every x = x + x. Visit each node once, when its gradient "
        "is complete.",
    ),
    _backward(
        "passes-on-again-and-again",
        (_PUSH, _AGAIN_AND_AGAIN),
        says="the gradient of",
        hint="A node that is met twice sends its whole accumulated gradient on twice. Visit each node once.",
    ),
    _backward(
        "seed-is-the-value",
        ("grad = np.ones(self.shape)", "grad = self.data.copy()"),
        says="without an argument the seed is 1, not the value",
        hint="The derivative of the output with respect to itself is 1, whatever its value.",
    ),
    _backward(
        "interior-gradients-kept",
        ("            if node.edges:\n                node.grad = None\n", "            pass\n"),
        says="gradients of interior nodes belong to one backward call: reset",
        hint="The second backward call found the first one's gradients still on the interior nodes and "
        "sent them "
        "down again. Reset interior nodes at the start of each call.",
    ),
    _backward(
        "leaves-reset-too",
        ("            if node.edges:\n                node.grad = None\n", "            node.grad = None\n"),
        says="gradients of interior nodes belong to one backward call: reset",
        hint="Only interior nodes are reset; the gradients of leaves add up until zero_grad is called.",
    ),
    _backward(
        "any-shape-of-gradient",
        ("if grad.shape != self.shape:", "if grad.size > self.data.size:"),
        says="a gradient of another shape is refused",
        hint="A gradient that merely broadcasts hides a mistake of the caller. Compare the shapes.",
    ),
    _backward(
        "sums-a-vector-silently",
        ("if self.data.size != 1:", "if self.data.size < 1:"),
        says="a result with more than one element needs a gradient argument",
        hint="Without an argument the output must be one number; otherwise it is not clear what is "
        "differentiated.",
    ),
    _backward(
        "constants-go-unnoticed",
        ("if not self.requires_grad:", "if self.requires_grad is None:"),
        says="there is nothing to differentiate",
        hint="backward on a result of constants does nothing and hides that requires_grad was forgotten.",
    ),
    _backward(
        "detach-returns-itself",
        ("return Tensor(self.data)", "return self"),
        says="detach",
        hint="The result of detach is a new constant with the same data and no edges.",
    ),
    _backward(
        "detach-keeps-the-gradient-flag",
        ("return Tensor(self.data)", "return Tensor(self.data, requires_grad=True)"),
        says="requires_grad",
        hint="What detach returns is a constant: requires_grad is False.",
    ),
    _backward(
        "zero-grad-does-nothing",
        (
            "        self.grad = None\n        ### END SOLUTION\n\n    def detach",
            "        pass\n        ### END SOLUTION\n\n    def detach",
        ),
        says="zero_grad forgets the gradient collected so far",
        hint="zero_grad must forget what was accumulated.",
    ),
    _operators(
        "reflected-subtraction-not-reflected",
        ("return as_tensor(other) - self", "return self - as_tensor(other)"),
        says="d(a - b)/db = -1; and 3 - x calls x.__rsub__(3): the array or",
        hint="3 - t calls t.__rsub__(3): the result is 3 - t, not t - 3.",
    ),
    _operators(
        "minus-before-the-tensor-is-made",
        ("return self + -as_tensor(other)", "return self + -other"),
        says="x - a uint8 array of shape (3,)",
        hint="-other of a uint8 array wraps around, -1 is 255: make a Tensor of it first, which is float64.",
    ),
    _operators(
        "reflected-division-not-reflected",
        ("return as_tensor(other) / self", "return self / as_tensor(other)"),
        says="d(a/b)/da = 1/b and d(a/b)/db = -a/b^2; and 1 / x calls",
        hint="2 / t calls t.__rtruediv__(2): the result is 2 / t, not t / 2.",
    ),
    _operators(
        "difference-with-two-plus-signs",
        (
            "return self + -as_tensor(other)",
            "other = as_tensor(other)\n        return Tensor._result(\n"
            '            "-", self.data - other.data, (self, lambda g: g), (other, lambda g: g)\n        )',
        ),
        says="d(a - b)/db = -1; and 3 - x calls x.__rsub__(3): the array or",
        hint="d(a - b)/db = -1.",
    ),
    _operators(
        "quotient-without-the-square",
        ("-g * a / b**2", "-g * a / b"),
        says="d(a/b)/da = 1/b and d(a/b)/db = -a/b^2; and 1 / x calls",
        hint="d(a/b)/db = -a/b^2.",
    ),
    _operators(
        "quotient-with-a-plus",
        ("-g * a / b**2", "g * a / b**2"),
        says="d(a/b)/da = 1/b and d(a/b)/db = -a/b^2; and 1 / x calls",
        hint="d(a/b)/db = -a/b^2: the quotient falls when its denominator grows.",
    ),
    _operators(
        "power-without-the-factor",
        ("slope = n * a ** (n - 1)", "slope = a ** (n - 1)"),
        says="d(a^n)/da = n a^(n-1); for n = 0 it is 0, also at a = 0",
        hint="d(a^n)/da = n a^(n-1): the factor n is missing.",
    ),
    _operators(
        "power-keeps-the-exponent",
        ("slope = n * a ** (n - 1)", "slope = n * a**n"),
        says="d(a^n)/da = n a^(n-1); for n = 0 it is 0, also at a = 0",
        hint="d(a^n)/da = n a^(n-1): the exponent goes down by one.",
    ),
    _operators(
        "power-0-at-0",
        (" if n != 0 else np.zeros(self.shape)", ""),
        says="x ** 0 at x = 0",
        hint="a^0 is 1 everywhere, so its derivative is 0; the formula 0 * a^(-1) gives NaN at a = 0.",
    ),
    _functions(
        "tanh-by-torch-imported-before",
        (
            "@adds_to(Tensor)\nclass Functions",
            "import torch\nfrom torch.autograd import grad as _slope\n\n\n@adds_to(Tensor)\nclass Functions",
        ),
        (
            "out = np.tanh(self.data)\n"
            '        return Tensor._result("tanh", out, (self, lambda g: g * (1.0 - out**2)))',
            "x = torch.tensor(self.data, requires_grad=True)\n"
            "        out = torch.tanh(x)\n"
            "        vjp = lambda g: _slope(out, x, torch.tensor(g), retain_graph=True)[0].numpy()\n"
            '        return Tensor._result("tanh", out.detach().numpy(), (self, vjp))',
        ),
        says="torch.autograd.grad may not be used in this exercise",
        hint="The engine is what you are writing here: torch's own is forbidden under any name.",
    ),
    _functions(
        "tanh-without-the-square",
        ("g * (1.0 - out**2)", "g * (1.0 - out)"),
        says="d tanh(a)/da = 1 - tanh(a)^2, times upstream",
        hint="tanh' = 1 - tanh^2.",
    ),
    _functions(
        "exp-without-itself",
        ('"exp", out, (self, lambda g: g * out)', '"exp", out, (self, lambda g: g * self.data)'),
        says="d exp(a)/da = exp(a), times upstream",
        hint="The derivative of exp is exp of the input, which is the output, and not the input.",
    ),
    _functions(
        "log-multiplies",
        ("lambda g: g / a", "lambda g: g * a"),
        says="log",
        hint="log' = 1/a.",
    ),
    _functions(
        "sigmoid-of-the-sigmoid",
        (
            "g * out * (1.0 - out)",
            "g / (1.0 + np.exp(-out)) * (1.0 - 1.0 / (1.0 + np.exp(-out)))",
        ),
        says="d s(a)/da = s(a) (1 - s(a)), times upstream",
        hint="out is already the sigmoid: s' = out (1 - out).",
    ),
    _functions(
        "sigmoid-is-nan-far-out",
        (
            "small = np.exp(-np.abs(self.data))\n"
            "        out = np.where(self.data >= 0, 1.0, small) / (1.0 + small)",
            "out = np.exp(self.data) / (1.0 + np.exp(self.data))",
        ),
        says="exp of a large number is infinite",
        hint="For x = 1000 this is inf / inf. Take exp of -|x| only.",
    ),
    _functions(
        "relu-switch-from-upstream",
        ("lambda g: g * mask", "lambda g: g * (g > 0)"),
        says="upstream passes where the input was positive",
        hint="The switch is set by the input of the forward pass, not by the sign of the gradient.",
    ),
    _functions(
        "relu-mask-from-current-data",
        ("lambda g: g * mask", "lambda g: g * (self.data > 0)"),
        says="the data may have changed until backward",
        hint="Between forward and backward the data may be updated in place: store the mask in the "
        "forward pass.",
    ),
    _functions(
        "relu-passes-everything",
        ("lambda g: g * mask", "lambda g: g"),
        says="upstream passes where the input was positive",
        hint="Where the input was negative, the output did not depend on it: the gradient there is 0.",
    ),
    _functions(
        "closures-share-the-loop-variable",
        code=_LATE_BINDING,
        says="d exp(a)/da = exp(a), times upstream",
        hint="All functions made in a loop see the loop variable's LAST value. Bind it as a default "
        "argument, or "
        "make the functions in a function of their own.",
    ),
    _matmul(
        "without-transposes",
        ("g.reshape(product.shape) @ np.swapaxes(b, -1, -2)", "g.reshape(product.shape) @ b"),
        says="Exercise 3: matrix product",
        hint="For C = A B the gradient of A is dC B^T.",
    ),
    _matmul(
        "factors-exchanged",
        (
            "np.swapaxes(a, -1, -2) @ g.reshape(product.shape)",
            "g.reshape(product.shape) @ np.swapaxes(a, -1, -2)",
        ),
        says="Exercise 3: matrix product",
        hint="Matrices do not commute: dB = A^T dC, with A^T on the left, where A stood.",
    ),
    _matmul(
        "reverses-all-axes",
        ("np.swapaxes(b, -1, -2)", "b.T"),
        ("np.swapaxes(a, -1, -2)", "a.T"),
        says="the shapes do not fit together",
        hint=".T of a batch reverses all axes, the batch axis included. np.swapaxes(a, -1, -2) exchanges "
        "the last "
        "two.",
    ),
    _matmul(
        "batch-averaged",
        (
            "grad = np.swapaxes(a, -1, -2) @ g.reshape(product.shape)",
            "grad = np.swapaxes(a, -1, -2) @ g.reshape(product.shape)\n"
            "            grad = grad.mean(axis=0, keepdims=True) if grad.ndim > 2 else grad",
        ),
        says="sum the gradient back to the operand's shape: over the axes",
        hint="A weight that all matrices of a batch share receives the sum of their gradients.",
    ),
    _matmul(
        "reflected-not-reflected",
        ("return as_tensor(other) @ self", "return self @ as_tensor(other)"),
        says="Exercise 3: matrix product",
        hint="array @ tensor calls tensor.__rmatmul__(array): the array stands on the left.",
    ),
    _reductions(
        "sum-without-putting-the-axis-back",
        (
            "            if axis is not None and not keepdims:\n                g = np.expand_dims(g, axis)\n"
            "            return np.broadcast_to(g, shape)",
            "            return np.broadcast_to(g, shape)",
        ),
        says="your code raised an exception",
        hint="Upstream has lost the summed axis; put it back with np.expand_dims before you broadcast.",
    ),
    _reductions(
        "mean-is-not-divided",
        ("return total / count", "return total"),
        says="like sum, divided by the number of entries that were averaged",
        hint="A mean is the sum divided by the number of entries, forward and backward.",
    ),
    _reductions(
        "mean-divided-by-all-entries",
        ("count = self.data.size // total.data.size", "count = self.data.size"),
        says="like sum, divided by the number of entries that were averaged",
        hint="Divide by the number of entries that went into each mean, not by the size of the whole array.",
    ),
    _reductions(
        "max-over-all-axes-left-out",
        (_MAX_BACK, _MAX_BACK.replace("axis is not None and not keepdims", "not keepdims")),
        says="x.max(axis=None, keepdims=False)",
        hint="axis=None is the maximum of all entries: no axis was lost, so there is none to put back.",
    ),
    _reductions(
        "max-copies-to-all-ties",
        ("share = winners / winners.sum(axis=axis, keepdims=True)", "share = winners * 1.0"),
        says="counts it several times",
        hint="If three entries tie and all get the full gradient, it has tripled. Let them share, or pick "
        "one.",
    ),
    _reductions(
        "max-passes-to-everyone",
        ("return g * share", "return g * np.ones(self.shape)"),
        says="upstream goes to the largest entry along the axis, nowhere",
        hint="The other entries did not influence the maximum.",
    ),
    _reductions(
        "max-without-upstream",
        ("return g * share", "return g * 0 + share"),
        says="upstream goes to the largest entry along the axis, nowhere",
        hint="The winner receives the upstream gradient, not 1.",
    ),
    _reductions(
        "puts-the-axis-back-twice",
        (
            "            if axis is not None and not keepdims:\n                g = np.expand_dims(g, axis)\n"
            "            return np.broadcast_to(g, shape)",
            "            if axis is not None:\n                g = np.expand_dims(g, axis)\n"
            "            return np.broadcast_to(g, shape)",
        ),
        says="keepdims=True",
        hint="With keepdims=True the axis is still there: put it back only if it was dropped.",
    ),
    _indexing(
        "repeated-index-written-once",
        ("np.add.at(grad, index, g)", "grad[index] += g"),
        says="start from zeros of the operand's shape and add with",
        hint="grad[[0, 0]] += g reads, adds and writes once. np.add.at adds for every occurrence.",
    ),
    _indexing(
        "gradient-assigned-at-the-index",
        ("np.add.at(grad, index, g)", "grad[index] = g"),
        says="start from zeros of the operand's shape and add with",
        hint="An entry that was picked twice receives both gradients: add them.",
    ),
    _indexing(
        "gradient-of-the-picked-entries-only",
        (
            "grad = np.zeros(self.shape)\n            np.add.at(grad, index, g)\n            return grad",
            "return np.broadcast_to(g.sum(), self.shape)",
        ),
        says="start from zeros of the operand's shape and add with",
        hint="Only the picked entries receive a gradient; all others get 0.",
    ),
    _indexing(
        "transpose-passes-g-unchanged",
        ("(self, lambda g: g.T)", "(self, lambda g: g.reshape(self.shape))"),
        says="the gradient is the transpose of the upstream gradient",
        hint="Reshape keeps the order of the entries in memory, a transpose does not. The gradient is g.T.",
    ),
    _indexing(
        "reshape-column-by-column",
        ("lambda g: g.reshape(old)", 'lambda g: g.reshape(old, order="F")'),
        says="the gradient is the upstream gradient, reshaped back to the",
        hint="Go back by the same order of entries as forward: row by row.",
    ),
]
