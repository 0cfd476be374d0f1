"""Rehearsing preset full: cut cells, missed thresholds and what depends on them are told apart from what is broken."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.build import BuildError
from autograder.course import chapter
from autograder.rehearse import CUT, FAILED, NOT_REACHED, RAN, SHORT, rehearse, rehearsed, repeated, table
from autograder.source import read_source
from autograder.tests.small_course import make_course

SOURCE = """\
# %% [markdown]
# # A long run

# %% setup=true
from coursekit import check

# %%
steps = 0
while True:
    steps += 1
loss = 1 / steps

# %% demo=true
print(loss)

# %% demo=true
with check("Experiment: the loss") as expect:
    expect.true(steps < 0, "the loss is still high")

# %%
steps
"""


def outcomes(tmp_path, source):
    told = rehearsed(read_source(make_course(tmp_path, source, points=0), check_points=False), 0.3)
    return [t.outcome for t in told], told


def test_what_is_cut_and_what_follows_from_it_is_no_failure(tmp_path):
    found, told = outcomes(tmp_path, SOURCE)
    assert found == [RAN, CUT, NOT_REACHED, SHORT, RAN]
    assert "needs loss" in told[2].words and "still high" in told[3].words
    assert table(told).startswith("2 ran, 1 cut, 1 metric, 1 not reached, 0 failed\n  line")


@pytest.mark.parametrize(
    ("slip", "words"),
    [("losss", "NameError"), ("len(steps)", "TypeError"), ("undefined_of_no_cell", "undefined_of_no_cell")],
)
def test_what_is_broken_is_told(tmp_path, slip, words):
    found, told = outcomes(tmp_path, SOURCE.replace("# %%\nsteps\n", f"# %%\n{slip}\n"))
    assert found[-1] == FAILED and words in told[-1].words


def test_a_check_outside_of_a_demo_must_hold(tmp_path):
    found, _ = outcomes(tmp_path, SOURCE.replace("# %% demo=true\nwith", "# %%\nwith"))
    assert found[3] == FAILED


def test_the_bundled_images_are_repeated_up_to_the_full_size():
    few = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    images, labels, _, _ = repeated((few, np.arange(3), few, np.arange(3)))
    assert images.shape == (60_000, 2, 2) and labels.shape == (60_000,)
    assert (images[labels == 1] == few[1]).all()


def test_a_chapter_is_rehearsed_at_preset_full_in_a_process_of_its_own():
    assert " 0 failed" in rehearse(chapter("00"), 20.0)
    with pytest.raises(BuildError, match="failed: "):
        rehearse(chapter("00"), 20.0, device="no such device")
