"""nbgrader's settings: its commands, Formgrader and `autograder` all read them from the repository root."""

import os
import shutil
import sys
from pathlib import Path

# nbgrader starts `alembic` by its bare name: without this its commands fail where the environment that they
# lie in is not activated (`.venv/bin/nbgrader ...`).
if shutil.which("alembic") is None:
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

c = get_config()  # noqa: F821  (nbgrader defines it)
root = Path(__file__).resolve().parent

# ---------------------------------------------------------------- where everything lies

c.CourseDirectory.course_id = "deep-learning-by-hand"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "course"
c.Exchange.root = str(root / "build" / "exchange")  # for a class, a folder that all of its members can reach

# ---------------------------------------------------------------- source and release

# nbgrader copies what lies beside a notebook along with it. Beside ours lies the source with the solutions.
# (*.txt is not in the list: a submission's timestamp.txt has to pass.) FinishStudentNotebook refuses the
# release if anything but a notebook gets through.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "__pycache__",
    "feedback",
    ".*",
    "*.py",
    "*.pyc",
    "*.md",
    "*.json",
    "*.html",
    "*.csv",
    "*.npz",
    "*.pt",
    "*.png",
    "*~",
]
# nbgrader's own steps, then one of ours: tags for Run All, no traces of the instructor's execution.
c.GenerateAssignment.preprocessors.append("autograder.release.FinishStudentNotebook")
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}

# ---------------------------------------------------------------- grading and feedback
