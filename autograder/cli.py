"""The `autograder` command. Every command lives in a module of its own, imported when it is called."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Build, check, hand out and grade the chapters of Deep Learning by Hand.",
)
Chapters = Annotated[
    list[str] | None, typer.Argument(help="folder, number or topic of chapters (default: all)", metavar="CHAPTER")
]
Preset = Annotated[str, typer.Option(help="smoke, quick or full")]


def main() -> None:
    """The entry point of the console script."""
    app()


@app.command()
def build(
    chapters: Chapters = None,
    preset: Preset = "quick",
    check: Annotated[bool, typer.Option("--check", help="only tell which notebooks are stale")] = False,
    force: Annotated[bool, typer.Option("--force", help="execute even what is up to date")] = False,
) -> None:
    """Build the executed solution notebooks and the students' notebooks from their sources."""
    from autograder import build as module

    with _told(module.BuildError, module.SourceError, module.ReleaseError, OSError):
        stale = []
        for item in _chosen(chapters):
            if check:
                stale += module.stale(item)
                continue
            with _bar(item.folder) as progress:
                written = module.build(item, preset=preset, force=force, progress=progress)
            typer.echo("\n".join(written) or f"{item.folder}: up to date")
        if stale:
            _fail(stale)
        if check:
            typer.echo("The notebooks are what their sources give.")
        else:
            scan(None)


@app.command()
def scan(
    place: Annotated[Path | None, typer.Argument(help="folder or zip file (default: course/)")] = None,
) -> None:
    """Look for anything of the instructors' in what students get."""
    from autograder.course import CHAPTERS, COURSE, ROOT
    from autograder.release_scan import gather_secrets
    from autograder.release_scan import scan as look
    from autograder.source import SourceError

    with _told(SourceError, OSError):
        found = look(place or COURSE, gather_secrets(CHAPTERS, ROOT))
    if found:
        _fail([str(finding) for finding in found])
    typer.echo(f"{place or COURSE.name}: nothing of the instructors' in it.")


@app.command()
def bundle(target: Annotated[Path, typer.Argument(help="the zip file to write")]) -> None:
    """Write the zip file that students get."""
    from autograder.bundle import BundleError, write_bundle
    from autograder.course import CHAPTERS, ROOT
    from autograder.source import SourceError

    with _told(BundleError, SourceError, OSError):
        size, files = write_bundle(target, chapters=CHAPTERS, root=ROOT)
    typer.echo(f"{target}: {files} files, {size / 1e6:.1f} MB")


@app.command()
def measure(
    chapters: Chapters = None,
    preset: Preset = "quick",
    cells: Annotated[bool, typer.Option(help="show every cell")] = True,
) -> None:
    """Run solution notebooks in fresh processes and print time, memory and sizes."""
    from autograder import measure as module

    with _told(module.BuildError, OSError):
        for item in _chosen(chapters):
            with _bar(item.folder) as progress:
                result = module.measure(item, preset=preset, progress=progress)
            typer.echo(module.table(result, cells=cells))


@app.command()
def rehearse(
    chapters: Chapters = None,
    seconds: Annotated[float, typer.Option(min=1, help="of each cell, which is then cut")] = 15.0,
) -> None:
    """Run the first steps of preset full, for machines that are too slow for all of it."""
    from autograder import rehearse as module

    with _told(module.BuildError, OSError):
        for item in _chosen(chapters):
            typer.echo(f"{item.folder}: {module.rehearse(item, seconds)}")


