"""Wrong answers to exercise 4: forward mode and Jacobians."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_dual = wrongs_of("ex4-dual")
_functions = wrongs_of("ex4-dual-functions", "ex4-dual-test")
_forward = wrongs_of("ex4-jacobian-forward")
_reverse = wrongs_of("ex4-jacobian-reverse")
_passes = wrongs_of("ex4-passes")

MISCONCEPTIONS = [
    _functions(
        "tanh-by-torch-imported-before",
        (
            "@adds_to(Dual)\nclass DualFunctions",
            "import torch\nfrom torch.autograd import forward_ad\nfrom torch.autograd.forward_ad import make_dual\n\n\n"
            "@adds_to(Dual)\nclass DualFunctions",
        ),
        (
            "out = np.tanh(self.val)\n        return Dual(out, (1.0 - out**2) * self.dot)",
            "with forward_ad.dual_level():\n"
            "            out = torch.tanh(make_dual(torch.tensor(self.val), torch.tensor(self.dot)))\n"
            "            return Dual(*(part.numpy() for part in forward_ad.unpack_dual(out)))",
        ),
        says="torch.autograd.forward_ad.make_dual may not be used in this exercise",
        hint="Dual numbers are what you are writing here: torch's own are forbidden under any name.",
    ),
    _dual(
        "product-rule-with-one-term",
        ("self.dot * other.val + self.val * other.dot", "self.dot * other.val"),
        says="the product rule has two terms",
        hint="(ab)' = a' b + a b': both factors move.",
    ),
    _dual(
        "product-of-the-tangents",
        ("self.dot * other.val + self.val * other.dot", "self.dot * other.dot"),
        says="the product rule has two terms",
        hint="The derivative of a product is not the product of the derivatives: (ab)' = a' b + a b'.",
    ),
    _dual(
        "quotient-with-a-plus",
        ("self.dot * other.val - self.val * other.dot", "self.dot * other.val + self.val * other.dot"),
        says="(a / b)' = (a' b - a b') / b^2; and 2 / d is not d / 2",
        hint="(a/b)' = (a' b - a b') / b^2: the second term is subtracted.",
    ),
    _dual(
        "quotient-without-the-square",
        ("/ other.val**2", "/ other.val"),
        says="(a / b)' = (a' b - a b') / b^2; and 2 / d is not d / 2",
        hint="(a/b)' = (a' b - a b') / b^2: the denominator is squared.",
    ),
    _dual(
        "reflected-subtraction-not-reflected",
        ("return as_dual(other) - self", "return self - as_dual(other)"),
        says="tangents subtract in the order of the values: 2 - d is not d - 2",
        hint="5 - x calls x.__rsub__(5): the result is 5 - x.",
    ),
    _dual(
        "reflected-division-not-reflected",
        ("return as_dual(other) / self", "return self / as_dual(other)"),
        says="(a / b)' = (a' b - a b') / b^2; and 2 / d is not d / 2",
        hint="6 / x calls x.__rtruediv__(6): the result is 6 / x.",
    ),
    _dual(
        "tangent-of-a-number-is-1",
        (
            "other = as_dual(other)\n        return Dual(self.val + other.val, self.dot + other.dot)",
            "if not isinstance(other, Dual):\n"
            "            other = Dual(other + 0 * self.val, np.ones(self.val.shape))\n"
            "        return Dual(self.val + other.val, self.dot + other.dot)",
        ),
        says="tangents add; the tangent of a constant is 0",
        hint="A constant does not move with t: its tangent is 0, not 1.",
    ),
    _dual(
        "power-without-the-factor",
        ("slope = n * self.val ** (n - 1)", "slope = self.val ** (n - 1)"),
        says="(a^n)' = n a^(n-1) a'; for n = 0 it is 0, also at a = 0",
        hint="(a^n)' = n a^(n-1) a': the factor n is missing.",
    ),
    _dual(
        "power-without-the-inner-derivative",
        ("Dual(self.val**n, slope * self.dot)", "Dual(self.val**n, slope)"),
        says="dot of the result",
        hint="The chain rule: the local derivative is multiplied by the tangent that comes in.",
    ),
    _dual(
        "power-0-at-0",
        (" if n != 0 else np.zeros(self.val.shape)", ""),
        says="d ** 0 at 0",
        hint="a^0 is 1 everywhere, so its derivative is 0; the formula 0 * a^(-1) gives NaN at a = 0.",
    ),
    _functions(
        "cosine-without-the-minus",
        ("-np.sin(self.val) * self.dot", "np.sin(self.val) * self.dot"),
        says="cos(a)' = -sin(a) a'",
        hint="cos' = -sin.",
    ),
    _functions(
        "tanh-without-the-square",
        ("(1.0 - out**2) * self.dot", "(1.0 - out) * self.dot"),
        says="tanh(a)' = (1 - tanh(a)^2) a'",
        hint="tanh' = 1 - tanh^2.",
    ),
    _functions(
        "log-multiplies",
        ("self.dot / self.val", "self.dot * self.val"),
        says="log(a)' = a' / a",
        hint="log' = 1/a, so the tangent is a'/a.",
    ),
    _functions(
        "exp-without-the-inner-derivative",
        ("Dual(out, out * self.dot)", "Dual(out, out)"),
        says="dot of the result",
        hint="The chain rule: exp(a)' = exp(a) a'. With a tangent of 1 this goes unnoticed.",
    ),
    _functions(
        "sine-of-the-tangent",
        ("np.cos(self.val) * self.dot", "np.cos(self.dot)"),
        says="sin(a)' = cos(a) a'",
        hint="The derivative is taken at the value and then multiplied by the tangent: cos(a) a'.",
    ),
    _forward(
        "transposed",
        ("axis=1)", "axis=0)"),
        says="one pass per input with a one-hot v; its tangent is COLUMN i of",
        hint="Seeding input i gives column i of the Jacobian: stack along axis 1.",
    ),
    _forward(
        "seeds-all-ones",
        (
            "direction = np.zeros(x.size)\n        direction[i] = 1.0",
            "direction = np.ones(x.size)",
        ),
        says="one pass per input with a one-hot v; its tangent is COLUMN i of",
        hint="A direction of all ones moves all inputs at once and gives the sum of all columns.",
    ),
    _forward(
        "direction-not-reset",
        (
            "    for i in range(x.size):\n        direction = np.zeros(x.size)\n",
            "    direction = np.zeros(x.size)\n    for i in range(x.size):\n",
        ),
        says="one pass per input with a one-hot v; its tangent is COLUMN i of",
        hint="The ones of earlier passes are still in the direction: start each pass from zeros.",
    ),
    _forward(
        "jvp-ignores-v",
        ("out = f(Dual(x, v))", "out = f(Dual(x, np.ones(len(x))))"),
        says="seed the tangent of x with v and read the tangent of the result",
        hint="The tangent of x is the direction v that the caller asks for.",
    ),
    _forward(
        "list-of-values-without-tangents",
        ("np.array([part.dot for part in out])", "np.array([part.val for part in out])"),
        says="seed the tangent of x with v and read the tangent of the result",
        hint="The second result is made of the tangents (.dot) of the outputs.",
    ),
    _forward(
        "only-the-value",
        ("return out.val, out.dot", "return out.val, v"),
        says="seed the tangent of x with v and read the tangent of the result",
        hint="The directional derivative is the tangent of the result, not the direction itself.",
    ),
    _forward(
        "counts-the-outputs-first",
        ("    columns = []\n", "    columns, first = [], jvp(f, x, x)[0]\n"),
        says="f was called",
        hint="The first pass tells how many outputs there are; an extra call of f costs as much as a column.",
    ),
    _forward(
        "one-output-makes-a-vector",
        ("return np.stack(columns, axis=1)", "return np.squeeze(np.stack(columns, axis=1))"),
        says="a single output still makes one row",
        hint="A Jacobian is [m, n], also for m = 1 or n = 1.",
    ),
    _reverse(
        "gradients-not-reset",
        ("            leaf.zero_grad()\n", ""),
        says="reset the leaf's gradient before each",
        hint="Leaf gradients accumulate: without zero_grad the second row still holds the first.",
    ),
    _reverse(
        "transposed",
        ("axis=0)", "axis=1)"),
        says="outputs are rows",
        hint="One backward pass from output j gives row j of the Jacobian.",
    ),
    _reverse(
        "seeds-all-ones",
        (
            "seed = np.zeros(output.shape)\n            seed[i] = 1.0",
            "seed = np.ones(output.shape)",
        ),
        says="the Jacobian",
        hint="A seed of all ones gives the gradient of the sum of all outputs; seed one output at a time.",
    ),
    _reverse(
        "zeroes-the-rows-it-kept",
        (
            "            leaf.zero_grad()\n",
            "            if leaf.grad is not None:\n                leaf.grad[...] = 0.0\n"
            "                leaf.grad = None\n",
        ),
        says="the Jacobian",
        hint="The row that you kept is the very array that you set to zero afterwards: keep a copy.",
    ),
    _reverse(
        "rebuilds-the-graph-once-too-often",
        (
            "            leaf.zero_grad()\n            output.backward(seed)",
            "            leaf.zero_grad()\n            f(leaf)\n            output.backward(seed)",
        ),
        says="f was called",
        hint="The graph of one forward pass serves all backward passes: f need not be called again.",
    ),
    _reverse(
        "list-joined-to-one-output",
        (
            "outputs = out if isinstance(out, (list, tuple)) else [out]",
            "outputs = [sum(out[1:], out[0])] if isinstance(out, (list, tuple)) else [out]",
        ),
        says="outputs are rows",
        hint="Each entry of the list is an output of its own, with a row of its own.",
    ),
    _passes(
        "exchanged",
        ("        return n\n", "        return m\n"),
        ('"reverse":\n        return m\n', '"reverse":\n        return n\n'),
        says="forward mode takes one pass per input",
        hint="Forward mode pushes one input's change through: n passes. Reverse mode pulls one output: m "
        "passes.",
    ),
    _passes(
        "product",
        ("        return n\n", "        return n * m\n"),
        says="forward mode takes one pass per input",
        hint="One pass gives a whole column (forward) or row (reverse), not one entry.",
    ),
    _passes(
        "always-the-smaller",
        ("        return n\n", "        return min(n, m)\n"),
        ("        return m\n", "        return min(n, m)\n"),
        says="forward mode takes one pass per input",
        hint="The cheaper mode takes min(n, m) passes; the question is about the mode that is given.",
    ),
    _passes(
        "any-mode-is-reverse",
        ("""    raise ValueError(f'mode must be "forward" or "reverse", not {mode!r}')""", "    return m"),
        says="an unknown mode is refused",
        hint="A misspelt mode would get a wrong answer silently: raise ValueError.",
    ),
    _forward(
        "lists-for-arrays",
        (
            "return np.array([part.val for part in out]), np.array([part.dot for part in out])",
            "return [part.val for part in out], [part.dot for part in out]",
        ),
        says="jvp must return two arrays",
        hint="A list of m scalar Duals becomes an array [m]: np.array([...]), once for val and once for dot.",
    ),
]
