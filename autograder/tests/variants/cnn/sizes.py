"""Right answers to exercise 1, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex1-conv-out-size",
        name="counts-the-places",
        code='''
def conv_out_size(n, k, stride=1, padding=0, dilation=1):
    """Count where the window can start."""
    if n <= 0 or k <= 0 or stride <= 0 or dilation <= 0 or padding < 0:
        raise ValueError("bad sizes")
    reach = dilation * (k - 1) + 1
    starts = range(0, n + 2 * padding - reach + 1, stride)
    if not len(starts):
        raise ValueError("the window does not fit")
    return len(starts)
''',
    ),
    Right(
        exercise="ex1-conv-out-size",
        name="math-floor",
        code='''
def conv_out_size(n, k, stride=1, padding=0, dilation=1):
    """The formula with floor; whether it fits is tested first."""
    for value in (n, k, stride, dilation, padding + 1):
        if value < 1:
            raise ValueError(value)
    room = n + 2 * padding - (dilation * (k - 1) + 1)
    if room < 0:
        raise ValueError("too small")
    return math.floor(room / stride + 1)
''',
    ),
    Right(
        exercise="ex1-conv-params",
        name="loop-over-groups",
        code='''
def conv_params(c_in, c_out, k, bias=True, groups=1):
    """Group by group."""
    try:
        kh, kw = k
    except TypeError:
        kh = kw = k
    if any(v <= 0 for v in (c_in, c_out, kh, kw, groups)):
        raise ValueError("not positive")
    if c_in % groups != 0 or c_out % groups != 0:
        raise ValueError("groups")
    weights = 0
    for _ in range(groups):
        weights += (c_out // groups) * (c_in // groups) * kh * kw
    return weights + (c_out if bias else 0)
''',
    ),
    Right(
        exercise="ex1-conv-params",
        name="numpy-product",
        code='''
def conv_params(c_in, c_out, k, bias=True, groups=1):
    """The shape of the weight, multiplied up."""
    pair = tuple(k) if isinstance(k, (tuple, list)) else (k, k)
    if not all(v >= 1 for v in (c_in, c_out, groups, *pair)):
        raise ValueError("positive numbers, please")
    if divmod(c_in, groups)[1] or divmod(c_out, groups)[1]:
        raise ValueError("groups must divide the channels")
    shape = (c_out, c_in // groups, *pair)
    return int(np.prod(shape)) + bool(bias) * c_out
''',
    ),
    Right(
        exercise="ex1-receptive-field",
        name="closed-form",
        code='''
def receptive_field(layers):
    """1 + the sum of (k - 1) d times the product of the strides before."""
    for layer in layers:
        if any(v < 1 for v in layer):
            raise ValueError(layer)
    strides = [s for _, s, _ in layers]
    size = 1 + sum((k - 1) * d * math.prod(strides[:i]) for i, (k, _, d) in enumerate(layers))
    return size, math.prod(strides)
''',
    ),
    Right(
        exercise="ex1-receptive-field",
        name="recursive-from-the-output",
        code='''
def receptive_field(layers):
    """How many inputs n outputs of the first layer need, layer by layer from the end."""
    size, jump = 1, 1
    for k, s, d in layers[::-1]:
        if k <= 0 or s <= 0 or d <= 0:
            raise ValueError("layer")
        size, jump = (size - 1) * s + d * (k - 1) + 1, jump * s
    return (size, jump)
''',
    ),
]
