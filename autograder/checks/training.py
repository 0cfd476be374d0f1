"""What the graded experiments of several chapters share: digits, one thread, networks with weights that came."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from coursekit.data import mnist
from torch import nn

from autograder.checks.probe import same

digits = functools.cache(mnist)  # unpacking the file takes longer than a small test


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """The same sums in the same order on every machine, and no threads waiting for each other on a busy one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pixels(count: int | None, test: bool = False) -> torch.Tensor:
    """The first images as uint8 [n, 784]: conversion is left to the other side, so that a quarter crosses."""
    data = digits()
    images = (data.x_test if test else data.x_train)[:count]
    return torch.from_numpy(images.reshape(len(images), -1).copy())


def apart(got: Any, want: Any) -> float:
    """The distance of numbers that came from those that they should be, as a share of the size of these.

    NaN, which is below no bound, where a NaN came.
    """
    want = same(want)
    distance = (same(got) - want).norm()
    return 0.0 if distance == 0 else (distance / want.norm()).item()


def fitted(make: Callable[[], nn.Module], weights: Any) -> nn.Module | None:
    """The network that `make` builds, in evaluation mode, with weights that a student's process trained.

    `weights`: the values of its `state_dict()` in order; None where what came is something else.
    """
    with torch.device("meta"):  # no numbers are drawn, and no memory is taken
        net = make()
    state = net.state_dict()
    if not isinstance(weights, list) or len(weights) != len(state):
        return None
    for came, wanted in zip(weights, state.values(), strict=True):
        if not isinstance(came, torch.Tensor) or (came.shape, came.dtype) != (wanted.shape, wanted.dtype):
            return None
    net.load_state_dict(dict(zip(state, weights, strict=True)), assign=True)
    return net.requires_grad_(False).eval()
