"""Widgets: controls, redraws that wait, errors in words, a still picture where nothing can move."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import threading
import time
from types import SimpleNamespace

import ipywidgets
import nbformat
import numpy as np
import pytest
from coursekit import figures, widgets
from coursekit.widgets import Choice, Slider, Toggle, explore
from nbclient import NotebookClient
from PIL import Image

DESCRIPTION = "A wave that gets faster with the frequency."


def draw(fig, frequency=1, scale=1.0, kind="sin", dotted=False):
    ax = fig.subplots()
    x = np.linspace(0, 6, 50)
    ax.plot(x, scale * getattr(np, kind)(frequency * x), ":" if dotted else "-")


def controls():
    return {
        "frequency": Slider(1, 9, 2),
        "scale": Slider(0.1, 3.0, 1.0),
        "kind": Choice(["sin", "cos"]),
        "dotted": Toggle(label="dotted line"),
    }


@pytest.fixture(autouse=True)
def watched(monkeypatch):
    """Somebody is watching, unless a test says otherwise."""
    monkeypatch.delenv("COURSE_HEADLESS", raising=False)


@pytest.fixture
def notebook(monkeypatch):
    """A notebook that keeps what is displayed."""
    shell = SimpleNamespace(execution_count=1, shown=[])
    monkeypatch.setattr(widgets, "_shell", lambda: shell)
    monkeypatch.setattr("IPython.display.display", shell.shown.append)
    monkeypatch.setattr(figures, "display_html", lambda content, plain: shell.shown.append(content))
    return shell


def test_shows_controls_above_a_picture_with_alternative_text(notebook):
    explorer = explore(draw, DESCRIPTION, **controls())
    (box,) = notebook.shown
    row, picture = box.children
    assert [type(w).__name__ for w in row.children] == ["IntSlider", "FloatSlider", "Dropdown", "Checkbox"]
    assert [w.description for w in row.children] == ["frequency", "scale", "kind", "dotted line"]
    assert (row.children[0].min, row.children[0].max, row.children[0].value) == (1, 9, 2)
    alt = re.search(r'alt="([^"]*)"', picture.value)[1]
    assert alt == f"{DESCRIPTION} Shown for frequency: 2, scale: 1, kind: sin, dotted line: False."
    assert f"<figcaption><i>{DESCRIPTION}</i>" in picture.value
    assert base64.b64encode(explorer.png).decode() in picture.value
    assert Image.open(io.BytesIO(explorer.png)).size == (614, 345)


def test_moving_a_control_changes_values_and_picture(notebook):
    explorer = explore(draw, DESCRIPTION, **controls())
    row, picture = notebook.shown[0].children
    seen = {picture.value}
    for control, value in zip(row.children, (5, 2.5, "cos", True), strict=True):
        control.value = value
        assert picture.value not in seen
        seen.add(picture.value)
    assert explorer.values == {"frequency": 5, "scale": 2.5, "kind": "cos", "dotted": True}
    assert "frequency: 5, scale: 2.5, kind: cos, dotted line: True" in picture.value


def test_set_moves_the_controls_and_draws_once(notebook):
    explorer = explore(draw, DESCRIPTION, **controls())
    row, picture = notebook.shown[0].children
    before, drawn = explorer.png, explorer.redraws
    assert explorer.set(frequency=7, kind="cos") is explorer
    assert explorer.redraws == drawn + 1
    assert (row.children[0].value, row.children[2].value) == (7, "cos")
    assert explorer.png != before
    assert base64.b64encode(explorer.png).decode() in picture.value
    assert repr(explorer) == "Explorer(frequency=7, scale=1, kind=cos, dotted=False)"


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"frequenzy": 3}, KeyError, "no control 'frequenzy'; there are: frequency, scale, kind, dotted"),
        ({"frequency": 12}, ValueError, "frequency must lie between 1 and 9, got 12"),
        ({"scale": np.nan}, ValueError, "scale must lie between"),
        ({"kind": "tan"}, ValueError, "kind must be one of 'sin', 'cos', got 'tan'"),
        ({"dotted": "yes"}, ValueError, "dotted must be True or False"),
        ({"frequency": "3"}, ValueError, "frequency"),
    ],
)
def test_set_refuses_what_the_controls_cannot_hold(notebook, values, error, words):
    explorer = explore(draw, DESCRIPTION, **controls())
    before = explorer.values
    with pytest.raises(error, match=words):
        explorer.set(**{"scale": 2.0} | values)
    assert explorer.values == before, "nothing is taken over when one value is wrong"


def test_a_fast_drag_draws_a_few_times_and_ends_at_the_last_value(notebook):
    explorer = explore(draw, DESCRIPTION, **controls())
    slider = notebook.shown[0].children[0].children[1]
    drawn = explorer.redraws

    async def drag():
        for value in np.linspace(0.1, 3.0, 100):
            slider.value = float(value)
        assert explorer.redraws == drawn, "no drawing while the values still move"
        deadline = time.monotonic() + 20
        while explorer.redraws == drawn and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await asyncio.sleep(2 * widgets.SETTLE)

    asyncio.run(drag())
    assert explorer.redraws == drawn + 1
    assert explorer.values["scale"] == 3.0
    assert "scale: 3," in notebook.shown[0].children[1].value


def test_a_slow_drag_is_followed(notebook, monkeypatch):
    """Values that never settle are drawn after AT_LATEST seconds all the same."""
    monkeypatch.setattr(widgets, "SETTLE", 1000.0)
    monkeypatch.setattr(widgets, "AT_LATEST", 0.02)
    explorer = explore(draw, DESCRIPTION, **controls())
    slider = notebook.shown[0].children[0].children[0]
    drawn = explorer.redraws

    async def drag():
        deadline = time.monotonic() + 20
        while explorer.redraws < drawn + 2 and time.monotonic() < deadline:
            slider.value = slider.value % 9 + 1
            await asyncio.sleep(0.001)

    asyncio.run(drag())
    assert explorer.redraws >= drawn + 2


def test_no_thread_is_started(notebook):
    before = threading.active_count()
    explorer = explore(draw, DESCRIPTION, **controls())
    explorer.set(frequency=3)
    notebook.shown[0].children[0].children[0].value = 4
    assert threading.active_count() == before


def fails_at_9(fig, frequency):
    if frequency == 9:
        raise ValueError("nine is <too> much")
    draw(fig, frequency)


def test_an_exception_is_shown_in_words_and_the_next_move_tries_again(notebook):
    explorer = explore(fails_at_9, DESCRIPTION, frequency=Slider(1, 9, 2))
    row, picture = notebook.shown[0].children
    row.children[0].value = 9
    assert 'role="alert"' in picture.value
    assert "ValueError: nine is &lt;too&gt; much in `fails_at_9`, line " in picture.value
    assert "<img" not in picture.value
    assert "nine is <too> much" in explorer.error
    row.children[0].value = 8
    assert explorer.error is None
    assert "<img" in picture.value


def test_an_open_exercise_is_named_as_such(notebook):
    def needs_exercise(fig, n):
        raise NotImplementedError

    explorer = explore(needs_exercise, DESCRIPTION, n=Slider(1, 3))
    assert "an exercise that is still open" in explorer.error
    assert "an exercise that is still open" in notebook.shown[0].children[1].value


def test_headless_shows_the_start_values_as_a_still_picture(notebook, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    explorer = explore(draw, DESCRIPTION, **controls())
    (content,) = notebook.shown
    assert isinstance(content, str)
    assert f'alt="{DESCRIPTION} Shown for frequency: 2' in content
    assert (
        "A still picture; run the notebook in JupyterLab to move: frequency, scale, kind, dotted line."
        in content
    )
    assert base64.b64encode(explorer.png).decode() in content
    before = explorer.png
    assert explorer.set(frequency=5).png != before
    assert len(notebook.shown) == 1


def test_a_plain_script_gets_the_description(monkeypatch, capsys):
    monkeypatch.setattr(widgets, "_shell", lambda: None)
    explore(draw, DESCRIPTION, **controls())
    assert capsys.readouterr() == (f"[figure] {DESCRIPTION}\n", "")


def test_headless_an_exception_is_raised(notebook, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    with pytest.raises(ValueError, match="nine is"):
        explore(fails_at_9, DESCRIPTION, frequency=Slider(1, 9, 9))
    assert notebook.shown == []


def test_as_the_last_expression_it_is_not_shown_twice(notebook):
    explorer = explore(draw, DESCRIPTION, **controls())
    explorer._ipython_display_()
    assert len(notebook.shown) == 1
    notebook.execution_count = 2
    explorer._ipython_display_()
    assert len(notebook.shown) == 2, "in a later cell it is"
    first, second = notebook.shown
    assert first.children[1] is second.children[1], "both are views of one picture"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Slider(3, 3), "lo < hi"),
        (lambda: Slider(1, 9, 12), "must lie between 1 and 9"),
        (lambda: Slider(0, 1, log=True), "lo > 0"),
        (lambda: Slider(0, 1, step=0), "step > 0"),
        (lambda: Choice([]), "at least one option"),
        (lambda: Choice(["a"], "b"), "must be one of 'a'"),
    ],
)
def test_impossible_controls(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_explore_refuses_a_short_description_and_things_that_are_no_control():
    with pytest.raises(ValueError, match="at least 20 characters"):
        explore(draw, "A wave.", frequency=Slider(1, 9))
    with pytest.raises(TypeError, match="frequency must be a Slider, Choice or Toggle, got tuple"):
        explore(draw, DESCRIPTION, frequency=(1, 9))


def test_kinds_of_controls():
    assert isinstance(Slider(1, 9).widget("n"), ipywidgets.IntSlider)
    assert Slider(1, 9).start == 5
    real = Slider(0.1, 3).widget("scale")
    assert isinstance(real, ipywidgets.FloatSlider)
    assert real.step == pytest.approx(0.05)
    power = Slider(1e-4, 1, log=True, label="rate").widget("lr")
    assert isinstance(power, ipywidgets.FloatLogSlider)
    assert power.value == pytest.approx(1e-2)
    assert power.description == "rate"
    assert isinstance(Choice([1, 2, 4], ordered=True).widget("k"), ipywidgets.SelectionSlider)
    assert Choice([1, 2, 4], 4).widget("k").value == 4
    assert Toggle(True).widget("on").value is True


@pytest.mark.parametrize(
    ("largest", "step"), [(0.058, 0.05), (0.02, 0.02), (1.0, 1.0), (7, 5), (0.1, 0.1), (3e-5, 2e-5)]
)
def test_sliders_stop_at_round_numbers(largest, step):
    assert widgets.round_step(largest) == pytest.approx(step)


CELLS = (
    "from coursekit import setup\n"
    "from coursekit.widgets import Slider, explore\n"
    "from coursekit.figures import figure, show\n"
    "lab = setup('02_backprop', device='cpu')",
    "fig, ax = figure()\nax.plot([1, 2])\nshow(fig, 'A straight line that rises from 1 to 2.')",
    "def draw(fig, n):\n    fig.subplots().plot(range(n))\n"
    "w = explore(draw, 'A straight line with n points on it.', n=Slider(2, 9, 4))\nw",
    "w.set(n=7)\nprint(w.values, w.redraws)",
)


@pytest.mark.parametrize("headless", [False, True], ids=["watched", "headless"])
def test_in_a_real_kernel(headless, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1" if headless else "0")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    first, shown, explored, moved = ([dict(output) for output in cell.outputs] for cell in notebook.cells)
    assert not [o for o in (*first, *shown, *explored, *moved) if o.get("name") == "stderr"]
    (picture,) = shown
    assert picture["output_type"] == "display_data"
    assert 'alt="A straight line that rises from 1 to 2."' in picture["data"]["text/html"]
    (output,) = explored
    kind = "text/html" if headless else "application/vnd.jupyter.widget-view+json"
    assert kind in output["data"]
    assert moved[0]["text"] == "{'n': 7} 2\n"


def test_redraw_time_is_printed(notebook, capsys):
    """Printed for the reader of the test's output: machines differ too much to assert it."""
    explorer = explore(draw, DESCRIPTION, **controls())
    started = time.perf_counter()
    for frequency in range(1, 6):
        explorer.set(frequency=frequency)
    with capsys.disabled():
        print(f"\none redraw of a simple widget: {(time.perf_counter() - started) / 5:.3f} s")
    assert explorer.redraws == 6
