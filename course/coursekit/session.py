"""The one line that sets a notebook up: device, preset, random streams, figures, readable errors.

    from coursekit import check, setup
    lab = setup("02_backprop")
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from . import presets

_UNSET = presets._UNSET


def headless() -> bool:
    """Whether no person is watching (COURSE_HEADLESS=1): no progress bars, widgets as static figures."""
    return os.environ.get("COURSE_HEADLESS", "").strip().lower() not in ("", "0", "false", "no")


@dataclass(frozen=True)
class Lab:
    """What a chapter's notebook needs to know about the run it is in (made by `setup`).

    `chapter`: the chapter's folder name; `device`: the torch device to compute on; `preset`: "smoke", "quick"
    or "full"; `grading`: whether the autograder runs the notebook; `seed`: the root of all random streams.
    """

    chapter: str
    device: torch.device
    preset: str
    grading: bool
    seed: int

    def pick(
        self, *, smoke: Any = _UNSET, quick: Any = _UNSET, full: Any = _UNSET, grading: Any = _UNSET
    ) -> Any:
        """The value for this run's preset, `lab.pick(smoke=2, quick=20, full=200)`.

        While grading it is `grading`, or `smoke` where that is not given. A preset without a value takes that
        of the next smaller one (or else the next larger one).
        """
        return presets.pick(self.preset, self.grading, smoke=smoke, quick=quick, full=full, graded=grading)

    def rng(self, tag: str) -> np.random.Generator:
        """A NumPy generator at the start of the stream named `tag`.

        The stream depends on (seed, chapter, tag) only: not on what ran before, nor on the machine. Two calls
        with one tag give the same numbers.
        """
        return np.random.default_rng(self._entropy(tag))

    def generator(self, tag: str, device: str | torch.device | None = None) -> torch.Generator:
        """A torch generator at the start of the stream named `tag`, on the CPU unless `device` is given.

        Draw on the CPU and move the result: then the numbers are the same on every machine.
        """
        generator = torch.Generator(device=device or "cpu")
        generator.manual_seed(self._entropy(tag) % 2**63)
        return generator

    @contextlib.contextmanager
    def seeded(self, tag: str) -> Iterator[None]:
        """Within the block torch's own generator, which fills new layers, is at the start of the stream `tag`.

        Afterwards it is where it was before. Build modules on the CPU and move them: then their weights are
        the same on every machine.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._entropy(tag) % 2**63)
            yield

    def _entropy(self, tag: str) -> int:
        if not isinstance(tag, str) or not tag:
            raise ValueError("a random stream needs a name, such as lab.rng('weights')")
        # sha256 and not hash(): the same in every process and on every machine
        text = f"{self.seed}\n{self.chapter}\n{tag}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def setup(
    chapter: str, preset: str | None = None, device: str | torch.device | None = None, seed: int = 0
) -> Lab:
    """Set the notebook up and print one line that says how.

    Args:
        chapter: the chapter's folder name, such as "02_backprop".
        preset: "smoke", "quick" or "full"; else COURSE_PRESET; else "quick" ("smoke" under nbgrader).
        device: a torch device; else COURSE_DEVICE; else the first of cuda, mps, cpu (cpu while grading).
        seed: the root of the random streams `lab.rng` and `lab.generator`.

    Raises:
        ValueError: for an unknown preset or device name.
        RuntimeError: if the device asked for is not there.
    """
    grading = os.environ.get("NBGRADER_EXECUTION") == "autograde"
    lab = Lab(chapter, choose_device(device), presets.choose_preset(preset), grading, int(seed))
    if os.environ.get("NBGRADER_EXECUTION") or headless():
        torch.set_num_threads(min(available_cores(), 2))
    _set_up_figures()
    _set_up_notebook()
    print(f"{chapter}: device {lab.device.type}, preset {lab.preset}")
    return lab


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The torch device: the argument, else COURSE_DEVICE, else the first there is of cuda, mps and cpu.

    While grading the CPU is taken unless a device is asked for, so that the same work earns the same points.
    Raises `ValueError` for a name that torch does not know, `RuntimeError` for a device that is not there.
    """
    asked, source = device, "device"
    if asked is None:
        asked, source = os.environ.get("COURSE_DEVICE", "").strip().lower() or None, "COURSE_DEVICE"
    if asked is None:
        if os.environ.get("NBGRADER_EXECUTION") == "autograde":
            return torch.device("cpu")
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(asked)
    except RuntimeError:
        raise ValueError(f"{source}={asked!r} is not a device; choose cpu, cuda, cuda:1 or mps") from None
    problem = _missing_device(chosen)
    if problem:
        raise RuntimeError(f"{source}={asked} cannot be used: {problem}. Leave it out, or choose cpu.")
    return chosen


def _missing_device(device: torch.device) -> str | None:
    if device.type == "cpu":
        return None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            return f"torch {torch.__version__} finds no CUDA GPU here"
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            return f"there {'is one CUDA GPU' if count == 1 else f'are {count} CUDA GPUs'}, numbered from 0"
        return None
    if device.type == "mps":
        return None if torch.backends.mps.is_available() else "this is no Mac with a GPU that torch can use"
    return f"the course runs on cpu, cuda and mps, not on {device.type}"


def _set_up_figures() -> None:
    # at its first start matplotlib logs "building the font cache" on stderr, an error to nbgrader
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from . import figures

    figures.apply_style()


def _set_up_notebook() -> None:
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    from .ipython import install

    install(shell)
    if hasattr(shell, "kernel"):
        shell.run_line_magic("matplotlib", "inline")
