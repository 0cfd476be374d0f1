"""Right answers to exercises 4, 5 and 6, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex4-max-pool",
        name="running-maximum",
        code='''
def max_pool2d(x, k, stride=None, padding=0):
    """Offset by offset, with torch.where."""
    s = stride if stride is not None else k
    N, C, H, W = x.shape
    if 2 * padding > k or H + 2 * padding < k or W + 2 * padding < k:
        raise ValueError("window")
    rows, cols = (H + 2 * padding - k) // s + 1, (W + 2 * padding - k) // s + 1
    z = x.new_full((N, C, H + 2 * padding, W + 2 * padding), -math.inf)
    z[:, :, padding : padding + H, padding : padding + W] = x
    number = torch.arange(H * W, device=x.device).view(1, 1, H, W)
    number = F.pad(number, (padding, padding, padding, padding), value=-1).expand(N, C, -1, -1)
    y = idx = None
    for u in range(k):
        for v in range(k):
            part = z[:, :, u : u + s * (rows - 1) + 1 : s, v : v + s * (cols - 1) + 1 : s]
            where = number[:, :, u : u + s * (rows - 1) + 1 : s, v : v + s * (cols - 1) + 1 : s]
            if y is None:
                y, idx = part, where
            else:
                better = (part > y) | (idx < 0)
                y, idx = torch.where(better, part, y), torch.where(better, where, idx)
    return y.clone(), idx.clone()
''',
    ),
    Right(
        exercise="ex4-max-pool",
        name="loop-over-windows",
        code='''
def max_pool2d(x, k, stride=None, padding=0):
    """Window by window, clipped to the picture: no padding is needed at all."""
    if stride is None:
        stride = k
    N, C, H, W = x.shape
    if padding > k // 2:
        raise ValueError("padding")
    if k > H + 2 * padding or k > W + 2 * padding:
        raise ValueError("too small")
    values, places = [], []
    rows = range(-padding, H + padding - k + 1, stride)
    cols = range(-padding, W + padding - k + 1, stride)
    for top in rows:
        for left in cols:
            t, l = max(top, 0), max(left, 0)
            window = x[:, :, t : top + k, l : left + k]
            flat = window.reshape(N, C, -1)
            place = flat.argmax(dim=2)
            values.append(flat.gather(2, place[..., None])[..., 0])
            places.append((place // window.shape[3] + t) * W + place % window.shape[3] + l)
    shape = (N, C, len(rows), len(cols))
    return torch.stack(values, dim=2).view(shape), torch.stack(places, dim=2).view(shape)
''',
    ),
    Right(
        exercise="ex4-max-pool-backward",
        name="index-add",
        code='''
def max_pool2d_backward(grad_y, idx, x_shape):
    """One long line of pixels for all channels."""
    N, C, H, W = x_shape
    offset = torch.arange(N * C, device=grad_y.device).view(N, C, 1, 1) * (H * W)
    flat = torch.zeros(N * C * H * W, dtype=grad_y.dtype, device=grad_y.device)
    flat.index_add_(0, (idx + offset).reshape(-1), grad_y.reshape(-1))
    return flat.view(x_shape)
''',
    ),
    Right(
        exercise="ex4-max-pool-backward",
        name="loop-over-outputs",
        code='''
def max_pool2d_backward(grad_y, idx, x_shape):
    """Output by output: within one of them all places are different."""
    grad = grad_y.new_zeros(*x_shape[:2], x_shape[2] * x_shape[3])
    for i in range(idx.shape[2]):
        for j in range(idx.shape[3]):
            place = idx[:, :, i, j].unsqueeze(-1)
            grad.scatter_(2, place, grad.gather(2, place) + grad_y[:, :, i, j].unsqueeze(-1))
    return grad.reshape(x_shape)
''',
    ),
    Right(
        exercise="ex5-batch-norm",
        name="channels-last-sums-of-squares",
        code='''
class BatchNorm2d(nn.Module):
    """Channels moved to the end, so that nothing has to be reshaped; a counter of batches."""

    def __init__(self, c, eps=1e-5, momentum=0.1):
        super().__init__()
        self.c, self.eps, self.momentum = c, eps, momentum
        self.weight = nn.Parameter(torch.ones(c))
        self.bias = nn.Parameter(torch.zeros(c))
        self.register_buffer("running_mean", torch.zeros(c))
        self.register_buffer("running_var", torch.ones(c))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if x.dim() != 4:
            raise ValueError("four axes")
        if x.size(1) != self.c:
            raise ValueError("channels")
        h = x.movedim(1, -1)
        if self.training:
            n = h[..., 0].numel()
            if n < 2:
                raise ValueError("one value")
            mean = torch.einsum("nhwc->c", h) / n
            ss = ((h - mean) ** 2).sum(dim=(0, 1, 2))
            var = ss / n
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean.detach()
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * ss.detach() / (n - 1)
            self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        y = self.weight * (h - mean) * torch.rsqrt(var + self.eps) + self.bias
        return y.movedim(-1, 1)
''',
    ),
    Right(
        exercise="ex5-batch-norm",
        name="four-axes-and-var-mean",
        code='''
class BatchNorm2d(nn.Module):
    """Everything as [1, C, 1, 1]."""

    def __init__(self, c, eps=1e-5, momentum=0.1):
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.full((c,), 1.0))
        self.bias = nn.Parameter(torch.full((c,), 0.0))
        for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((c,), value))
        self.eps = eps
        self.momentum = momentum

    def forward(self, x):
        wide = lambda a: a.view(1, -1, 1, 1)
        if x.ndim != 4 or tuple(x.shape)[1] != self.weight.numel():
            raise ValueError(tuple(x.shape))
        if not self.training:
            y = (x - wide(self.running_mean)) / wide(self.running_var + self.eps).sqrt()
            return y * wide(self.weight) + wide(self.bias)
        if x[:, 0].numel() == 1:
            raise ValueError("no variance")
        flat = x.transpose(0, 1).flatten(1)
        var, mean = torch.var_mean(flat, dim=1, correction=0)
        with torch.no_grad():
            self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
            self.running_var.mul_(1 - self.momentum).add_(self.momentum * flat.var(dim=1))
        return (x - wide(mean)) * wide((var + self.eps) ** -0.5) * wide(self.weight) + wide(self.bias)
''',
    ),
    Right(
        exercise="ex6-residual-block",
        name="sequential-and-none",
        code='''
class ResidualBlock(nn.Module):
    """A branch in a Sequential; the shortcut is None where it is the identity."""

    def __init__(self, c_in, c_out, stride=1, residual=True, norm=BatchNorm2d):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(c_in, c_out, kernel_size=3, stride=stride, padding=1, bias=False),
            norm(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, kernel_size=3, padding=1, bias=False),
            norm(c_out),
        )
        self.project = None
        if residual and not (stride == 1 and c_in == c_out):
            self.project = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), norm(c_out))
        self.residual = residual

    def forward(self, x):
        y = self.branch(x)
        if self.residual:
            y = y + (x if self.project is None else self.project(x))
        return y.clamp(min=0)
''',
    ),
    Right(
        exercise="ex6-residual-block",
        name="shortcut-listed-first",
        code='''
class ResidualBlock(nn.Module):
    """Everything explicit, the shortcut first; F.relu in place on a tensor of its own."""

    def __init__(self, c_in, c_out, stride=1, residual=True, norm=BatchNorm2d):
        super().__init__()
        self.skip = residual
        self.same = stride == 1 and c_in == c_out
        if residual and not self.same:
            self.sc_conv = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.sc_norm = norm(c_out)
        self.c1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.n1 = norm(c_out)
        self.c2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.n2 = norm(c_out)

    def forward(self, x):
        h = F.relu(self.n1(self.c1(x)), inplace=True)
        h = self.n2(self.c2(h))
        if not self.skip:
            return F.relu(h)
        return F.relu(h + x) if self.same else F.relu(h + self.sc_norm(self.sc_conv(x)))
''',
    ),
    Right(
        exercise="ex6-make-resnet",
        name="a-module-of-its-own",
        code='''
def make_resnet(n, width=16, num_classes=10, c_in=3, residual=True):
    """A class inside, stages in a ModuleList, mean by hand."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(c_in, width, 3, 1, 1, bias=False)
            self.norm = BatchNorm2d(width)
            widths = [width, width, 2 * width, 4 * width]
            self.blocks = nn.ModuleList()
            for a, b, s in zip(widths, widths[1:], (1, 2, 2)):
                self.blocks.append(ResidualBlock(a, b, stride=s, residual=residual))
                self.blocks.extend(ResidualBlock(b, b, residual=residual) for _ in range(n - 1))
            self.head = nn.Linear(4 * width, num_classes)

        def forward(self, x):
            h = torch.relu(self.norm(self.stem(x)))
            for block in self.blocks:
                h = block(h)
            return self.head(h.mean(dim=(2, 3)))

    return Net()
''',
    ),
    Right(
        exercise="ex6-make-resnet",
        name="plan-first",
        code='''
def make_resnet(n, width=16, num_classes=10, c_in=3, residual=True):
    """A list of (in, out, stride) first."""
    plan = []
    previous = width
    for stage, channels in enumerate([width, 2 * width, 4 * width]):
        for i in range(n):
            plan.append((previous, channels, 1 + (stage > 0 and i == 0)))
            previous = channels
    first = nn.Conv2d(c_in, width, kernel_size=3, padding="same", bias=False)
    stem = nn.Sequential(first, BatchNorm2d(width), nn.ReLU())
    body = nn.Sequential(*[ResidualBlock(a, b, s, residual) for a, b, s in plan])
    net = nn.Sequential()
    net.add_module("stem", stem)
    net.add_module("body", body)
    net.add_module("pool", nn.AdaptiveAvgPool2d((1, 1)))
    net.add_module("flat", nn.Flatten(1))
    net.add_module("head", nn.Linear(previous, num_classes))
    return net
''',
    ),
]
