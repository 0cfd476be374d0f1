"""From a solution notebook to what students get, by nbgrader's own `generate_assignment`.

`FinishStudentNotebook` is the last preprocessor in `nbgrader_config.py`, so that `autograder build`,
`nbgrader generate_assignment` and the Formgrader button write the same bytes.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.config import Config, PyFileConfigLoader

from autograder.course import ROOT, Chapter

CONFIG_FILE = ROOT / "nbgrader_config.py"
KEEP_NOTEBOOK_METADATA = ("kernelspec", "language_info")
RAISES = "raises-exception"


class ReleaseError(RuntimeError):
    """The student's notebook could not be made; the message says why."""


class FinishStudentNotebook(NbGraderPreprocessor):
    """The last step of a release: tags for Run All, nothing of the instructor's execution, no other files."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Tidy the notebook; raise `ReleaseError` if other files were copied into the release beside it."""
        self._refuse_other_files(resources)
        for key in set(nb.metadata) - set(KEEP_NOTEBOOK_METADATA):
            del nb.metadata[key]
        for cell in nb.cells:
            finish_cell(cell)
        return nb, resources

    def _refuse_other_files(self, resources: dict) -> None:
        # nbgrader copies whatever lies beside the notebook and is not in CourseDirectory.ignore: with sources
        # in that folder a forgotten pattern would hand out the solutions. Raising here makes nbgrader remove
        # the whole release folder again.
        place = resources.get("nbgrader")
        if not place:
            return
        course = CourseDirectory(parent=self)
        folder = Path(course.format_path(course.release_directory, ".", place["assignment"]))
        if not folder.is_absolute():
            folder = Path(course.root or os.curdir) / folder
        others = sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".ipynb")
        if others:
            raise ReleaseError(
                f"{place['assignment']}: these files would reach students: {', '.join(others)}. "
                "Move them out of the source folder or add them to c.CourseDirectory.ignore"
            )


def finish_cell(cell: NotebookNode) -> None:
    """Give a student's cell its tags, in place.

    Every code cell but the set-up is tagged `raises-exception`: JupyterLab's Run All then goes on past an
    open exercise. nbgrader's checksum does not look at tags.
    """
    cell.metadata.pop("tags", None)
    if cell.cell_type == "code" and cell.metadata.get("coursekit", {}).get("kind") != "setup":
        cell.metadata["tags"] = [RAISES]


def student_text(chapter: Chapter, solution: NotebookNode, *, config_file: Path = CONFIG_FILE) -> str:
    """The text of the student's notebook file, made by nbgrader from the solution notebook.

    Runs the converter with the settings of `config_file` in a temporary course, without a gradebook (as
    `nbgrader generate_assignment --no-db` does; a database of its own takes seconds and changes no byte).
    Nothing is executed. Raises `ReleaseError` with nbgrader's messages.
    """
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        root = Path(folder).resolve()
        config = load_config(config_file)
        config.CourseDirectory.root = str(root)
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
        config.CourseDirectory.assignment_id = chapter.folder
        course = CourseDirectory(config=config)
        source = root / course.source_directory / chapter.folder
        source.mkdir(parents=True)
        nbformat.write(solution, source / f"{chapter.topic}.ipynb")
        _generate(course, config)
        return (root / course.release_directory / chapter.folder / f"{chapter.topic}.ipynb").read_text("utf-8")


def load_config(config_file: Path = CONFIG_FILE) -> Config:
    """The settings in nbgrader's configuration file."""
    return PyFileConfigLoader(config_file.name, path=str(config_file.parent)).load_config()


def _generate(course: CourseDirectory, config: Config) -> None:
    from nbgrader.converters import GenerateAssignment  # 3 s of imports: only where a release is made

    messages = _Messages()
    log = logging.getLogger("autograder.release")
    log.propagate = False
    log.setLevel(logging.ERROR)
    log.addHandler(messages)
    try:
        converter = GenerateAssignment(coursedir=course, config=config, log=log)
        converter.start()
    except BaseException as error:
        # nbgrader ends a failed conversion with sys.exit in some paths and with an exception in others
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ReleaseError("\n".join([*messages.lines, str(error)])) from error
    finally:
        log.removeHandler(messages)


class _Messages(logging.Handler):
    """Keeps what nbgrader logs, to be told if the release fails."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
