"""The page a student gets back, and what keeps hidden tests and active content out of it.

nbgrader's own feedback shows the whole autograded notebook: hidden tests, tracebacks through them, whatever HTML
the student's code made, and all other files of the submission. Here:

* `HideTests` cuts hidden tests out of the notebook, and everything from a test cell but its result;
* `FeedbackExporter` writes one page: points by exercise, what was repaired in the file, then the student's own
  cells with their outputs and each test's message. Text of the chapter that the student did not change is left
  out (it is in the student's notebook);
* `keep_pages_only` removes from the feedback folder what nbgrader copied there;
* `CleanNotebook` is for Formgrader, whose templates clean neither markdown nor outputs.

Formulas in markdown stay as they were typed: a page without scripts cannot set them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, default

from autograder.clean import Budget, clean_outputs, markdown_to_html, plain_text, text_to_html
from autograder.pages import LOOKS, code_html, lower_headings, render
from autograder.reference import defined_names
from autograder.runners import HEADLINES
from autograder.unpack import COMPANIONS

_HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$", re.MULTILINE)
# A row of coursekit's messages: "  Likely cause: a sign is lost"
LABELLED = re.compile(r"\s+([A-Z][a-z]*(?: [a-z]+)?):\s+(\S.*)")


def without_hidden_tests(source: str) -> str:
    """A test cell's source without its hidden region; a region that does not end is cut to the end."""
    kept, inside = [], False
    for line in source.split("\n"):
        if _HIDDEN[0] in line:
            inside = True
        elif _HIDDEN[1] in line:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept).rstrip()


class HideTests(NbGraderPreprocessor):
    """Cut hidden tests out of a graded notebook, and from test cells every output but the result's message.

    What a test cell printed is left out even where the test passed: the student's code may print the arguments of
    a hidden test.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """The notebook as a student may see it; adds the student's name to the resources, if it is known."""
        place = resources.get("nbgrader", {})
        if "db_url" in place:
            with Gradebook(place["db_url"]) as book:
                student = book.find_student(place["student"])
                place["name"] = " ".join(filter(None, (student.first_name, student.last_name)))
        return super().preprocess(nb, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """The cell as a student may see it."""
        cell.source = without_hidden_tests(cell.source)
        if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell):
            cell.metadata["autograder"] = _result(cell)
            cell.outputs = []
        return cell, resources


def _result(cell: NotebookNode) -> NotebookNode:
    """The result that `RunSubmission` left; from the outputs where nbgrader ran the cell itself."""
    known = cell.metadata.get("autograder")
    if known and known.get("outcome"):
        return known
    errors = [o for o in cell.outputs if o.output_type == "error"]
    if errors:
        message = plain_text(f"{errors[0].ename}: {errors[0].evalue}")
        return NotebookNode(outcome="wrong", message=message, hint=None)
    return NotebookNode(outcome="passed", message="", hint=None)


class CleanNotebook(NbGraderPreprocessor):
    """Outputs that are safe to show. For Formgrader; hidden tests stay, it is the instructor who looks."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean every output; drop what only widgets need."""
        nb.metadata.pop("widgets", None)
        budget = Budget()
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = clean_outputs(cell.outputs, budget)
                cell.metadata.pop("magics_language", None)
            cell.pop("attachments", None)
        return nb, resources


class FeedbackExporter(Exporter):
    """Writes the feedback page of a graded notebook (after `GetGrades` and `HideTests`)."""

    output_mimetype = "text/html"
    show_given = Bool(False, help="Show the chapter's text and given code too.").tag(config=True)

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        """The page as text, and the resources."""
        graded, resources = super().from_notebook_node(nb, resources, **kwargs)
        return page(graded, resources.get("nbgrader", {}), self.show_given), resources


def page(nb: NotebookNode, about: dict[str, Any], show_given: bool = False) -> str:
    """The feedback page of a notebook whose cells hold their scores, as `GetGrades` leaves it."""
    sections = list(_sections(nb, show_given))
    for section in sections:
        _open_what_lost_points(section["cells"])
    title = next((m[2] for c in nb.cells if c.cell_type == "markdown" for m in [_HEADING.search(c.source)] if m), None)
    return render(
        "feedback.html.j2",
        title=plain_text(title or about.get("notebook", "Feedback")),
        student=about.get("name") or about.get("student", ""),
        problem=None,
        score=max(0.0, about.get("score", 0.0)),
        most=about.get("max_score", 0.0),
        penalty=about.get("late_penalty", 0.0),
        groups=[group for section in sections if (group := _group(section))],
        notes=[plain_text(str(note)) for note in nb.metadata.get("autograder", {}).get("notes", [])],
        sections=[section for section in sections if section["cells"]],
    )


def problem_page(title: str, student: str, problem: str, notes: Iterable[str] = ()) -> str:
    """The page for a student whose file could not be graded."""
    return render(
        "feedback.html.j2", title=title, student=student, problem=problem, notes=list(notes), groups=[], sections=[]
    )