@app.command()
def grade(
    chapters: Chapters = None,
    submissions: Annotated[
        Path | None, typer.Option(help="folder or zip file with what was handed in (default: an example class)")
    ] = None,
    assignment: Annotated[str | None, typer.Option(help="the chapter that all files belong to")] = None,
    folder: Annotated[Path | None, typer.Option(help="where the class is graded")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="worker processes (default: one a core)")] = None,
    runner: Annotated[str | None, typer.Option(help="judge or plain (default: as configured)")] = None,
    fewer_walls: Annotated[
        bool | None, typer.Option("--fewer-walls", help="grade even where the sandbox is not complete")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="run even what has a result")] = False,
) -> None:
    """Grade a class: points, feedback pages, a report and the table of students by exercises."""
    from autograder.grade import GradingError
    from autograder.grade_command import grade_command

    with _told(GradingError, KeyError, OSError):
        grade_command(
            chapters or (),
            submissions=submissions,
            assignment=assignment,
            folder=folder,
            jobs=jobs,
            runner=runner,
            fewer_walls=fewer_walls,
            again=again,
        )


@app.command()
def variants(
    chapters: Chapters = None,
    only: Annotated[str | None, typer.Option(help="only variants whose id contains this")] = None,
    judge: Annotated[bool, typer.Option(help="across the judge's processes, not in a plain kernel")] = False,
) -> None:
    """Run the known wrong and right answers against the tests: each wrong one caught, each right one accepted."""
    from autograder.variants import VariantError
    from autograder.variants import variants as run

    failed = False
    with _told(VariantError, LookupError, OSError), ExitStack() as stack:
        runner = None
        if judge:
            from autograder.judge.answers import AnswersInJudge
            from autograder.judge.runner import Judge

            runner = AnswersInJudge(stack.enter_context(Judge()))
        for item in _chosen(chapters):
            text, status = run(item.folder, only, runner)
            typer.echo(text)
            failed |= bool(status)
    raise typer.Exit(int(failed))


@app.command()
def mutate(
    chapters: Chapters = None,
    sample: Annotated[int | None, typer.Option(min=1, help="so many mutants, drawn with a fixed seed")] = None,
    only: Annotated[str | None, typer.Option(help="only exercise cells whose id contains this")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="processes side by side")] = 2,
) -> None:
    """Run one-change mutants of the reference solutions against the hidden tests, and print the survivors."""
    from autograder.mutate import mutate as run

    failed = False
    with _told(RuntimeError, ValueError, LookupError, OSError):
        for item in _chosen(chapters):
            with _bar(item.folder) as progress:
                report = run(item.folder, sample=sample, only=only, jobs=jobs, progress=progress)
            typer.echo(report.text())
            failed |= bool(report.status)
    raise typer.Exit(int(failed))


@app.command()
def bench(
    chapters: Chapters = None,
    students: Annotated[int, typer.Option(min=1, help="submissions in the class")] = 40,
    stock: Annotated[int, typer.Option(min=0, help="how many of them stock nbgrader grades")] = 8,
    jobs: Annotated[int, typer.Option(min=1, help="processes side by side")] = 2,
) -> None:
    """Grade the same class with stock nbgrader and with ours, and print what each took."""
    from autograder.bench import bench as run

    with _told(RuntimeError, OSError):
        for item in _chosen(chapters):
            typer.echo(run(item, students, stock, jobs))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab at the course; further arguments go to `jupyter lab`."""
    from autograder.lab import lab as run

    raise typer.Exit(run(context.args))


@app.command()
def doctor() -> None:
    """Say whether everything that the notebooks need is there."""
    from coursekit.doctor import main as run

    raise typer.Exit(run())


def _chosen(names: list[str] | None):
    from autograder.course import CHAPTERS, chapter

    try:
        return [chapter(name) for name in names or []] or list(CHAPTERS)
    except KeyError as error:
        _fail([str(error.args[0])])


def _fail(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(1)


@contextmanager
def _told(*errors: type[Exception]):
    """Expected errors end the command with their message and status 1, not with a traceback."""
    try:
        yield
    except errors as error:
        # a KeyError's text is the repr of its argument
        _fail([str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)])


@contextmanager
def _bar(title: str):
    """A progress bar; the block gets `progress(done, total)`. Nothing is drawn where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, transient=True, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
