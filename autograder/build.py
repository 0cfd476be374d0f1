"""`autograder build`: a chapter's source to the executed solution notebook and to the student's notebook.

The committed solution notebooks are executed at preset `quick`, because instructors read them; nbval replays
them at `smoke`. So an output may be compared only where it depends on neither preset nor machine:

- set-up and demo cells carry `nbval-ignore-output`: they must run, their outputs are free;
- every other cell is compared. One that has to print something that varies (a graded training run) says so in
  its source with `varies=true` and gets the same tag;
- `raises=true` marks a cell that fails on purpose, as an example of a message.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

from autograder.course import ROOT, Chapter
from autograder.release import RAISES, ReleaseError, student_text
from autograder.source import SourceCell, SourceError, read_source
from autograder.threads import ONE_NUMPY_THREAD

__all__ = [
    "BuildError",
    "ReleaseError",
    "SourceError",
    "build",
    "execute",
    "expand",
    "run_environment",
    "stale",
    "student_problems",
]

PRESET = "quick"
PRESETS = ("smoke", "quick", "full")
CELL_SECONDS = 900
VARIES = "nbval-ignore-output"
SETUP_ID = "setup"

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
_TIMING = re.compile(r"\d\s?(it/s|s/it)\b|\b(Wall time|CPU times):")
_TEXT_TYPES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml", "application/json")


class BuildError(RuntimeError):
    """A chapter cannot be built; the message names the cell and says what to change."""


def expand(cells: Iterable[SourceCell], item: Chapter) -> NotebookNode:
    """The solution notebook of these cells, not executed: nbgrader's metadata, ids, tags, no outputs."""
    made = []
    for cell in cells:
        new = v4.new_code_cell(cell.text) if cell.is_code else v4.new_markdown_cell(cell.text)
        grade_id = SETUP_ID if cell.kind == "setup" else cell.id
        new["id"] = (grade_id or f"{item.topic.replace('_', '-')}-cell-{cell.index:03d}")[:64]
        if cell.is_code:
            new.metadata["coursekit"] = {"kind": cell.kind}
            if cell.exercise_no is not None:
                new.metadata["coursekit"]["exercise_no"] = cell.exercise_no
        if grade_id:
            new.metadata["nbgrader"] = _nbgrader_metadata(cell, grade_id)
        tags = []
        if cell.varies or cell.kind in ("setup", "demo"):
            tags.append(VARIES)
        if cell.raises:
            tags.append(RAISES)
        if tags:
            new.metadata["tags"] = tags
        made.append(new)
    ids = [cell["id"] for cell in made]
    doubled = sorted({i for i in ids if ids.count(i) > 1})
    if doubled:
        raise BuildError(f"{item.folder}: cell id {doubled[0]!r} is given twice; choose another grade id")
    notebook = v4.new_notebook(cells=made)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    # no version: it would differ between the machines on which a notebook is built
    notebook.metadata["language_info"] = {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    }
    nbformat.validate(notebook)
    return notebook


def _nbgrader_metadata(cell: SourceCell, grade_id: str) -> dict:
    metadata = {
        "schema_version": 3,
        "cell_type": "code",
        "grade_id": grade_id,
        "grade": cell.kind == "test",
        "solution": cell.kind == "exercise",
        "locked": cell.kind != "exercise",
        "task": False,
    }
    if cell.kind == "test":
        metadata["points"] = cell.points
    return metadata


