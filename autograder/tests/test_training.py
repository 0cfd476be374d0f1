"""The training loop: what it records, when it stops, what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from coursekit.figures import figure
from coursekit.training import History, TrainingDiverged, minibatches, train


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")


def test_records_every_step():
    history = train(lambda i: 1 / (i + 1), 4)
    np.testing.assert_allclose(history["loss"], [1, 1 / 2, 1 / 3, 1 / 4])
    assert history.steps.tolist() == history["step"].tolist() == [1, 2, 3, 4]
    assert history.records[1] == {"step": 2, "loss": 0.5}
    assert len(history) == 4
    assert history.keys() == ["loss"]


def test_calls_step_with_0_to_n_minus_1():
    seen = []
    train(lambda i: seen.append(i) or 0.0, 5)
    assert seen == [0, 1, 2, 3, 4]


def test_metrics_stand_beside_the_steps_at_which_they_were_measured():
    history = train(lambda i: {"loss": i, "norm": -i}, 10, every=4, evaluate=lambda i: {"acc": i / 10})
    assert history.at("acc").tolist() == [4, 8, 10], "after every 4 updates, and after the last"
    np.testing.assert_allclose(history["acc"], [0.3, 0.7, 0.9])
    assert history["loss"].shape == history["norm"].shape == (10,)
    assert history.last("acc") == 0.9
    assert history.last() == 9.0
    assert "acc" in history
    assert "lr" not in history
    assert repr(history) == "History(10 steps, last: loss=9, norm=-9, acc=0.9)"


def test_ten_evaluations_by_default():
    assert train(lambda i: 0.0, 95, evaluate=lambda i: {"a": 1}).at("a").size == 10
    assert train(lambda i: 0.0, 3, evaluate=lambda i: {"a": 1}).at("a").tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        np.float32(2),
        np.array(2.0),
        np.array([2.0]),
        torch.tensor(2.0),
        torch.tensor([2.0]).requires_grad_(),
    ],
    ids=lambda v: f"{type(v).__name__}{np.shape(v)}",
)
def test_takes_every_kind_of_number_without_a_warning(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = train(lambda i: value, 2)
    assert history["loss"].dtype == np.float64
    assert history["loss"].tolist() == [2.0, 2.0]


def test_keeps_arrays_such_as_one_norm_a_layer():
    history = train(lambda i: {"loss": 0.0, "norms": torch.arange(3.0) * i}, 4)
    assert history["norms"].shape == (4, 3)
    assert history.smooth("norms").shape == (4, 3)


@pytest.mark.parametrize(
    ("bad", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (-np.inf, "infinite")]
)
def test_a_diverging_loss_stops_with_step_and_last_value(bad, word):
    calls = []

    def step(i):
        calls.append(i)
        return bad if i == 3 else 0.25

    with pytest.raises(TrainingDiverged) as caught:
        train(step, 100)
    message = str(caught.value)
    assert message.startswith(f"the loss is {word} at step 3 (after step 2 it was 0.25)")
    assert "learning rate" in message
    assert calls == [0, 1, 2, 3]
    assert (caught.value.step, caught.value.key) == (3, "loss")
    assert len(caught.value.history) == 4


def test_a_loss_that_is_nan_from_the_beginning():
    with pytest.raises(TrainingDiverged, match=r"NaN at step 0 \(the first one\)"):
        train(lambda i: np.nan, 5)


def test_a_diverging_loss_under_another_name_and_in_evaluate():
    with pytest.raises(TrainingDiverged, match="the d_loss is NaN"):
        train(lambda i: {"g_loss": 1.0, "d_loss": np.nan}, 5)
    with pytest.raises(TrainingDiverged, match="the test loss is infinite at step 1 "):
        train(lambda i: 1.0, 5, every=2, evaluate=lambda i: {"test loss": np.inf})
    assert np.isnan(train(lambda i: {"loss": 1.0, "ratio": np.nan}, 1).last("ratio")), (
        "only losses stop a run"
    )


@pytest.mark.parametrize(
    ("step", "evaluate", "words"),
    [
        (lambda i: None, None, "step returned None; it must return the loss"),
        (lambda i: "low", None, "'loss' must be a number or an array of numbers, got str"),
        (lambda i: {"loss": 1, "acc": [1, "a"]}, None, "'acc' must be a number"),
        (lambda i: 1.0, lambda i: 0.9, "evaluate must return a dict of metrics, got float"),
    ],
)
def test_says_what_step_and_evaluate_must_return(step, evaluate, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        train(step, 2, evaluate=evaluate)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 3, "every": 0}])
def test_refuses_empty_runs(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        train(lambda i: 0.0, **wrong)


def interrupt(i):
    if i == 2:
        raise KeyboardInterrupt
    return 0.5


def test_interrupting_returns_the_history_so_far(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HEADLESS", "0")
    history = train(interrupt, 10)
    assert history["loss"].tolist() == [0.5, 0.5]
    out, err = capsys.readouterr()
    assert "Stopped by hand after 2 of 10 steps." in out
    assert err == ""


def test_a_grader_that_interrupts_ends_the_cell():
    with pytest.raises(KeyboardInterrupt):
        train(interrupt, 10)


def test_progress_on_stdout_with_the_newest_metric_and_nothing_on_stderr(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_HEADLESS", "0")
    train(lambda i: 0.125, 3, every=1, evaluate=lambda i: {"acc": 0.75}, label="digits")
    out, err = capsys.readouterr()
    assert "digits: 100%" in out
    assert "3/3" in out
    assert "loss=0.125, acc=0.75" in out
    assert err == ""


def test_silent_when_headless(capsys):
    train(lambda i: 0.125, 3)
    assert capsys.readouterr() == ("", "")


def test_training_starts_no_thread():
    """Graders fork the process: a progress bar must not leave a thread behind."""
    code = (
        "import threading; from coursekit.training import train; before = threading.active_count();"
        "train(lambda i: 0.0, 3); assert threading.active_count() == before, threading.enumerate()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"COURSE_HEADLESS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def filled(values):
    history = History()
    for step, value in enumerate(values, 1):
        history.add(step, {"loss": value})
    return history


def test_smoothing_is_an_unbiased_moving_average():
    np.testing.assert_allclose(filled([3.0] * 5).smooth(), 3.0)
    # after two values: (0.5 * 0.5 * 1 + 0.5 * 4) / (1 - 0.25)
    np.testing.assert_allclose(filled([1.0, 4.0]).smooth(factor=0.5), [1.0, 3.0])
    np.testing.assert_allclose(filled([1.0, 4.0, 2.0]).smooth(factor=0.0), [1.0, 4.0, 2.0])
    with pytest.raises(ValueError, match="factor"):
        filled([1.0]).smooth(factor=1.0)


def test_unknown_names_are_answered_with_the_known_ones():
    for ask in (
        lambda h: h["acc"],
        lambda h: h.at("acc"),
        lambda h: h.last("acc"),
        lambda h: h.smooth("acc"),
    ):
        with pytest.raises(KeyError, match="no 'acc'; recorded: loss"):
            ask(filled([1.0]))
    with pytest.raises(KeyError, match="nothing yet"):
        History()["loss"]
    assert repr(History()) == "History(empty)"


def test_plot_draws_values_against_steps():
    history = train(lambda i: float(i), 6, every=3, evaluate=lambda i: {"acc": 1.0})
    _, ax = figure()
    line = history.plot(ax, "acc", label="accuracy")
    assert line.get_xdata().tolist() == [3, 6]
    assert (ax.get_xlabel(), ax.get_ylabel(), line.get_label()) == ("step", "acc", "accuracy")
    _, ax = figure()
    smooth = history.plot(ax, smooth=0.5)
    strong, faint = ax.get_lines()
    assert strong is smooth
    np.testing.assert_allclose(strong.get_ydata(), history.smooth("loss", 0.5))
    np.testing.assert_allclose(faint.get_ydata(), history["loss"])
    assert faint.get_alpha() < 1
    assert faint.get_color() == strong.get_color()
    assert len(ax.get_legend_handles_labels()[1]) == 1, "the raw values are not a second entry of the legend"


def test_minibatches_visit_everything_once_an_epoch():
    batches = list(minibatches(10, 4, np.random.default_rng(0)))
    assert [len(b) for b in batches] == [4, 4, 2]
    assert sorted(np.concatenate(batches)) == list(range(10))
    assert batches[0].dtype == np.int64
    again = list(minibatches(10, 4, np.random.default_rng(0)))
    assert all(map(np.array_equal, batches, again)), "the order comes from the generator alone"


def test_minibatches_over_several_epochs():
    rng = np.random.default_rng(0)
    two = np.concatenate(list(minibatches(6, 2, rng, epochs=2))).reshape(2, 6)
    assert sorted(two[0]) == sorted(two[1]) == list(range(6))
    assert two[0].tolist() != two[1].tolist()
    assert [len(b) for b in minibatches(10, 4, rng, drop_last=True)] == [4, 4]
    endless = minibatches(2, 2, rng, epochs=None)
    assert sum(len(next(endless)) for _ in range(50)) == 100


@pytest.mark.parametrize("wrong", [(0, 1), (5, 0)])
def test_minibatches_of_nothing(wrong):
    with pytest.raises(ValueError, match="cannot make batches"):
        minibatches(*wrong, np.random.default_rng(0))
    with pytest.raises(ValueError, match="cannot make batches of 8 out of 5"):
        minibatches(5, 8, np.random.default_rng(0), drop_last=True)


def test_trains_a_real_model():
    """Least squares by minibatch descent, with the tools as a notebook uses them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = x @ [1.0, -2.0, 0.5]
    w, batches = np.zeros(3), minibatches(200, 20, rng, epochs=None)

    def step(i):
        rows = next(batches)
        error = x[rows] @ w - y[rows]
        w[:] -= 0.1 * x[rows].T @ error / len(rows)
        return (error**2).mean()

    history = train(step, 300, evaluate=lambda i: {"distance": np.abs(w - [1.0, -2.0, 0.5]).max()})
    assert history.last() < 1e-6 < history["loss"][0]
    assert history.last("distance") < 1e-3
