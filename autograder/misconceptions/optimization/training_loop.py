"""Wrong answers to exercise 9: batches, schedules and clipping."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_batches = wrongs_of("ex9-minibatches")
_rate = wrongs_of("ex9-lr-at")
_value = wrongs_of("ex9-clip", "ex9-clip-value-test")
_norm = wrongs_of("ex9-clip", "ex9-clip-norm-test")

_ORDER = "order = torch.randperm(n, generator=generator, device=generator.device)"
_SPLIT = "batches = list(order.split(batch_size))"
_SQUARES = "norm = math.sqrt(sum(float(g.pow(2).sum()) for g in grads))"

MISCONCEPTIONS = [
    _batches(
        "the-same-order-every-epoch",
        (_ORDER, "order = torch.randperm(n, generator=torch.Generator().manual_seed(0))"),
        says="two epochs with one generator have the same order",
        hint="Draw from the generator that is handed in: its state moves on, so every epoch is different.",
    ),
    _batches(
        "last-batch-dropped-by-default",
        ("drop_last: bool = False", "drop_last: bool = True"),
        says="the sizes of the batches of 10 examples",
        hint="The shorter last batch is kept unless drop_last=True.",
    ),
    _batches(
        "never-drops",
        ("        batches.pop()\n", "        pass\n"),
        says="the sizes with drop_last=True",
        hint="With drop_last=True a shorter last batch is left out.",
    ),
    _batches(
        "always-drops-the-last",
        ("if drop_last and len(batches[-1]) < batch_size:", "if drop_last:"),
        says="the batches have the sizes",
        hint="A last batch of full size is no leftover: keep it.",
    ),
    _batches(
        "with-replacement",
        (_ORDER, "order = torch.randint(n, (n,), generator=generator)"),
        says="all indices of an epoch, sorted",
        hint="randint draws with replacement: some examples come twice, others never. randperm.",
    ),
    _batches(
        "batches-shuffled-not-examples",
        (
            _SPLIT,
            "batches = list(torch.arange(n).split(batch_size))\n    batches = "
            "[batches[i] for i in torch.randperm(len(batches), generator=generator)]",
        ),
        says="the sizes of the batches",
        hint="Neighbours would always share a batch: shuffle the examples, then cut.",
    ),
    _batches(
        "rotated-not-shuffled",
        (_ORDER, "order = torch.arange(n).roll(int(torch.randint(n, (1,), generator=generator)))"),
        says="every order of the examples must be equally likely",
        hint="Starting at a random place is no shuffling: the neighbours stay the same.",
    ),
    _batches(
        "global-generator",
        (_ORDER, "order = torch.randperm(n)"),
        says="global generator was used",
        hint="Hand the generator on, otherwise a run cannot be repeated.",
    ),
    _batches(
        "not-shuffled",
        (_ORDER, "order = torch.arange(n)"),
        says="the examples come in their own order",
        hint="The examples must come in a new random order every epoch.",
    ),
    _batches(
        "batch-size-zero-passes",
        ("if batch_size < 1:", "if batch_size < 0:"),
        says="batch_size 0",
        hint="Batches of no examples never come to an end: refuse batch_size < 1.",
    ),
    _rate(
        "exponential-with-base-rate",
        ('lr0 * math.exp(-kw["rate"] * k)', 'lr0 * kw["rate"] ** k'),
        says="exponential at k = 10",
        hint="exp(-rate * k): a rate of 0.1 takes away about 10 % each step, not 90 %.",
    ),
    _rate(
        "sign-in-the-exponent-forgotten",
        ("math.exp(-kw", "math.exp(kw"),
        says="exponential at k = 10",
        hint="The rate falls: exp of MINUS rate * k.",
    ),
    _rate(
        "inverse-without-the-one",
        ('lr0 / (1 + kw["rate"] * k)', 'lr0 / max(kw["rate"] * k, 1)'),
        says="lr0 / (1 + rate * k)",
        hint="The 1 makes the schedule start at lr0 and fall from the first update on.",
    ),
    _rate(
        "root-of-the-inverse",
        ('lr0 / (1 + kw["rate"] * k)', 'lr0 / (1 + kw["rate"] * k) ** 0.5'),
        says="inverse at k = 10",
        hint="lr0 / (1 + rate * k), without a root.",
    ),
    _rate(
        "steps-without-rounding",
        ('(k // kw["every"])', '(k / kw["every"])'),
        says="the number of whole periods is k // every",
        hint="The rate stays constant within a period: k // every, a whole number.",
    ),
    _rate(
        "steps-one-update-early",
        ('(k // kw["every"])', '((k + 1) // kw["every"])'),
        says="step at k = 4, 5, 10",
        hint="Updates 0 ... every - 1 are the first period.",
    ),
    _rate(
        "steps-one-update-late",
        ('(k // kw["every"])', '(max(k - 1, 0) // kw["every"])'),
        says="step at k = 4, 5, 10",
        hint="Update number `every` is the first of the second period.",
    ),
    _rate(
        "unknown-kind-passes",
        ('    raise ValueError(f"unknown schedule {kind!r}")\n', "    return lr0\n"),
        says='the kind "cosine"',
        hint="A misspelt kind would train with a constant rate: refuse it.",
    ),
    _value(
        "clamp-without-underscore",
        ("p.grad.clamp_(-g_max, g_max)", "p.grad.clamp(-g_max, g_max)"),
        says="with the underscore",
        hint="clamp returns a new tensor, which nobody keeps; clamp_ changes the gradient in place.",
    ),
    _value(
        "upper-side-only",
        ("p.grad.clamp_(-g_max, g_max)", "p.grad.clamp_(max=g_max)"),
        says="the gradient (-7) clipped at 1",
        hint="Both sides: an entry of -7 becomes -g_max.",
    ),
    _value(
        "scales-the-whole-gradient",
        ("p.grad.clamp_(-g_max, g_max)", "p.grad.mul_((g_max / p.grad.abs().max()).clamp(max=1.0))"),
        says="clipped at 1",
        hint="That keeps the direction, as clipping by norm does. By value each entry is cut on its own.",
    ),
    _value(
        "sign-only",
        ("p.grad.clamp_(-g_max, g_max)", "p.grad.sign_().mul_(g_max)"),
        says="clipped at 1",
        hint="Entries within the bounds stay as they are.",
    ),
    _value(
        "new-gradient-tensor",
        ("p.grad.clamp_(-g_max, g_max)", "p.grad = p.grad.clamp(-g_max, g_max)"),
        says="p.grad is another tensor than before",
        hint="In place: clamp_ changes the gradient itself.",
    ),
    _value(
        "missing-gradient-crashes",
        ("        if p.grad is not None:\n            p.grad.clamp_", "        if True:\n            p.grad.clamp_"),
        says="AttributeError",
        hint="p.grad may be None: skip that parameter.",
    ),
    _value(
        "bound-of-zero-passes",
        ("if g_max <= 0:", "if g_max < 0:"),
        says="g_max 0",
        hint="A bound of 0 deletes all gradients: refuse it.",
    ),
    _norm(
        "each-parameter-on-its-own",
        ("            g.mul_(max_norm / norm)", "            g.mul_((max_norm / g.norm()).clamp(max=1.0))"),
        says="one factor for all",
        hint="One factor for all parameters: otherwise the direction of the whole gradient changes.",
    ),
    _norm(
        "scales-up-as-well",
        ("    if norm > max_norm:\n", "    if norm > 0:\n"),
        says="never scale UP",
        hint="A gradient that is short enough stays as it is.",
    ),
    _norm(
        "returns-the-clipped-norm",
        ("    return norm\n", "    return min(norm, max_norm)\n"),
        says="the norm BEFORE clipping",
        hint="The norm before clipping is the diagnostic: return that.",
    ),
    _norm(
        "sum-of-norms",
        (_SQUARES, "norm = sum(float(g.norm()) for g in grads)"),
        says="the norm BEFORE clipping, over all parameters together",
        hint="Norms do not add up: sum the squares, then take the root.",
    ),
    _norm(
        "squared-norm",
        (_SQUARES, "norm = sum(float(g.pow(2).sum()) for g in grads)"),
        says="the returned norm",
        hint="The root is missing.",
    ),
    _norm(
        "largest-entry",
        (_SQUARES, "norm = max(float(g.abs().max()) for g in grads)"),
        says="the returned norm",
        hint="This is the maximum norm; the 2-norm is meant.",
    ),
    _norm(
        "generator-walked-through-twice",
        ("    grads = [p.grad for p in params if p.grad is not None]\n", ""),
        (_SQUARES, "norm = math.sqrt(sum(float(p.grad.pow(2).sum()) for p in params if p.grad is not None))"),
        (
            "for g in grads:\n            g.mul_(max_norm / norm)",
            "for p in params:\n            if p.grad is not None:\n                p.grad.mul_(max_norm / norm)",
        ),
        says="params may be a generator",
        hint="model.parameters() is a generator: the second loop over it finds nothing. Make a list first.",
    ),
    _norm(
        "norm-of-zero-passes",
        ("if max_norm <= 0:", "if max_norm < 0:"),
        says="max_norm <= 0 is refused",
        hint="A bound of 0 deletes all gradients: refuse it.",
    ),
]
