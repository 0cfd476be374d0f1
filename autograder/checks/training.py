"""What the graded experiments of several chapters share: the digits, read once a process, and one thread."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import torch
from coursekit.data import mnist

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
