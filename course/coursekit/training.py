"""The training loop of the course: any step function, a live progress bar, a history to plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from .progress import bar

FACTOR = 0.9


class TrainingDiverged(ArithmeticError):
    """A loss became NaN or infinite. `.step` (counted from 0), `.key` and `.history` say where."""

    def __init__(self, message: str, step: int, key: str, history: History):
        super().__init__(message)
        self.step, self.key, self.history = step, key, history


class History:
    """What a training run measured: one record a step, and arrays by name.

    `history["loss"]` is an array of all recorded values of `loss`, `history.at("acc")` the steps at which
    `acc` was recorded (training steps count from 1: the number of updates done), `history.records` the list
    of dicts. Values are numbers, or arrays of one shape (such as one gradient norm per layer).
    """

    def __init__(self) -> None:
        self.records: list[dict] = []

    def add(self, step: int, values: Mapping) -> None:
        """Record `values` (name to number or array) after update number `step`."""
        if self.records and self.records[-1]["step"] == step:
            self.records[-1].update(values)
        else:
            self.records.append({"step": step, **values})

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, key: str) -> bool:
        return any(key in record for record in self.records)

    def keys(self) -> list[str]:
        """Names recorded at least once, in the order in which they first came."""
        return list(dict.fromkeys(key for record in self.records for key in record if key != "step"))

    def _known(self, key: str) -> None:
        if key not in self:
            known = ", ".join(self.keys()) or "nothing yet"
            raise KeyError(f"the history has no {key!r}; recorded: {known}")

    def __getitem__(self, key: str) -> np.ndarray:
        """All recorded values of `key`, shape `[times recorded, ...]`. `KeyError` lists the known names."""
        if key == "step":
            return self.steps
        self._known(key)
        return np.array([record[key] for record in self.records if key in record])

    def at(self, key: str) -> np.ndarray:
        """The steps at which `key` was recorded, shape `[times recorded]`."""
        self._known(key)
        return np.array([record["step"] for record in self.records if key in record])

    @property
    def steps(self) -> np.ndarray:
        """All recorded steps, counted from 1."""
        return np.array([record["step"] for record in self.records], dtype=int)

    def last(self, key: str = "loss"):
        """The most recent value of `key`."""
        self._known(key)
        return next(record[key] for record in reversed(self.records) if key in record)

    def smooth(self, key: str = "loss", factor: float = FACTOR) -> np.ndarray:
        """Exponential moving average of `key`: each value keeps `factor` of the average so far.

        Divided by `1 - factor**t`, so that the first values are not pulled towards 0 (as in Adam).
        """
        if not 0 <= factor < 1:
            raise ValueError(f"factor must lie in [0, 1), got {factor}")
        values = self[key].astype(float)
        averages, running, weight = np.empty_like(values), np.zeros(values.shape[1:]), 0.0
        for t, value in enumerate(values):
            running = factor * running + (1 - factor) * value
            weight = factor * weight + (1 - factor)
            averages[t] = running / weight
        return averages

    def plot(self, ax, key: str = "loss", *, smooth: float | None = None, label: str | None = None, **style):
        """Draw `key` against the step on `ax`; with `smooth=0.9` the average strong, the raw values faint.

        `style` goes to `ax.plot`. Returns the line.
        """
        x, label = self.at(key), key if label is None else label
        if smooth is None:
            (line,) = ax.plot(x, self[key], label=label, **style)
        else:
            (line,) = ax.plot(x, self.smooth(key, smooth), label=label, **style)
            ax.plot(x, self[key], color=line.get_color(), alpha=0.25, linewidth=0.8, linestyle="-", zorder=1)
        ax.set_xlabel("step")
        if not ax.get_ylabel():
            ax.set_ylabel(key)
        return line

    def __repr__(self) -> str:
        if not self.records:
            return "History(empty)"
        last = ", ".join(f"{key}={_short(self.last(key))}" for key in self.keys())
        return f"History({len(self)} steps, last: {last})"


def _short(value) -> str:
    return f"{value:.4g}" if np.ndim(value) == 0 else f"array{np.shape(value)}"


def _number(value, key: str):
    """A float (or float array) from a Python, NumPy or torch number, without autograd or device."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        # float(tensor) warns on stderr when the tensor requires a gradient; NumPy knows no bfloat16
        value = value.detach().cpu().double().numpy()
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(
            f"{key!r} must be a number or an array of numbers, got {type(value).__name__}"
        ) from None
    return array.item() if array.size == 1 else array


