"""Building notebooks: expansion, execution, release; what is refused; when a notebook is stale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

import nbformat
import pytest
from nbformat import v4

from autograder import build as builder
from autograder.build import BuildError, build, execute, expand, stale, tidy_outputs
from autograder.course import CHAPTERS
from autograder.release import ReleaseError, student_text
from autograder.source import parse_source
from autograder.tests.small_course import SOURCE, make_course


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small course with both notebooks built; not to be changed."""
    item = make_course(tmp_path_factory.mktemp("course"))
    written = build(item, preset="quick")
    assert written == [
        "solutions/01_small/small.ipynb: executed at preset quick",
        "course/01_small/small.ipynb: released",
    ]
    return item


def copy_of(item, folder):
    fresh = make_course(folder, item.source.read_text())
    for path, other in (
        (item.solution_notebook, fresh.solution_notebook),
        (item.student_notebook, fresh.student_notebook),
    ):
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(path.read_bytes())
    return fresh


def test_expansion_to_nbgrader_metadata(tmp_path):
    notebook = expand(parse_source(SOURCE), make_course(tmp_path))
    cells = {cell["id"]: cell for cell in notebook.cells}
    assert cells["ex1-double"].metadata["nbgrader"] == {
        "schema_version": 3, "cell_type": "code", "grade_id": "ex1-double",
        "grade": False, "solution": True, "locked": False, "task": False,
    }  # fmt: skip
    assert cells["ex1-double-test"].metadata["nbgrader"] == {
        "schema_version": 3, "cell_type": "code", "grade_id": "ex1-double-test",
        "grade": True, "solution": False, "locked": True, "task": False, "points": 60,
    }  # fmt: skip
    for grade_id, kind in (("setup", "setup"), ("table", "given")):
        assert cells[grade_id].metadata["nbgrader"]["locked"] is True
        assert cells[grade_id].metadata["coursekit"]["kind"] == kind
    plain, demo = cells["small-cell-007"], cells["small-cell-006"]
    assert "nbgrader" not in plain.metadata and "tags" not in plain.metadata
    assert demo.metadata["tags"] == ["nbval-ignore-output"]
    assert cells["setup"].metadata["tags"] == ["nbval-ignore-output"]
    assert cells["ex1-double-test"].metadata["coursekit"] == {"kind": "test", "exercise_no": 1}


def test_executed_notebook(built):
    notebook = nbformat.read(built.solution_notebook, as_version=4)
    cells = {cell["id"]: cell for cell in notebook.cells}
    assert cells["setup"].outputs[0].text == "preset quick\n"
    assert cells["small-cell-007"].outputs[0].data["text/plain"] == "9"
    assert notebook.metadata["coursekit"] == {"preset": "quick"}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all("execution" not in cell.metadata for cell in code)
    assert "widgets" not in notebook.metadata
    assert "version" not in notebook.metadata["language_info"]
    assert "negative number" in cells["ex1-double-test"].source


def test_student_notebook(built):
    notebook = nbformat.read(built.student_notebook, as_version=4)
    cells = {cell["id"]: cell for cell in notebook.cells}
    assert cells["ex1-double"].source.endswith("# YOUR CODE HERE\n    raise NotImplementedError()")
    assert cells["q1"].source == "# YOUR CODE HERE\nraise NotImplementedError()"
    assert "HIDDEN" not in built.student_notebook.read_text() and "negative" not in built.student_notebook.read_text()
    assert cells["ex1-double-test"].metadata["nbgrader"]["checksum"]
    assert cells["ex1-double-test"].metadata["editable"] is False
    assert "tags" not in cells["setup"].metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.metadata["tags"] == ["raises-exception"] for cell in code if cell["id"] != "setup")
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_rebuild_is_byte_identical_and_skips_what_is_fresh(built, tmp_path):
    fresh = copy_of(built, tmp_path)
    before = fresh.student_notebook.read_bytes(), fresh.solution_notebook.read_bytes()
    assert build(fresh) == []
    fresh.student_notebook.unlink()
    assert build(fresh, force=True) == [
        "solutions/01_small/small.ipynb: executed at preset quick",
        "course/01_small/small.ipynb: released",
    ]
    assert (fresh.student_notebook.read_bytes(), fresh.solution_notebook.read_bytes()) == before


