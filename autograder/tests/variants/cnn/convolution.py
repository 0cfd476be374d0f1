"""Right answers to exercises 2 and 3, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex2-conv-forward",
        name="unfold-and-one-product",
        code='''
def conv2d_forward(x, w, b=None, stride=1, padding=0, dilation=1):
    """All windows as columns of a matrix."""
    if x.dim() != 4 or w.dim() != 4:
        raise ValueError("four axes")
    if x.size(1) != w.size(1):
        raise ValueError("channels")
    if b is not None and (b.dim() != 1 or len(b) != len(w)):
        raise ValueError("bias")
    two = lambda a: (a, a) if isinstance(a, int) else tuple(a)
    s, p, d = two(stride), two(padding), two(dilation)
    size = []
    for i in range(2):
        room = x.size(2 + i) + 2 * p[i] - d[i] * (w.size(2 + i) - 1) - 1
        if room < 0:
            raise ValueError("the kernel does not fit")
        size.append(room // s[i] + 1)
    columns = F.unfold(x, w.shape[2:], dilation=d, padding=p, stride=s)
    y = w.flatten(1) @ columns
    if b is not None:
        y = y + b.view(1, -1, 1)
    return y.view(x.size(0), w.size(0), *size)
''',
    ),
    Right(
        exercise="ex2-conv-forward",
        name="strided-windows",
        code='''
def conv2d_forward(x, w, b=None, stride=1, padding=0, dilation=1):
    """A view with two more axes for the window, and one einsum."""
    pairs = []
    for a in (stride, padding, dilation):
        pairs.append([a, a] if not isinstance(a, (tuple, list)) else list(a))
    s, p, d = pairs
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ValueError("shapes of x and w")
    if b is not None and tuple(b.shape) != (w.shape[0],):
        raise ValueError("shape of b")
    reach = [d[i] * (w.shape[2 + i] - 1) + 1 for i in (0, 1)]
    z = F.pad(x, [p[1], p[1], p[0], p[0]])
    if z.shape[2] < reach[0] or z.shape[3] < reach[1]:
        raise ValueError("too small")
    windows = z.unfold(2, reach[0], s[0]).unfold(3, reach[1], s[1])[..., :: d[0], :: d[1]]
    y = torch.einsum("nchwuv,ocuv->nohw", windows, w)
    if b is not None:
        y += b.reshape(1, -1, 1, 1)
    return y
''',
    ),
    Right(
        exercise="ex2-conv-forward",
        name="loop-over-places",
        code='''
def conv2d_forward(x, w, b=None, stride=1, padding=0, dilation=1):
    """Place by place, all pictures and filters at once."""
    sh, sw = (stride, stride) if isinstance(stride, int) else stride
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    dh, dw = (dilation, dilation) if isinstance(dilation, int) else dilation
    if len(x.shape) != 4 or len(w.shape) != 4 or x.shape[1] != w.shape[1]:
        raise ValueError("shapes")
    if b is not None and b.shape != (w.shape[0],):
        raise ValueError("bias")
    kh, kw = w.shape[-2:]
    z = torch.nn.functional.pad(x, (pw, pw, ph, ph))
    down = range(0, z.shape[2] - dh * (kh - 1), sh)
    right = range(0, z.shape[3] - dw * (kw - 1), sw)
    if not len(down) or not len(right):
        raise ValueError("no place for the kernel")
    rows = []
    for i in down:
        row = []
        for j in right:
            window = z[:, :, i : i + dh * (kh - 1) + 1 : dh, j : j + dw * (kw - 1) + 1 : dw]
            row.append(window.flatten(1) @ w.flatten(1).T)
        rows.append(torch.stack(row, dim=-1))
    y = torch.stack(rows, dim=-2)
    return y if b is None else y + b.unsqueeze(-1).unsqueeze(-1)
''',
    ),
    Right(
        exercise="ex3-conv-backward",
        name="zeros-in-between-and-a-turned-kernel",
        code='''
def conv2d_backward(grad_y, x, w, stride=1, padding=0, dilation=1):
    """grad_x as a gather: grad_y spread out with zeros, then correlated with the turned kernel."""
    pair = lambda a: (a, a) if isinstance(a, int) else a
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    N, O, Ho, Wo = grad_y.shape
    kh, kw = w.shape[2:]
    H, W = x.shape[2] + 2 * ph, x.shape[3] + 2 * pw
    Eh, Ew = dh * (kh - 1), dw * (kw - 1)
    spread = grad_y.new_zeros(N, O, H + Eh, W + Ew)
    spread[:, :, Eh : Eh + sh * (Ho - 1) + 1 : sh, Ew : Ew + sw * (Wo - 1) + 1 : sw] = grad_y
    windows = spread.unfold(2, Eh + 1, 1).unfold(3, Ew + 1, 1)[..., ::dh, ::dw]
    grad_x = torch.einsum("nohwuv,ocuv->nchw", windows, w.flip(2, 3))
    grad_x = grad_x[:, :, ph : H - ph, pw : W - pw]
    padded = F.pad(x, (pw, pw, ph, ph))
    seen = padded.unfold(2, Eh + 1, sh).unfold(3, Ew + 1, sw)[..., ::dh, ::dw]
    grad_w = torch.einsum("nohw,nchwuv->ocuv", grad_y, seen)
    return [grad_x, grad_w, torch.einsum("nohw->o", grad_y)]
''',
    ),
    Right(
        exercise="ex3-conv-backward",
        name="matrix-transposes-and-a-fold-by-hand",
        code='''
def conv2d_backward(grad_y, x, w, stride=1, padding=0, dilation=1):
    """Columns of windows; index_add_ folds them back."""
    s, p, d = [(a, a) if isinstance(a, int) else tuple(a) for a in (stride, padding, dilation)]
    N, C, H, W = x.shape
    O, _, kh, kw = w.shape
    g = grad_y.flatten(2)                                             # [N, O, L]
    columns = F.unfold(x, (kh, kw), dilation=d, padding=p, stride=s)  # [N, C kh kw, L]
    grad_w = (g @ columns.transpose(1, 2)).sum(0).view_as(w)
    back = w.flatten(1).T @ g                                         # [N, C kh kw, L]
    Hp, Wp = H + 2 * p[0], W + 2 * p[1]
    place = torch.arange(Hp * Wp, device=x.device).view(1, 1, Hp, Wp).to(x.dtype)
    where = F.unfold(place, (kh, kw), dilation=d, stride=s)[0].long().flatten()
    flat = back.view(N, C, -1)
    grad = torch.zeros(N, C, Hp * Wp, dtype=x.dtype, device=x.device).index_add(2, where, flat)
    grad = grad.view(N, C, Hp, Wp)[:, :, p[0] : Hp - p[0], p[1] : Wp - p[1]]
    return grad, grad_w, g.sum(dim=2).sum(dim=0)
''',
    ),
    Right(
        exercise="ex3-conv-transpose",
        name="stamp-by-stamp",
        code='''
def conv_transpose2d(z, w, stride=1, padding=0, output_padding=0):
    """Every input place prints its kernel."""
    if z.dim() != 4 or w.dim() != 4 or z.size(1) != w.size(0):
        raise ValueError("shapes")
    if output_padding >= max(stride, 1):
        raise ValueError("output_padding")
    N, O, h, width = z.shape
    _, C, kh, kw = w.shape
    H = (h - 1) * stride - 2 * padding + kh + output_padding
    W = (width - 1) * stride - 2 * padding + kw + output_padding
    if H < 1 or W < 1:
        raise ValueError("nothing left")
    y = torch.zeros(N, C, H + 2 * padding, W + 2 * padding, dtype=z.dtype, device=z.device)
    for i in range(h):
        for j in range(width):
            stamp = torch.tensordot(z[:, :, i, j], w, dims=1)
            y[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += stamp
    return y[:, :, padding : padding + H, padding : padding + W]
''',
    ),
    Right(
        exercise="ex3-conv-transpose",
        name="gather-with-the-turned-kernel",
        code='''
def conv_transpose2d(z, w, stride=1, padding=0, output_padding=0):
    """Zeros in between, then a correlation with the turned kernel."""
    if z.ndim != 4 or w.ndim != 4 or z.shape[1] != w.shape[0] or not output_padding < stride:
        raise ValueError("bad input")
    (kh, kw), (h, width) = w.shape[2:], z.shape[2:]
    H, W = ((n - 1) * stride + k + output_padding for n, k in ((h, kh), (width, kw)))
    if H <= 2 * padding or W <= 2 * padding:
        raise ValueError("padding")
    spread = z.new_zeros(z.shape[0], z.shape[1], H + kh - 1, W + kw - 1)
    spread[:, :, kh - 1 : kh + stride * (h - 1) : stride, kw - 1 : kw + stride * (width - 1) : stride] = z
    windows = spread.unfold(2, kh, 1).unfold(3, kw, 1)
    y = torch.einsum("nohwuv,ocuv->nchw", windows, torch.flip(w, (2, 3)))
    return y[:, :, padding : H - padding, padding : W - padding]
''',
    ),
]