def _values(result, source: str) -> dict:
    if not isinstance(result, Mapping):
        if source == "evaluate":
            raise TypeError(f"evaluate must return a dict of metrics, got {type(result).__name__}")
        if result is None:
            raise TypeError("step returned None; it must return the loss (a number) or a dict with it")
        result = {"loss": result}
    return {str(key): _number(value, key) for key, value in result.items()}


def _stop_if_diverged(values: dict, done: int, history: History) -> None:
    for key, value in values.items():
        if key.endswith("loss") and not np.all(np.isfinite(value)):
            before = [
                f"after step {record['step'] - 1} it was {_short(record[key])}"
                for record in history.records
                if key in record and record["step"] < done
            ]
            what = "NaN" if np.any(np.isnan(value)) else "infinite"
            raise TrainingDiverged(
                f"the {key} is {what} at step {done - 1} ({before[-1] if before else 'the first one'}). "
                "Usual causes: a learning rate too large, the logarithm of 0, a division by 0, "
                "or a gradient with a wrong sign.",
                done - 1,
                key,
                history,
            )


def train(
    step: Callable[[int], float | Mapping],
    steps: int,
    *,
    every: int | None = None,
    evaluate: Callable[[int], Mapping] | None = None,
    label: str = "",
) -> History:
    """Call `step(i)` for i = 0 ... steps-1 and record what it returns.

    `step(i)` makes one update (or one epoch: it is up to you) and returns the loss, or a dict of numbers
    with `"loss"` among them; numbers may be Python's, NumPy's or torch's. `evaluate(i)` returns a dict of
    metrics; it is called after every `every` steps (default: a tenth of `steps`) and after the last one.

    A progress bar with the newest numbers runs on stdout. Interrupting the kernel ends the run early and
    returns the history so far. Raises `TrainingDiverged` when a value whose name ends in `loss` is NaN or
    infinite, `TypeError` when `step` or `evaluate` return something else, `ValueError` for `steps` below 1.
    """
    from .session import headless

    if steps < 1 or (every is not None and every < 1):
        raise ValueError(f"steps and every must be at least 1, got steps={steps}, every={every}")
    every = every or max(1, math.ceil(steps / 10))
    history = History()
    shown: dict[str, str] = {}
    with bar(steps, label) as progress:
        try:
            for i in range(steps):
                values = _values(step(i), "step")
                history.add(i + 1, values)
                _stop_if_diverged(values, i + 1, history)
                if evaluate is not None and ((i + 1) % every == 0 or i + 1 == steps):
                    metrics = _values(evaluate(i), "evaluate")
                    history.add(i + 1, metrics)
                    _stop_if_diverged(metrics, i + 1, history)
                    values = values | metrics
                shown |= {key: _short(value) for key, value in values.items() if np.ndim(value) == 0}
                progress.set_postfix(shown, refresh=False)
                progress.update()
        except KeyboardInterrupt:
            # A grader interrupts a cell that runs too long: that must end the cell, not the loop alone.
            if headless():
                raise
            progress.write(f"Stopped by hand after {len(history)} of {steps} steps.", file=progress.fp)
    return history


def minibatches(
    n: int, batch_size: int, rng: np.random.Generator, *, epochs: int | None = 1, drop_last: bool = False
) -> Iterator[np.ndarray]:
    """Index arrays (int64, shape `[batch_size]`) that visit 0 ... n-1 in a fresh random order every epoch.

    `epochs=None` goes on for ever. The last batch of an epoch is shorter when `batch_size` does not divide
    `n`, or left out with `drop_last=True`. Raises `ValueError` for sizes below 1 (or nothing left to yield).
    """
    if n < 1 or batch_size < 1 or (drop_last and batch_size > n):
        raise ValueError(f"cannot make batches of {batch_size} out of {n} examples")
    return _minibatches(n, batch_size, rng, epochs, drop_last)


def _minibatches(n, batch_size, rng, epochs, drop_last):
    epoch = 0
    while epochs is None or epoch < epochs:
        order = rng.permutation(n)
        for start in range(0, n - batch_size + 1 if drop_last else n, batch_size):
            yield order[start : start + batch_size]
        epoch += 1
