"""Measuring a notebook: what is reported, of which run. No figure is judged."""

from __future__ import annotations

import pytest

from autograder.build import BuildError
from autograder.measure import CellTime, Measured, measure, table
from autograder.tests.small_course import make_course

SOURCE = """\
# %% [markdown]
# # Memory

# %% setup=true
import os
import time

assert os.environ["COURSE_PRESET"] == "smoke"

# %% demo=true
block = bytearray(300_000_000)
time.sleep(0.3)

# %%
del block
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    item = make_course(tmp_path_factory.mktemp("course"), SOURCE, points=0)
    item.solution_notebook.write_bytes(b"x" * 1234)
    seen = []
    result = measure(item, preset="smoke", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 4) for n in (1, 2, 3, 4)]
    return result


def test_every_code_cell_is_timed(measured):
    assert [(cell.id, cell.kind) for cell in measured.cells] == [
        ("setup", "setup"), ("small-cell-002", "demo"), ("small-cell-003", "plain"),
    ]  # fmt: skip
    assert measured.cells[1].seconds >= 0.3
    assert measured.seconds >= sum(cell.seconds for cell in measured.cells)
    assert 0 < measured.start_seconds < measured.seconds
    assert measured.cpu_seconds > 0


def test_peak_memory_is_that_of_the_run_and_sizes_are_those_on_disk(measured):
    assert 300_000_000 < measured.peak_bytes < 2_000_000_000
    assert (measured.solution_bytes, measured.student_bytes) == (1234, 0)


def test_a_failing_cell_is_named(tmp_path):
    item = make_course(tmp_path, "# %%\nx = 1\n# %%\nundefined_name\n", points=0)
    with pytest.raises(BuildError, match=r"small\.py: cell small-cell-001 failed[\s\S]*undefined_name"):
        measure(item, preset="smoke")


def test_table():
    cells = (CellTime("setup", "setup", 1.0), CellTime("a-long-demo", "demo", 30.25))
    result = Measured("01_small", "quick", cells, 33.0, 1.5, 40.0, 512 * 2**20, 900_000, 50_000)
    assert table(result).splitlines() == [
        "01_small at preset quick",
        "  setup        setup         1.00 s",
        "  a-long-demo  demo         30.25 s",
        "  total      33.0 s (1.5 s of it to start the kernel)",
        "  CPU        40.0 s",
        "  peak RSS   512 MiB",
        "  notebooks  900 kB executed, 50 kB student's",
        "  slowest    a-long-demo: 30.2 s",
    ]
    assert "setup  " not in table(result, cells=False)
