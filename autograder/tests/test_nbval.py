"""nbval on built notebooks: it passes at another preset, and fails where a value that must not vary does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.build import execute, expand
from autograder.source import parse_source
from autograder.tests.small_course import make_course

SANITIZE = Path(__file__).with_name("nbval.cfg")
SOURCE = """\
# %% [markdown]
# # Replayed

# %% setup=true
import os

preset = os.environ["COURSE_PRESET"]
print("preset", preset)

# %% demo=true
print("trained at", preset)

# %% varies=true
len(preset)

# %% exercise="ex1"
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %%
double(21)

# %%
from IPython.display import HTML

size = {"smoke": 10, "quick": 12}[preset]
HTML(f'<img alt="a dot" width="{size}" height="{size}" src="data:image/png;base64,{preset}AAA=">')

# %% raises=true
raise ValueError("on purpose") from None

# %% test="ex1-test" points=100
assert double(2) == 4
print("right")
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A notebook executed at preset quick."""
    item = make_course(tmp_path_factory.mktemp("course"), SOURCE)
    notebook = execute(expand(parse_source(SOURCE), item), item.source.parent, preset="quick", name="small.py")
    return notebook


def replay(notebook, folder, *options):
    """Run nbval on the notebook as `make test` does; the result of the process."""
    path = folder / "small.ipynb"
    nbformat.write(notebook, path)
    command = [
        sys.executable, "-m", "pytest", "--nbval", "--nbval-sanitize-with", str(SANITIZE), "-q", "-p",
        "no:cacheprovider", "--rootdir", str(folder), str(path), *options,
    ]  # fmt: skip
    environment = os.environ | {"COURSE_HEADLESS": "1", "COURSE_PRESET": "smoke"}
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


def test_a_notebook_built_at_quick_is_accepted_at_smoke(executed, tmp_path):
    done = replay(executed, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


def test_changed_values_and_cells_that_no_longer_run_are_refused(executed, tmp_path):
    changed = nbformat.from_dict(executed)
    changed.cells[2].source = "undefined_name"  # its output is free, but it has to run
    for index, old, new in ((5, "42", "43"), (6, "a dot", "a dash"), (8, "right", "wrong")):
        output = changed.cells[index].outputs[0]
        texts = output.get("data") or output
        kind = next(k for k in ("text/html", "text/plain", "text") if k in texts)
        assert old in texts[kind]
        texts[kind] = texts[kind].replace(old, new)
    done = replay(changed, tmp_path, "-rf")
    assert done.returncode == 1, done.stdout
    failed = sorted(
        line.split("::")[1].split(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")
    )
    # nbval counts code cells
    assert failed == ["Cell 1", "Cell 4", "Cell 5", "Cell 7"]
    assert "4 failed, 4 passed" in done.stdout