@pytest.mark.slow
def test_nbgrader_by_hand_gives_the_same_bytes_and_no_other_file(built, tmp_path):
    fresh = copy_of(built, tmp_path)
    fresh.student_notebook.unlink()
    fresh.student_notebook.parent.rmdir()  # nbgrader leaves a release folder that exists alone
    folder = fresh.source.parent
    for name in ("notes.md", "old.py", "table.csv", "weights.npz", ".hidden", "figure.png", "small.py~"):
        (folder / name).write_text("shifted = x + 1000")
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "01_small"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert fresh.student_notebook.read_bytes() == built.student_notebook.read_bytes()
    assert [p.name for p in fresh.student_notebook.parent.iterdir()] == ["small.ipynb"]

    # a kind of file that no pattern covers: the release is refused and removed, not handed out
    (folder / "answers.txt").write_text("shifted = x + 1000")
    failed = subprocess.run([*command, "--force"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert failed.returncode != 0
    assert "these files would reach students: answers.txt" in failed.stderr
    assert not fresh.student_notebook.parent.exists()


def test_release_failures_are_told(tmp_path):
    item = make_course(tmp_path)
    notebook = expand(parse_source(SOURCE), item)
    notebook.cells[3].source = "### BEGIN SOLUTION\nx = 1"
    with pytest.raises(ReleaseError, match="no end solution statement found"):
        student_text(item, notebook)


def test_stale_notebooks_are_found_without_running_anything(built, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the check executed a notebook")

    monkeypatch.setattr(builder, "execute", refuse)
    fresh = copy_of(built, tmp_path)
    assert stale(fresh) == []

    text = fresh.student_notebook.read_text()
    fresh.student_notebook.write_text(text.replace("Twice as much.", "Twice as much!"))
    assert stale(fresh) == ["course/01_small/small.ipynb is not what the source gives; run: autograder build 01_small"]
    fresh.student_notebook.unlink()
    assert "course/01_small/small.ipynb is missing; run: autograder build 01_small" in stale(fresh)
    fresh.student_notebook.write_text(text)

    fresh.source.write_text(SOURCE.replace("TABLE[3]", "TABLE[2]"))
    assert [line.split(";")[0] for line in stale(fresh)] == [
        "solutions/01_small/small.ipynb has other cells than the source",
        "course/01_small/small.ipynb is not what the source gives",
    ]
    fresh.source.write_text(SOURCE)

    done = json.loads(fresh.solution_notebook.read_text())
    draft = json.loads(json.dumps(done))
    draft["metadata"]["coursekit"]["preset"] = "smoke"
    fresh.solution_notebook.write_text(json.dumps(draft))
    assert "was executed at preset smoke, not quick" in stale(fresh)[0]
    for cell in done["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
    fresh.solution_notebook.write_text(json.dumps(done))
    assert "is not executed" in stale(fresh)[0]
    fresh.solution_notebook.unlink()
    assert "small.ipynb is missing" in stale(fresh)[0]


def run_cells(tmp_path, source):
    item = make_course(tmp_path, source)
    return execute(expand(parse_source(source), item), item.source.parent, preset="smoke", name="small.py")


def test_a_failing_cell_is_named(tmp_path):
    with pytest.raises(BuildError, match=r"small\.py: cell q1-test failed[\s\S]*assert 1 == 2"):
        run_cells(tmp_path, '# %%\nx = 1\n# %% test="q1-test" points=1\nassert 1 == 2\n')


def test_cells_that_fail_on_purpose(tmp_path):
    notebook = run_cells(tmp_path / "a", '# %% raises=true\nraise ValueError("on purpose") from None\n')
    assert notebook.cells[0].outputs[0].evalue == "on purpose"
    with pytest.raises(BuildError, match="marked raises=true and did not raise"):
        run_cells(tmp_path / "b", "# %% raises=true\nx = 1\n")


def test_the_run_has_its_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    names = ["COURSE_HEADLESS", "COURSE_PRESET", "COURSE_DEVICE", "NBGRADER_EXECUTION"]
    notebook = run_cells(tmp_path, f"# %%\nimport os\n[os.environ.get(n) for n in {names}]\n")
    assert notebook.cells[0].outputs[0].data["text/plain"] == "['1', 'smoke', 'cpu', None]"
    with pytest.raises(BuildError, match="unknown preset 'slow'; there are smoke, quick, full"):
        builder.run_environment("slow")


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (v4.new_output("stream", name="stderr", text="UserWarning: hm"), "writes to stderr: 'UserWarning: hm'"),
        (v4.new_output("execute_result", data={"text/plain": "<f at 0x7f1c2a3b4c5d>"}), "a memory address"),
        (v4.new_output("stream", text="10%|# | 1/10 [00:01<00:09, 1.0it/s]"), "a timing (0it/s)"),
        (v4.new_output("display_data", data={"text/html": f"<b>{builder.ROOT}/data</b>"}), "a path of this"),
        (v4.new_output("stream", text="File ipykernel_123/45.py"), "a path of this machine"),
    ],
)
def test_outputs_that_would_differ_elsewhere_are_refused(output, problem):
    notebook = v4.new_notebook(cells=[v4.new_code_cell("x", id="c1", outputs=[output])])
    problems = tidy_outputs(notebook)
    assert len(problems) == 1 and "c1" in problems[0] and problem in problems[0]


def test_a_picture_may_spell_a_path_by_chance():
    picture = f'<img src="data:image/png;base64,iVBOR{tempfile.gettempdir()}/aa0x7f1c2a3b4c5d">'
    cell = v4.new_code_cell("x", id="c1", outputs=[v4.new_output("display_data", data={"text/html": picture})])
    assert tidy_outputs(v4.new_notebook(cells=[cell])) == []


def test_outputs_are_made_independent_of_the_run():
    pieces = [v4.new_output("stream", text="a"), v4.new_output("stream", text="b\n")]
    result = v4.new_output("execute_result", data={"text/plain": "0x12 3.5 seconds"}, execution_count=17)
    cell = v4.new_code_cell("x", execution_count=17, outputs=[*pieces, result])
    cell.metadata["execution"] = {"iopub.status.busy": "2020-01-01T00:00:00Z"}
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("text"), cell])
    assert tidy_outputs(notebook) == []
    assert [o.get("text") for o in cell.outputs] == ["ab\n", None]
    assert cell.execution_count == 1 and cell.outputs[1].execution_count == 1
    assert cell.metadata == {}


