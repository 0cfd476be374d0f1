"""The `autograder grade` command: what to grade, a progress bar while it runs, the table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from autograder.course import CHAPTERS, ROOT, chapter
from autograder.grade import ClassResult, GradingError, Outcome, Watch, grade
from autograder.layout import Busy, ClassFolder

EXAMPLE = ROOT / "build" / "example_class"


def grade_command(
    names: Sequence[str] = (),
    *,
    submissions: Path | None = None,
    assignment: str | None = None,
    folder: Path | None = None,
    jobs: int | None = None,
    runner: str | None = None,
    fewer_walls: bool | None = None,
    again: bool = False,
    console: Console | None = None,
) -> ClassResult:
    """Grade a class (default: the bundled example class), show it on the console, and write the reports.

    `names` are chapters, `assignment` the chapter that all files belong to, `folder` the class folder (default: the
    repository for `submissions`, a folder under `build/` for the example class). Raises `GradingError` and
    `KeyError` (unknown chapter) with messages for people.
    """
    from autograder.report import remarks, table, write_reports

    console = console or Console()
    start = time.monotonic()
    whole = chapter(assignment) if assignment else None
    chapters = [chapter(name) for name in names] or ([whole] if whole else list(CHAPTERS))
    chapters = [c for c in chapters if c.student_notebook.exists() or names or whole]
    place = ClassFolder((folder or (ROOT if submissions else EXAMPLE)).resolve())
    if submissions is None:
        from autograder.example_class import make_example_class

        try:
            submissions = make_example_class(place, chapters)
        except (Busy, ValueError, FileNotFoundError) as error:
            raise GradingError(f"The example class cannot be made: {error}") from None
        console.print(f"No --submissions given: grading the example class in {_shown(place.path)}")
    if not submissions.exists():
        raise GradingError(f"There is no {submissions}.")
    with watching(console) as watch:
        result = grade(
            chapters,
            submissions,
            place,
            assignment=whole,
            jobs=jobs,
            runner=runner,
            fewer_walls=fewer_walls,
            again=again,
            watch=watch,
        )
    written = write_reports(result)
    for item in result.chapters:
        console.print(table(item))
        for line in remarks(item):
            console.print(line, markup=False, highlight=False)
        console.print()
    console.print(summary(result, time.monotonic() - start), highlight=False)
    for label, path in (("report", written[0]), ("feedback", place.feedback), ("gradebook", place.gradebook)):
        if path.exists():
            console.print(f"{label + ':':<11}{_shown(path)}", highlight=False, soft_wrap=True)
    return result


def summary(result: ClassResult, seconds: float) -> str:
    """What was done, in a line or two."""
    outcomes = result.outcomes
    if not outcomes:
        lines = ["Nothing to grade: no submission was recognised."]
    else:
        failed = sum(not outcome.graded for outcome in outcomes)
        fresh = sum(outcome.fresh for outcome in outcomes)
        parts = [f"{len(outcomes)} submissions", f"{len(outcomes) - failed} graded"]
        parts += [f"{failed} could not be graded"] if failed else []
        parts += [f"{len(outcomes) - fresh} unchanged since the last run"] if fresh < len(outcomes) else []
        lines = [", ".join(parts) + f"; {seconds:.0f} s"]
    if result.intake.unused:
        lines.append(
            f"{len(result.intake.unused)} files were not used; {_shown(result.folder.grading / 'uploads.csv')}"
        )
    return "\n".join(lines)


@contextmanager
def watching(console: Console) -> Iterator[Watch]:
    """A progress bar with done, failed and remaining time; a line for each submission where nobody watches live."""
    failed = 0
    if not console.is_terminal:

        def tell(outcome: Outcome, done: int, total: int) -> None:
            item = outcome.submission
            what = ("graded" if outcome.fresh else "unchanged") if outcome.graded else f"not graded: {outcome.reason}"
            text = f"[{done}/{total}] {item.chapter.folder} {item.student}: {what}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield tell
        return
    bar = Progress(
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[last]}"),
        console=console,
    )
    with bar:
        line = bar.add_task("", total=None, failed="", last="")

        def show(outcome: Outcome, done: int, total: int) -> None:
            nonlocal failed
            failed += not outcome.graded
            words = f"[red]{failed} failed[/]" if failed else "0 failed"
            last = f"{outcome.submission.student} {outcome.submission.chapter.folder}"
            bar.update(line, completed=done, total=total, failed=words, last=last)

        yield show


def _shown(path: Path) -> str:
    """The path as people at this place would type it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
