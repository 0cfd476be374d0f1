"""Wrong answers to exercise 6: residual blocks and a deep network."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_block = wrongs_of("ex6-residual-block")
_net = wrongs_of("ex6-make-resnet")

_CONV1 = "self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)"
_CONV2 = "self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)"
_SHORT = "self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), norm(c_out))"
_WHEN = "if residual and (stride != 1 or c_in != c_out):"
_BRANCH = "branch = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))"
_RETURN = "return torch.relu(branch + self.shortcut(x)) if self.residual else torch.relu(branch)"
_STACK = "layers.append(ResidualBlock(channels, width * 2**stage, stride, residual))"
_STRIDE = "stride = 2 if stage > 0 and i == 0 else 1"
_STEM = "layers = [nn.Conv2d(c_in, width, 3, padding=1, bias=False), BatchNorm2d(width), nn.ReLU()]"
_END = "return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))"

MISCONCEPTIONS = [
    _block(
        "relu-before-the-addition",
        (_RETURN, "return torch.relu(branch) + self.shortcut(x) if self.residual else torch.relu(branch)"),
        says="the last ReLU comes AFTER the addition",
        hint="Add first, then ReLU: a branch behind a ReLU could only add, never take away.",
    ),
    _block(
        "no-relu-at-the-end",
        (_RETURN, "return branch + self.shortcut(x) if self.residual else branch"),
        says="must not be negative",
        hint="The sum goes through a ReLU.",
    ),
    _block(
        "no-relu-inside",
        (_BRANCH, "branch = self.norm2(self.conv2(self.norm1(self.conv1(x))))"),
        says="one ReLU inside the branch",
        hint="Without a ReLU between them two convolutions are one.",
    ),
    _block(
        "skip-halved",
        (_RETURN, "return torch.relu((branch + self.shortcut(x)) / 2) if self.residual else torch.relu(branch)"),
        says="what came in is added as it is",
        hint="The sum of both, not their mean: the identity must pass unchanged.",
    ),
    _block(
        "both-convolutions-stride",
        (_CONV2, _CONV2.replace("3, padding", "3, stride, padding")),
        (_SHORT, _SHORT.replace("1, stride, bias", "1, stride * stride, bias")),
        says="only the first convolution and the shortcut have the stride",
        hint="Two strides of 2 would divide the map by four.",
    ),
    _block(
        "shortcut-always",
        (_WHEN, "if residual:"),
        says="no shortcut layer",
        hint="Where the shape is kept the shortcut is the identity, with no parameters.",
    ),
    _block(
        "shortcut-only-for-channels",
        (_WHEN, "if residual and c_in != c_out:"),
        (
            _RETURN,
            "sc = self.shortcut(x)\n        sc = sc[:, :, ::2, ::2] if sc.shape != branch.shape else sc\n        "
            + _RETURN.replace("self.shortcut(x)", "sc"),
        ),
        says="the number of parameters",
        hint="With stride 2 the shape changes too: a 1 x 1 convolution with that stride, and a norm.",
    ),
    _block(
        "shortcut-without-a-norm",
        (_SHORT, "self.shortcut = nn.Conv2d(c_in, c_out, 1, stride, bias=False)"),
        says="a 1 x 1 convolution without bias, and a norm",
        hint="The shortcut's convolution is followed by a norm.",
    ),
    _block(
        "one-norm-twice",
        ("self.norm2 = norm(c_out)", "self.norm2 = self.norm1"),
        says="parameters of a block",
        hint="One norm object keeps one set of statistics: every place needs its own.",
    ),
    _block(
        "bias-left-on",
        (_CONV1, _CONV1.replace(", bias=False", "")),
        (_CONV2, _CONV2.replace(", bias=False", "")),
        says="parameters of a block",
        hint="The norm subtracts the mean, and a bias with it: bias=False.",
    ),
    _block(
        "adds-without-skips-too",
        (_WHEN, "if stride != 1 or c_in != c_out:"),
        (_RETURN, "return torch.relu(branch + self.shortcut(x))"),
        says="residual=False",
        hint="With residual=False nothing is added.",
    ),
    _block(
        "changes-its-input",
        (
            _BRANCH,
            "h = self.norm1(self.conv1(x))\n        with torch.no_grad():\n            x.clamp_(min=0)\n"
            "        branch = self.norm2(self.conv2(torch.relu(h)))",
        ),
        says="changed in place",
        hint="An operation in place on x corrupts what the shortcut adds.",
    ),
    _block(
        "fixed-norm",
        ("self.norm1 = norm(c_out)", "self.norm1 = nn.Identity()"),
        says="parameters of a block",
        hint="A norm follows each of the two convolutions.",
    ),
    _net(
        "no-stride-between-stages",
        (_STRIDE, "stride = 1"),
        says="the first block of stages 2 and 3 has stride 2",
        hint="Stages 2 and 3 begin with stride 2.",
    ),
    _net(
        "stride-at-the-end-of-a-stage",
        (_STRIDE, "stride = 2 if stage < 2 and i == n - 1 else 1"),
        says="the first convolution of stages 2 and 3",
        hint="The map is halved by the FIRST block of stages 2 and 3, not by the last one of the stage before.",
    ),
    _net(
        "stride-in-every-stage",
        (_STRIDE, "stride = 2 if i == 0 else 1"),
        says="parameters",
        hint="The first stage keeps the resolution.",
    ),
    _net(
        "stride-in-every-block",
        (_STRIDE, "stride = 2 if stage > 0 else 1"),
        says="parameters of make_resnet(3)",
        hint="Only the FIRST block of stages 2 and 3 has stride 2.",
    ),
    _net(
        "same-width-everywhere",
        (_STACK, _STACK.replace("width * 2**stage", "width")),
        ("channels = width * 2**stage", "channels = width"),
        says="parameters of make_resnet(3)",
        hint="The widths are width, 2 width and 4 width.",
    ),
    _net(
        "residual-not-handed-on",
        (_STACK, _STACK.replace(", residual)", ")")),
        says="hand `residual` on to the blocks",
        hint="Without it the plain network has skips too.",
    ),
    _net(
        "one-block-less",
        ("for i in range(n):", "for i in range(n - 1 if stage == 2 else n):"),
        says="make_resnet",
        hint="Each of the three stages has n blocks: 6n + 2 layers with weights.",
    ),
    _net(
        "no-norm-behind-the-stem",
        (_STEM, "layers = [nn.Conv2d(c_in, width, 3, padding=1), nn.ReLU()]"),
        says="parameters of make_resnet(3)",
        hint="The stem is a convolution without bias, a norm and a ReLU.",
    ),
    _net(
        "seven-by-seven-stem",
        (_STEM, _STEM.replace("width, 3, padding=1", "width, 7, padding=3")),
        says="parameters of make_resnet(3)",
        hint="For small pictures the stem is 3 x 3.",
    ),
    _net(
        "blocks-repeat-one-object",
        (_STACK, "layers.append(layers[-1] if i > 1 else ResidualBlock(channels, width * 2**stage, stride, residual))"),
        says="parameters of make_resnet(3)",
        hint="Every block is an object of its own.",
    ),
]
