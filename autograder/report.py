"""What came out of grading a class: a table for the terminal, one page for the browser, CSV for the rest.

The page stands alone (no script, no request), reads in light and dark, and every figure has its numbers in words.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from rich import box
from rich.table import Table

from autograder.clean import plain_text
from autograder.feedback import LABELLED
from autograder.grade import ChapterResult, ClassResult, Outcome
from autograder.judge.record import OUTCOMES, write_atomically
from autograder.pages import points_text, render
from autograder.reference import Exercise
from autograder.tables import write_csv

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_MOST_MISTAKES = 12
_BINS = 10


@dataclass(frozen=True)
class Row:
    """One student's line: points by exercise (None: not graded), the sum, and what to say about it."""

    student: str
    name: str
    points: tuple[float | None, ...]
    total: float | None
    remark: str
    outcome: Outcome


def rows(result: ChapterResult) -> list[Row]:
    """The table of a chapter, by student."""
    exercises = result.reference.exercises
    made = []
    for outcome in result.outcomes:
        item, scores = outcome.submission, result.scores.get(outcome.submission.student)
        remark = [] if outcome.graded else [f"not graded: {outcome.reason}"]
        remark += ["late"] if item.late else []
        if outcome.graded and scores:
            points = tuple(sum(scores.points.get(t.grade_id or "", 0.0) for t in e.tests) for e in exercises)
            remark += [f"{points_text(scores.penalty)} points off for lateness"] if scores.penalty else []
            remark += ["needs manual grading"] if scores.needs_manual else []
            remark += ["repaired"] if outcome.notes else []
            remark += _faults(result, item.student)
            made.append(Row(item.student, item.name, points, scores.total, "; ".join(remark), outcome))
        else:
            remark += ["the earlier grade stays"] if scores else []
            made.append(Row(item.student, item.name, (None,) * len(exercises), None, "; ".join(remark), outcome))
    return made


def _faults(result: ChapterResult, student: str) -> list[str]:
    """Tests that failed for a reason of their own: the student can do nothing about the points that are missing."""
    record = result.records.get(student)
    broken = [test.grade_id for test in record.tests if test.outcome == "fault"] if record else []
    return [f"broken test: {', '.join(broken)}"] if broken else []


# ------------------------------------------------------------------------------------------------- terminal


