"""JupyterLab at the course, with everything that nbgrader's extensions need in place."""

from __future__ import annotations

import os
import subprocess
import sys

from autograder.course import CHAPTERS, COURSE, ROOT

START_PAGE = "/lab/tree/course/00_start/start.ipynb"


def prepare() -> list[str]:
    """Make the folders that nbgrader's extensions expect; return what is missing, in words.

    The exchange that the shipped configuration names is created with the permissions that nbgrader asks for,
    so that Assignment List shows an empty list and not an error.
    """
    exchange = ROOT / "build" / "exchange"
    exchange.mkdir(parents=True, exist_ok=True)
    if os.name == "posix":
        exchange.chmod(0o777)  # nbgrader refuses an exchange that not everybody may write to
    return [
        f"{chapter.folder}: no student notebook yet; run `autograder build {chapter.folder}`"
        for chapter in CHAPTERS
        if not (COURSE / chapter.folder / f"{chapter.topic}.ipynb").exists()
    ]


def lab(arguments: list[str] | None = None) -> int:
    """Run JupyterLab from the repository root until it is stopped; return its exit status.

    `arguments` are passed on to `jupyter lab` (for instance `["--no-browser", "--port=9999"]`).
    """
    for line in prepare():
        print(line)
    command = [sys.executable, "-m", "jupyterlab", f"--LabApp.default_url={START_PAGE}", *(arguments or [])]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 0