def test_a_cell_id_taken_by_a_position_is_refused(tmp_path):
    text = '# %%\nx = 1\n# %% given="small-cell-000"\ny = 1\n'
    with pytest.raises(BuildError, match="cell id 'small-cell-000' is given twice"):
        expand(parse_source(text), make_course(tmp_path))


@pytest.mark.parametrize("item", CHAPTERS, ids=lambda c: c.folder)
def test_committed_notebooks_are_fresh(item):
    assert stale(item) == []


@pytest.mark.parametrize("item", CHAPTERS, ids=lambda c: c.folder)
def test_committed_solution_notebooks_are_small(item):
    assert os.path.getsize(item.solution_notebook) < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("item", CHAPTERS, ids=lambda c: c.folder)
def test_an_untouched_student_notebook_runs_to_its_end_and_every_check_says_open(item):
    from nbclient import NotebookClient

    notebook = nbformat.read(item.student_notebook, as_version=4)
    folder = {"metadata": {"path": str(item.student_notebook.parent)}}
    client = NotebookClient(notebook, timeout=300, record_timing=False, resources=folder)
    client.execute(env=builder.run_environment("smoke"))
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        assert not any(o.output_type == "stream" and o.name == "stderr" for o in cell.outputs), cell["id"]
        if cell.metadata.get("nbgrader", {}).get("grade"):
            assert errors == [], f"{cell['id']} is not told as open"
            assert "not attempted yet" in "".join(str(o.get("data")) for o in cell.outputs), cell["id"]
        else:
            # in words: a failed check, an open exercise, or a name that an open exercise would define
            assert set(errors) <= {"CheckFailed", "NotImplementedError", "NameError"}, cell["id"]
