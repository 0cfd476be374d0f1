"""Set-up: preset, device, random streams, threads, and what it prints."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from coursekit import presets, session
from coursekit.session import Lab, choose_device, headless, setup

VARIABLES = ("NBGRADER_EXECUTION", "COURSE_PRESET", "COURSE_DEVICE", "COURSE_HEADLESS")


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def threads(monkeypatch) -> list[int]:
    """What `torch.set_num_threads` is asked for, in place of doing it."""
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    return asked


def fake_gpu(monkeypatch, cuda: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def python(*args: str) -> subprocess.CompletedProcess:
    """A new Python process."""
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False)


def lab(**changes) -> Lab:
    values = {"chapter": "02_backprop", "device": torch.device("cpu"), "preset": "quick"}
    values |= {"grading": False, "seed": 0}
    return Lab(**(values | changes))


# ------------------------------------------------------------------------------------------------- setup


def test_setup_prints_one_line_and_leaves_a_student_s_threads_alone(capfd, monkeypatch, threads):
    fake_gpu(monkeypatch)
    made = setup("02_backprop")
    out, err = capfd.readouterr()
    assert out == "02_backprop: device cpu, preset quick\n" and err == ""
    assert (made.preset, made.grading, made.device.type, made.seed) == ("quick", False, "cpu", 0)
    assert threads == []


def test_grading_takes_the_smallest_preset_the_cpu_and_few_threads(monkeypatch, threads):
    fake_gpu(monkeypatch, cuda=1)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(session, "available_cores", lambda: 64)
    made = setup("02_backprop")
    assert (made.preset, made.grading, made.device.type) == ("smoke", True, "cpu")
    assert threads == [2]


def test_validate_takes_the_smallest_preset_but_is_no_grading(monkeypatch, threads):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    made = setup("02_backprop")
    assert (made.preset, made.grading) == ("smoke", False)


@pytest.mark.parametrize(("value", "is_headless"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_headless_runs_use_few_threads(monkeypatch, threads, value, is_headless):
    monkeypatch.setenv("COURSE_HEADLESS", value)
    monkeypatch.setattr(session, "available_cores", lambda: 1)
    setup("02_backprop")
    assert headless() is is_headless
    assert threads == ([1] if is_headless else [])


def test_setup_writes_nothing_on_stderr_in_a_new_process():
    code = "from coursekit import setup; setup('00_start', device='cpu')"
    done = python("-W", "error", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "00_start: device cpu, preset quick\n"


def test_coursekit_itself_imports_neither_torch_nor_numpy():
    code = "import sys, coursekit; print('torch' in sys.modules, 'numpy' in sys.modules); coursekit.nothing"
    done = python("-c", code)
    assert done.stdout == "False False\n"
    assert "module 'coursekit' has no attribute 'nothing'" in done.stderr


def test_checks_do_not_import_torch():
    # a check compares tensors without torch being imported for it: only who made a tensor has imported it
    code = "import sys; from coursekit import check; print('torch' in sys.modules)"
    done = python("-c", code)
    assert done.stdout == "False\n"


# ------------------------------------------------------------------------------------------------ presets


def test_the_argument_beats_the_environment_beats_the_default(monkeypatch):
    assert presets.choose_preset() == "quick"
    monkeypatch.setenv("COURSE_PRESET", "Full")
    assert presets.choose_preset() == "full"
    assert presets.choose_preset("smoke") == "smoke"
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert presets.choose_preset() == "full"
    monkeypatch.delenv("COURSE_PRESET")
    assert presets.choose_preset() == "smoke"


def test_an_unknown_preset_says_where_it_came_from(monkeypatch):
    with pytest.raises(ValueError, match=r"preset='slow'.*smoke, quick, full"):
        presets.choose_preset("slow")
    monkeypatch.setenv("COURSE_PRESET", "slow")
    with pytest.raises(ValueError, match="COURSE_PRESET='slow'"):
        setup("02_backprop")


@pytest.mark.parametrize(
    ("preset", "grading", "values", "want"),
    [
        ("smoke", False, {"smoke": 1, "quick": 2, "full": 3}, 1),
        ("quick", False, {"smoke": 1, "quick": 2, "full": 3}, 2),
        ("full", False, {"smoke": 1, "quick": 2, "full": 3}, 3),
        ("full", False, {"smoke": 1, "quick": 2}, 2),
        ("full", False, {"smoke": 1}, 1),
        ("smoke", False, {"quick": 2, "full": 3}, 2),
        ("quick", False, {"full": None}, None),
        ("quick", True, {"smoke": 1, "quick": 2, "grading": 9}, 9),
        ("quick", True, {"smoke": 1, "quick": 2}, 1),
        ("quick", True, {"smoke": 1, "quick": 2, "grading": None}, None),
        ("quick", False, {"smoke": 1, "quick": 2, "grading": 9}, 2),
    ],
)
def test_pick(preset, grading, values, want):
    assert lab(preset=preset, grading=grading).pick(**values) is want


def test_pick_needs_a_value():
    with pytest.raises(TypeError, match="smoke, quick and full"):
        lab().pick()


# ------------------------------------------------------------------------------------------------ devices


@pytest.mark.parametrize(
    ("cuda", "mps", "want"), [(1, True, "cuda"), (0, True, "mps"), (0, False, "cpu"), (2, False, "cuda")]
)
def test_the_first_device_there_is(monkeypatch, cuda, mps, want):
    fake_gpu(monkeypatch, cuda, mps)
    assert choose_device() == torch.device(want)


def test_the_environment_chooses_the_device_and_the_argument_beats_it(monkeypatch):
    fake_gpu(monkeypatch, cuda=2)
    monkeypatch.setenv("COURSE_DEVICE", "CPU")
    assert choose_device() == torch.device("cpu")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    monkeypatch.setenv("COURSE_DEVICE", "cuda")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert choose_device() == torch.device("cuda")


@pytest.mark.parametrize(
    ("cuda", "asked", "says"),
    [
        (0, "cuda", "finds no CUDA GPU here"),
        (1, "cuda:1", "there is one CUDA GPU, numbered from 0"),
        (2, "cuda:3", "there are 2 CUDA GPUs"),
        (0, "mps", "no Mac"),
        (0, "meta", "cpu, cuda and mps"),
    ],
)
def test_a_device_that_is_not_there_is_a_clear_error(monkeypatch, cuda, asked, says):
    fake_gpu(monkeypatch, cuda)
    with pytest.raises(RuntimeError, match=rf"device={asked} cannot be used: .*{says}"):
        choose_device(asked)
    monkeypatch.setenv("COURSE_DEVICE", asked)
    with pytest.raises(RuntimeError, match=f"COURSE_DEVICE={asked} cannot be used"):
        setup("02_backprop")


def test_an_unknown_device_name():
    with pytest.raises(ValueError, match="device='gpu' is not a device"):
        choose_device("gpu")


# ----------------------------------------------------------------------------------------- random streams


def test_streams_depend_on_seed_chapter_and_tag_only():
    first = lab()
    a = first.rng("weights").normal(size=3)
    first.rng("other").normal(size=100)
    first.generator("weights")
    assert np.array_equal(a, first.rng("weights").normal(size=3))
    assert np.array_equal(a, lab(preset="full", grading=True).rng("weights").normal(size=3))
    for other in (first.rng("bias"), lab(seed=1).rng("weights"), lab(chapter="03_cnn").rng("weights")):
        assert not np.array_equal(a, other.normal(size=3))


def test_streams_are_the_same_in_every_process_and_release():
    # numbers in the course's text rest on these: a change here changes them all
    assert lab().rng("weights").integers(10**6, size=3).tolist() == [265956, 984670, 921947]
    assert lab().generator("weights").initial_seed() == 650187519508243474


def test_torch_streams_repeat_and_differ_by_tag():
    draw = lambda tag: torch.randn(4, generator=lab().generator(tag))
    assert torch.equal(draw("a"), draw("a"))
    assert not torch.equal(draw("a"), draw("b"))
    assert lab().generator("a", device="cpu").device.type == "cpu"


def test_new_layers_depend_on_the_tag_and_leave_torch_s_own_stream_alone():
    lab = Lab("02_backprop", torch.device("cpu"), "quick", False, 0)
    before = torch.get_rng_state()
    with lab.seeded("net"):
        first = torch.nn.Linear(3, 4).weight.detach()
    with lab.seeded("net"):
        again = torch.nn.Linear(3, 4).weight.detach()
    with lab.seeded("other"):
        other = torch.nn.Linear(3, 4).weight.detach()
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError), lab.seeded(""):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_a_stream_needs_a_name():
    for tag in ("", None, 3):
        with pytest.raises(ValueError, match="needs a name"):
            lab().rng(tag)


def test_no_global_random_state_is_touched():
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    setup("02_backprop", device="cpu")
    lab().rng("a").normal()
    lab().generator("a")
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_before, torch.get_rng_state())
