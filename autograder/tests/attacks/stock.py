"""Which attacks stock nbgrader lets through: `python -m autograder.tests.attacks.stock [NAME ...]`.

Grades each attack with plain `nbgrader autograde` (its own kernel, no sandbox) in a temporary course and prints a
table beside the judge's points. Attacks that would harm the machine without a sandbox are left out.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from autograder.tests.attacks import ATTACKS, NOTEBOOKS, SECRETS, SOURCE, attacked
from autograder.tests.judging import judged, shown

SECONDS = 90
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "attacks"
c.Execute.timeout = 8
"""


def _environment() -> dict[str, str]:
    """nbgrader starts `alembic` and kernels by name: those of this Python."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def submissions() -> dict[str, nbformat.NotebookNode]:
    """All attacks that may run without a sandbox, by name."""
    cells = {attack.name: attacked(attack.code) for attack in ATTACKS if not attack.harmful}
    return cells | {name: make() for name, make in NOTEBOOKS.items()}


def stock_result(folder: Path, name: str, handed_in: nbformat.NotebookNode) -> str:
    """Points that stock nbgrader gives, or what kept it from giving any; whether hidden text is shown."""
    place = folder / "submitted" / name / "attack"
    place.mkdir(parents=True)
    nbformat.write(handed_in, place / "attack.ipynb")
    command = [sys.executable, "-m", "nbgrader", "autograde", "attack", f"--student={name}"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return "hangs"
    from nbgrader.api import Gradebook, MissingEntry

    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        try:
            score = book.find_submission("attack", name).score
        except MissingEntry:
            return "no grade"
    graded = folder / "autograded" / name / "attack" / "attack.ipynb"
    if not graded.exists():
        return "no grade"
    outputs = "".join(str(c.get("outputs", "")) for c in nbformat.read(graded, as_version=4).cells)
    return f"{score:g}" + (" + leak" if any(secret in outputs for secret in SECRETS) else "")


def judge_result(handed_in: nbformat.NotebookNode) -> str:
    """The same for the judge."""
    record = judged(handed_in, SOURCE)
    return f"{record.points:g}" + (" + leak" if any(secret in shown(record) for secret in SECRETS) else "")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nbgrader_config.py").write_text(CONFIG)
        (folder / "source" / "attack").mkdir(parents=True)
        nbformat.write(SOURCE, folder / "source" / "attack" / "attack.ipynb")
        subprocess.run(
            [sys.executable, "-m", "nbgrader", "generate_assignment", "attack", "--create"],
            cwd=folder,
            env=_environment(),
            check=True,
            capture_output=True,
        )
        print(f"{'attack':<28} {'stock nbgrader':>16} {'judge':>8}   (of 10 points)", flush=True)
        through = 0
        chosen = {n: nb for n, nb in submissions().items() if not sys.argv[1:] or n in sys.argv[1:]}
        for attack, handed_in in chosen.items():
            stock = stock_result(folder, attack, handed_in)
            through += stock != "0"
            print(f"{attack:<28} {stock:>16} {judge_result(handed_in):>8}", flush=True)
        print(f"{through} of {len(chosen)} get points, see hidden text or get no grade in stock nbgrader")


if __name__ == "__main__":
    main()