def execute(
    notebook: NotebookNode,
    folder: Path,
    *,
    preset: str = PRESET,
    name: str = "notebook",
    progress: Callable[[int, int], None] | None = None,
) -> NotebookNode:
    """A copy of the notebook with the outputs of a run in `folder`, tidied.

    The run is headless, on the CPU, at `preset`. `progress(done, total)` is told after each cell.
    Raises `BuildError` if a cell fails, if one that should fail does not, or if an output would differ on
    another machine.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    running = nbformat.from_dict(notebook)
    client = NotebookClient(
        running,
        timeout=CELL_SECONDS,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # its start-up warnings would stand in the build's output
        resources={"metadata": {"path": str(folder)}},
    )
    if progress:
        total = len(running.cells)
        client.on_cell_complete = lambda cell, cell_index: progress(cell_index + 1, total)
    try:
        client.execute(env=run_environment(preset))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise BuildError(f"{name}: {_failed_cell(running)}\n{error}") from error
    problems = tidy_outputs(running)
    if problems:
        raise BuildError("\n".join(f"{name}: {problem}" for problem in problems))
    # the kernel writes its own description there
    running.metadata = nbformat.from_dict(notebook.metadata)
    running.metadata["coursekit"] = {"preset": preset}
    return running


def run_environment(preset: str, device: str = "cpu") -> dict[str, str]:
    """The environment in which notebooks are built and measured: headless, one device, one preset."""
    if preset not in PRESETS:
        raise BuildError(f"unknown preset {preset!r}; there are {', '.join(PRESETS)}")
    kept = {k: v for k, v in os.environ.items() if k not in ("NBGRADER_EXECUTION", "COURSE_DATA")}
    settings = {
        "COURSE_HEADLESS": "1",
        "COURSE_PRESET": preset,
        "COURSE_DEVICE": device,
        "PYTHONHASHSEED": "0",
    }
    return kept | ONE_NUMPY_THREAD | settings


def _failed_cell(notebook: NotebookNode) -> str:
    for cell in notebook.cells:
        if cell.cell_type != "code" or RAISES in cell.metadata.get("tags", []):
            continue
        if any(output.output_type == "error" for output in cell.outputs):
            return f"cell {cell['id']} failed"
    return "the run did not finish"


def tidy_outputs(notebook: NotebookNode) -> list[str]:
    """Make the outputs of a run independent of the run, in place; return what cannot be mended, in words."""
    problems = []
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.metadata.pop("execution", None)
        cell.outputs = _joined_streams(cell.outputs)
        errors = [o for o in cell.outputs if o.output_type == "error"]
        if RAISES in cell.metadata.get("tags", []) and not errors:
            problems.append(f"cell {cell['id']} is marked raises=true and did not raise")
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if output.output_type == "stream" and output.name == "stderr":
                problems.append(f"cell {cell['id']} writes to stderr: {output.text.strip()[:200]!r}")
            problems += [f"cell {cell['id']}: {p}" for p in _differs_elsewhere(_texts(output))]
    return problems


def _joined_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs with neighbouring pieces of one stream joined: where a stream is cut depends on timing."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _texts(output: NotebookNode) -> list[str]:
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.evalue, *output.traceback]
    return [str(output.data[kind]) for kind in _TEXT_TYPES if kind in output.data]


def _differs_elsewhere(texts: list[str]) -> list[str]:
    found = []
    home = str(Path.home())
    paths = [str(ROOT), tempfile.gettempdir() + os.sep, "ipykernel_", *([home] if len(home) > 1 else [])]
    for text in texts:
        text = _PICTURE.sub("", text)  # its bytes may spell anything, a short path too
        if match := _ADDRESS.search(text):
            found.append(f"output holds a memory address ({match[0]}); end the line with ; or print a value")
        if match := _TIMING.search(text):
            found.append(f"output holds a timing ({match[0]})")
        if any(path in text for path in paths):
            found.append("output holds a path of this machine")
    return found


def build(
    item: Chapter,
    *,
    preset: str = PRESET,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Build both notebooks of a chapter; return what was written, in words.

    The solution notebook is executed only if its sources or the preset changed, or with `force`.
    Raises `SourceError`, `BuildError` or `ReleaseError`.
    """
    notebook = expand(read_source(item), item)
    written = []
    if force or _solution_problems(item, notebook, preset):
        done = execute(notebook, item.source.parent, preset=preset, name=item.source.name, progress=progress)
        _write(item.solution_notebook, nbformat.writes(done) + "\n")
        written.append(f"{_shown(item.solution_notebook)}: executed at preset {preset}")
    text = student_text(item, notebook)
    if _read(item.student_notebook) != text:
        _write(item.student_notebook, text)
        written.append(f"{_shown(item.student_notebook)}: released")
    return written


def stale(item: Chapter) -> list[str]:
    """Why the committed notebooks of a chapter are not what its source gives; empty if they are.

    Executes nothing: the student's notebook is compared byte for byte, the executed one by its cells.
    """
    notebook = expand(read_source(item), item)
    advice = f"run: autograder build {item.folder}"
    return [f"{p}; {advice}" for p in _solution_problems(item, notebook, PRESET)] + student_problems(item)


def student_problems(item: Chapter) -> list[str]:
    """Why the student's notebook of a chapter is not, byte for byte, what its source gives."""
    present = _read(item.student_notebook)
    if present is None:
        problem = f"{_shown(item.student_notebook)} is missing"
    elif present != student_text(item, expand(read_source(item), item)):
        problem = f"{_shown(item.student_notebook)} is not what the source gives"
    else:
        return []
    return [f"{problem}; run: autograder build {item.folder}"]


def _solution_problems(item: Chapter, notebook: NotebookNode, preset: str) -> list[str]:
    path = item.solution_notebook
    text = _read(path)
    if text is None:
        return [f"{_shown(path)} is missing"]
    present = nbformat.reads(text, as_version=4)
    if _sources(present) != _sources(notebook):
        return [f"{_shown(path)} has other cells than the source"]
    ran = present.metadata.get("coursekit", {}).get("preset")
    if ran != preset:
        return [f"{_shown(path)} was executed at preset {ran}, not {preset}"]
    code = [cell for cell in present.cells if cell.cell_type == "code"]
    if any(cell.execution_count is None for cell in code):
        return [f"{_shown(path)} is not executed"]
    return []


def _sources(notebook: NotebookNode) -> list[tuple]:
    return [(cell["id"], cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def _read(path: Path) -> str | None:
    # bytes and not text: reading as text would take a file with other line ends for the same
    return path.read_bytes().decode("utf-8") if path.exists() else None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _shown(path: Path) -> str:
    return "/".join(path.parts[-3:])