def table(result: ChapterResult) -> Table:
    """Students by exercises, for a terminal; what there is to say about a student stands in `remarks`."""
    exercises, most = result.reference.exercises, sum(e.most for e in result.reference.exercises)
    made = Table(
        title=f"{result.chapter.folder}: {result.chapter.title}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )
    made.add_column("student\n[dim]points[/]", no_wrap=True, min_width=12)
    for exercise in exercises:
        made.add_column(f"{exercise.label}\n[dim]{points_text(exercise.most)}[/]", justify="right", no_wrap=True)
    made.add_column(f"sum\n[dim]{points_text(most)}[/]", justify="right", no_wrap=True, style="bold")
    lines = rows(result)
    for row in lines:
        cells = [_coloured(p, e.most) for p, e in zip(row.points, exercises, strict=True)]
        name = f"{row.student} *" if row.remark else row.student
        made.add_row(_escaped(name), *cells, "[red]–[/]" if row.total is None else points_text(row.total))
    graded = [row for row in lines if row.total is not None]
    if len(graded) > 1:
        means = [statistics.fmean(row.points[i] or 0.0 for row in graded) for i in range(len(exercises))]
        made.add_section()
        total = statistics.fmean(row.total or 0.0 for row in graded)
        made.add_row(f"mean of {len(graded)}", *(f"{mean:.1f}" for mean in means), f"{total:.1f}", style="dim")
    return made


def remarks(result: ChapterResult) -> list[str]:
    """A line for each student whom the table marks with a star, and one for those who were graded before."""
    lines = [f"* {row.student}: {row.remark}" for row in rows(result) if row.remark]
    return [*lines, graded_before(result)] if result.others else lines


def graded_before(result: ChapterResult) -> str:
    """Who is in the gradebook and not among the submissions of this run; empty if nobody."""
    count = len(result.others)
    if not count:
        return ""
    who = f"{count} students were" if count > 1 else "1 student was"
    return f"{who} graded in an earlier run and stay in the gradebook: {', '.join(_first(result.others, 12))}"


def _coloured(points: float | None, most: float) -> str:
    if points is None:
        return "[red]–[/]"
    colour = "green" if points >= most else "red" if points <= 0 else "yellow"
    return f"[{colour}]{points_text(points)}[/]"


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


# ----------------------------------------------------------------------------------------------------- files


def write_reports(result: ClassResult) -> list[Path]:
    """Write the page and, for each chapter, a wide CSV; return what was written."""
    page = result.folder.grading / "report.html"
    write_atomically(page, report_page(result))
    written = [page]
    for chapter in result.chapters:
        path = result.folder.grading / f"grades_{chapter.chapter.folder}.csv"
        write_csv(path, *wide(chapter))
        written.append(path)
    return written


def wide(result: ChapterResult) -> tuple[list[str], list[list[object]]]:
    """Header and lines of the wide CSV: a line a student, a column an exercise and a test, the sum, the reason."""
    exercises, tests = result.reference.exercises, result.reference.tests
    header = ["student", "name", "platform_id", "status", "remark", "total", "max"]
    header += [f"exercise {e.label} ({points_text(e.most)})" for e in exercises]
    header += [f"{t.grade_id} ({points_text(t.points)})" for t in tests]
    most, lines = sum(e.most for e in exercises), []
    for row in rows(result):
        item, scores = row.outcome.submission, result.scores.get(row.student)
        single = [scores.points.get(t.grade_id or "") if scores and row.total is not None else None for t in tests]
        status = "graded" if row.total is not None else "not graded"
        about = [row.student, row.name, item.platform_id, status, row.remark, row.total, most]
        lines.append([*about, *row.points, *single])
    return header, lines


def report_page(result: ClassResult) -> str:
    """The report as one HTML page."""
    return render(
        "report.html.j2",
        chapters=[_chapter(chapter, result.folder.path) for chapter in result.chapters],
        unused=[{"file": plain_text(origin), "reason": plain_text(reason)} for origin, reason in result.intake.unused],
    )


def _chapter(result: ChapterResult, folder: Path) -> dict[str, Any]:
    exercises, lines = result.reference.exercises, rows(result)
    graded = [row for row in lines if row.total is not None]
    totals = [row.total or 0.0 for row in graded]
    most = sum(e.most for e in exercises)
    return {
        "id": result.chapter.folder,
        "title": result.chapter.title,
        "count": len(lines),
        "graded": len(graded),
        "most": most,
        "mean": statistics.fmean(totals) if totals else None,
        "median": statistics.median(totals) if totals else None,
        "histogram": _histogram(totals, most) if len(totals) > 1 and most else None,
        "exercises": [_exercise(e, [row.points[i] or 0.0 for row in graded]) for i, e in enumerate(exercises)],
        "mistakes": _mistakes(result),
        "graded_before": plain_text(graded_before(result)),
        "rows": [_line(row, exercises, result, folder) for row in lines],
    }


def _line(row: Row, exercises: Sequence[Exercise], result: ChapterResult, folder: Path) -> dict[str, Any]:
    page = Path("feedback", row.student, result.chapter.folder, f"{result.chapter.topic}.html")
    cells = [
        {"points": p, "look": "" if p is None else "right" if p >= e.most else "wrong" if p <= 0 else "open"}
        for p, e in zip(row.points, exercises, strict=True)
    ]
    link = quote(f"../{page.as_posix()}") if (folder / page).exists() else None
    notes = [plain_text(note) for note in (*row.outcome.notes, *row.outcome.notices)]
    remark = plain_text(row.remark)
    return {"student": row.student, "name": plain_text(row.name), "cells": cells, "total": row.total, "link": link,
            "remark": remark, "notes": notes}  # fmt: skip


def _exercise(exercise: Exercise, points: Sequence[float]) -> dict[str, Any]:
    """How an exercise went: nobody's names, only how many had all, some, none of the points."""
    full = sum(p >= exercise.most for p in points)
    none = sum(p <= 0 < exercise.most for p in points)
    share = statistics.fmean(points) / exercise.most if points and exercise.most else None
    parts = {"full": full, "some": len(points) - full - none, "none": none}
    return {
        "label": exercise.label,
        "title": without_label(plain_text(exercise.title), exercise.label),
        "most": exercise.most,
        "mean": statistics.fmean(points) if points else None,
        "share": share,
        "bar": _bar(parts, len(points)),
        **parts,
    }


def without_label(title: str, label: str) -> str:
    """A heading without the exercise's number at its start, which stands beside it already."""
    return re.sub(rf"^{re.escape(label)}\b[\s.:]*", "", title)


def _bar(parts: dict[str, int], count: int, width: int = 160) -> Markup:
    """A bar in three parts; the numbers stand in the table beside it, so it is hidden from screen readers."""
    if not count:
        return Markup("")
    x, pieces = 0.0, []
    for name, part in parts.items():
        size = width * part / count
        pieces.append(f'<rect class="{name}" x="{x:.1f}" y="0" width="{size:.1f}" height="14"/>')
        x += size
    return Markup(f'<svg aria-hidden="true" width="{width}" height="14">{"".join(pieces)}</svg>')


def _histogram(totals: Sequence[float], most: float) -> dict[str, Any]:
    """How many students had how many points, as a figure and as numbers."""
    counts = [0] * _BINS
    for total in totals:
        counts[min(_BINS - 1, int(_BINS * total / most))] += 1
    edges = [most * i / _BINS for i in range(_BINS + 1)]
    bins = [
        {"range": f"{points_text(round(lo, 1))}–{points_text(round(hi, 1))}", "count": n}
        for lo, hi, n in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    step, height, top = 56, 110, max(counts)
    pieces = []
    for i, item in enumerate(bins):
        size = height * item["count"] / top
        x = i * step
        pieces.append(
            f'<rect class="front" x="{x + 4}" y="{20 + height - size:.1f}" width="{step - 8}" height="{size:.1f}"/>'
        )
        if item["count"]:
            pieces.append(f'<text x="{x + step / 2}" y="{15 + height - size:.1f}">{item["count"]}</text>')
        pieces.append(f'<text x="{x + step / 2}" y="{height + 38}">{item["range"]}</text>')
    words = ", ".join(f"{b['range']} points: {b['count']}" for b in bins if b["count"])
    size = f'viewBox="0 0 {step * _BINS} {height + 46}"'
    figure = f'<svg role="img" aria-label="Students by points. {words}" {size}>{"".join(pieces)}</svg>'
    return {"figure": Markup(figure), "bins": bins}


# -------------------------------------------------------------------------------------------------- mistakes


def _mistakes(result: ChapterResult) -> list[dict[str, Any]]:
    """The most frequent failures: which test, what it said, how many students."""
    counted: Counter[tuple[str, str, str]] = Counter()
    example: dict[tuple[str, str, str], str] = {}
    names: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    graded = {outcome.submission.student for outcome in result.outcomes if outcome.graded}
    for student, record in result.records.items():
        for test in record.tests if student in graded else ():
            if test.points >= test.max_points or test.outcome == "passed":
                continue
            said = test.hint or gist(test.message) or OUTCOMES.get(test.outcome, test.outcome)
            key = (test.grade_id, test.outcome, _NUMBER.sub("#", said))
            counted[key] += 1
            example.setdefault(key, said)
            names[key].add(student)
    made = []
    for key, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:_MOST_MISTAKES]:
        grade_id, outcome, _ = key
        words = {"open": "not attempted", "missing": "name missing", "raised": "exception", "wrong": "wrong"}
        made.append(
            {
                "test": grade_id,
                "outcome": words.get(outcome, outcome),
                "message": plain_text(example[key])[:400],
                "count": count,
                "students": ", ".join(_first(sorted(names[key]), 6)),
            }
        )
    return made


def gist(message: str) -> str:
    """What a check's message says, in a line: what was checked or is the problem, and the likely cause.

    Of a message that is not coursekit's, the first line.
    """
    lines = [line for line in plain_text(message).split("\n") if line.strip()]
    told = {m[1]: m[2] for line in lines[1:] if (m := LABELLED.match(line))}
    what = told.get("Problem") or told.get("Checked") or told.get("Error")
    if not what:
        return (lines[1] if len(lines) > 1 and lines[1].startswith("  ") else lines[0]).strip() if lines else ""
    likely = told.get("Likely cause")
    return f"{what}. Likely: {likely}" if likely else what


def _first(names: Iterable[str], most: int) -> list[str]:
    names = list(names)
    return names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
