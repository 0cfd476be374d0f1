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

# Each submission is repaired from the released notebook before nbgrader's own steps see it, run by the judge
# (`autograder grade` does it side by side beforehand; what has a record is not run again), and its points are
# taken from the judge's record. See autograder/steps.py.
c.Autograde.sanitize_preprocessors = [
    "autograder.steps.RepairSubmission",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.steps.RunSubmission",
    "nbgrader.preprocessors.LimitOutput",
    "autograder.steps.SavePoints",
    "nbgrader.preprocessors.AssignLatePenalties",
]
# "judge": sandboxed, hidden tests outside of the student's process. "plain": one kernel for both, as nbgrader does
# it; protects against nothing.
c.RunSubmission.runner = "judge"
# Should a notebook of yours without a source here be graded: nbgrader's own time limit for a cell, in seconds.
c.Execute.timeout = 120
# nbconvert would validate the whole notebook after every single step; after the last one is enough.
c.Exporter.optimistic_validation = True

# Feedback shows a student's answers, results and messages; hidden tests, scripts and paths stay out, and so do
# the other files of a submission. See autograder/feedback.py.
c.GenerateFeedback.preprocessors = ["nbgrader.preprocessors.GetGrades", "autograder.feedback.HideTests"]
c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackExporter"
c.GenerateFeedback.post_convert_hook = "autograder.feedback.keep_pages_only"

# What a student wrote and printed is cleaned before Formgrader shows it, too.
c.HTMLExporter.preprocessors = ["autograder.feedback.CleanNotebook"]
c.HTMLExporter.filters = {"markdown2html": "autograder.clean.markdown_to_html"}
c.HTMLExporter.sanitize_html = True

# ---------------------------------------------------------------- exchange

c.ExchangeFactory.collect = "autograder.exchange.CollectWithoutLinks"