def _sections(nb: NotebookNode, show_given: bool) -> Iterable[dict[str, Any]]:
    """The notebook cut at the chapter's second-level headings, each with what is shown of its cells."""
    section = {"title": "Start", "anchor": "s0", "cells": []}
    number, budget = 0, Budget()
    for cell in nb.cells:
        kind = cell.metadata.get("coursekit", {}).get("kind", "")
        changed = kind in ("exercise", "extra", "") or cell.metadata.get("coursekit", {}).get("changed", False)
        if cell.cell_type == "markdown" and kind != "extra":
            found = [m for m in _HEADING.finditer(cell.source) if len(m[1]) <= 2]
            if found and (number or len(found[-1][1]) == 2):
                yield section
                number += 1
                section = {"title": plain_text(found[-1][2]), "anchor": f"s{number}", "cells": []}
        if cell.cell_type != "code":
            if changed or show_given:
                html = lower_headings(markdown_to_html(cell.source))
                section["cells"].append({"kind": "text", "html": Markup(html)})
        elif is_grade(cell) and not is_solution(cell):
            section["cells"].append(_test_item(cell))
        elif changed or show_given or any(o.output_type == "error" for o in cell.outputs):
            section["cells"].append(_code_item(cell, budget))
    yield section


def _code_item(cell: NotebookNode, budget: Budget) -> dict[str, Any]:
    comment = cell.metadata.get("nbgrader", {}).get("comment")
    comment = None if comment == "No response." else comment
    outputs = [_output(output) for output in clean_outputs(cell.outputs, budget)]
    names = sorted(defined_names(cell.source), key=cell.source.find)[:4]
    return {
        "kind": "code",
        "names": ", ".join(names),
        "html": code_html(cell.source),
        "outputs": [output for output in outputs if output["html"]],
        "comment": Markup(markdown_to_html(comment)) if comment else None,
    }


def _output(output: NotebookNode) -> dict[str, Any]:
    """One cleaned output as HTML: a picture before HTML before text."""
    if output.output_type == "stream":
        return {"look": output.name, "html": Markup(f"<pre>{text_to_html(output.text)}</pre>" if output.text else "")}
    if output.output_type == "error":
        lines = "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
        return {"look": "error", "html": Markup(f"<pre>{text_to_html(lines)}</pre>")}
    for mime in ("image/png", "image/jpeg"):
        if mime in output.data:
            alt = output.metadata.get(mime, {}).get("alt", "A figure without a description")
            image = Markup('<img src="data:{};base64,{}" alt="{}">').format(mime, output.data[mime], alt)
            return {"look": "picture", "html": image}
    if "text/html" in output.data:
        return {"look": "html", "html": Markup(lower_headings(output.data["text/html"]))}
    return {"look": "text", "html": Markup(f"<pre>{text_to_html(output.data.get('text/plain', ''))}</pre>")}


def _test_item(cell: NotebookNode) -> dict[str, Any]:
    meta, result = cell.metadata["nbgrader"], cell.metadata["autograder"]
    score, most = float(meta.get("score") or 0.0), float(meta.get("points") or 0.0)
    outcome = result.get("outcome", "wrong")
    if outcome == "passed" and score < most:  # an instructor took points off
        outcome = "partly"
    sign, words, look = LOOKS.get(outcome, LOOKS["wrong"])
    source = cell.source.strip()
    return {
        "kind": "test",
        "name": meta["grade_id"],
        "outcome": outcome,
        "sign": sign,
        "words": words,
        "look": look,
        "score": score,
        "most": most,
        **_told(plain_text(result.get("message") or "")),
        "hint": plain_text(result.get("hint") or ""),
        "source": code_html(source) if source else None,
    }


def _told(message: str) -> dict[str, Any]:
    """A check's message taken apart: its title, its labelled rows, and what else it says.

    The headline's end ("- not right yet") says no more than the result beside it does.
    """
    first, *lines = message.split("\n")
    title, _, outcome = first.rpartition(" - ")
    rows: list[tuple[str, str]] = []
    for line in lines if outcome in HEADLINES else ():
        if found := LABELLED.match(line):
            rows.append((found[1], found[2]))
        elif rows:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]}\n{line.strip()}")
        else:
            rows.append(("", line.strip()))
    return {"title": title, "rows": rows} if rows else {"title": "", "rows": [("", message)] if message else []}


def _open_what_lost_points(cells: list[dict[str, Any]]) -> None:
    """Show the code at once whose tests, the next ones below it, lost points or do not exist; fold the rest."""
    block: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    for item in [*cells, {"kind": "code"}]:
        if item["kind"] == "test":
            tests.append(item)
        elif item["kind"] == "code":
            if tests or item not in cells:
                for code in block:
                    code["open"] = not tests or any(test["score"] < test["most"] for test in tests)
                block, tests = [], []
            block.append(item)


def _group(section: dict[str, Any]) -> dict[str, Any] | None:
    """A row of the summary for a section with tests."""
    tests = [item for item in section["cells"] if item["kind"] == "test"]
    if not tests:
        return None
    points, most = sum(t["score"] for t in tests), sum(t["most"] for t in tests)
    outcomes = {t["outcome"] for t in tests}
    if outcomes == {"passed"}:
        outcome = "passed"
    elif points > 0:
        outcome = "partly"
    else:
        outcome = "open" if outcomes == {"open"} else tests[0]["outcome"] if len(outcomes) == 1 else "wrong"
    sign, words, look = LOOKS.get(outcome, LOOKS["wrong"])
    return {**section, "points": points, "most": most, "sign": sign, "words": words, "look": look}


def keep_pages_only(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's hook after a feedback folder was written: remove the submission's other files from it.

    What nbgrader's exchange wrote itself stays: feedback cannot be released without it.
    """
    for notebook in notebooks:
        graded = Path(notebook).resolve().parent
        folder = graded.parents[2] / "feedback" / graded.parent.name / graded.name
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.suffix != ".html" and path.name not in COMPANIONS:
                path.unlink()
