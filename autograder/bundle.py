"""`autograder bundle`: one zip file with everything that students get, and nothing else.

The zip is made from lists of what may go in, and its content is scanned as a whole before it is written. The
same tree gives the same bytes on every machine: names are sorted, times and modes fixed, nothing is compressed
(a compressed stream depends on the zlib at hand; the data sets are compressed already).
"""

from __future__ import annotations

import io
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import yaml

from autograder.build import student_problems
from autograder.course import CHAPTERS, ROOT, Chapter
from autograder.release_scan import gather_secrets, scan_file

FOLDER = "deep-learning-by-hand"
STUDENT_README = Path(__file__).with_name("student_readme.md")
_TIME = (2000, 1, 1, 0, 0, 0)


class BundleError(RuntimeError):
    """The bundle cannot be made; the message says why."""


def write_bundle(target: Path, *, chapters: Iterable[Chapter] = CHAPTERS, root: Path = ROOT) -> tuple[int, int]:
    """Write the zip file for these chapters; return its size in bytes and the number of files.

    Raises `BundleError` if a notebook is stale or missing, a file of the set-up is missing, or the scan finds
    anything of the instructors' in what would be written.
    """
    chapters = list(chapters)
    problems = [problem for item in chapters for problem in student_problems(item)]
    if problems:
        raise BundleError("\n".join(problems))
    files = bundle_files(chapters, root)
    secrets = gather_secrets(chapters, root)
    found = [str(finding) for name, data in files.items() for finding in scan_file(name, data, secrets)]
    if found:
        raise BundleError("\n".join(["the bundle would give away:", *found]))
    data = zip_bytes({f"{FOLDER}/{name}": content for name, content in files.items()})
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return len(data), len(files)


def bundle_files(chapters: Iterable[Chapter], root: Path = ROOT) -> dict[str, bytes]:
    """Name and content of every file of the bundle."""
    files = {}
    for item in chapters:
        files[f"course/{item.folder}/{item.topic}.ipynb"] = item.student_notebook.read_bytes()
    for path in (root / "course" / "coursekit").rglob("*.py"):
        files[path.relative_to(root).as_posix()] = path.read_bytes()
    for path in (root / "data").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            files[path.relative_to(root).as_posix()] = path.read_bytes()
    for name in ("LICENSE", "constraints.txt"):
        path = root / name
        if not path.exists():
            raise BundleError(f"{name} is missing")
        files[name] = path.read_bytes()
    files["README.md"] = STUDENT_README.read_bytes()
    files["pyproject.toml"] = student_pyproject((root / "pyproject.toml").read_text("utf-8")).encode()
    files["environment.yml"] = student_environment((root / "environment.yml").read_text("utf-8")).encode()
    return dict(sorted(files.items()))


def student_pyproject(text: str) -> str:
    """A `pyproject.toml` that installs coursekit alone, with the dependencies of the repository's."""
    whole = tomllib.loads(text)
    project = whole["project"]
    packages = [name for name in whole["tool"]["setuptools"]["packages"] if name.split(".")[0] == "coursekit"]
    scripts = {k: v for k, v in project["scripts"].items() if v.startswith("coursekit.")}
    lines = [
        "[build-system]",
        f"requires = {_toml(whole['build-system']['requires'])}",
        f"build-backend = {_toml(whole['build-system']['build-backend'])}",
        "",
        "[project]",
        *(f"{k} = {_toml(project[k])}" for k in ("name", "version", "description", "readme", "requires-python")),
        f"license = {_toml(project['license'])}",
        "dependencies = [",
        *(f"    {_toml(requirement)}," for requirement in project["dependencies"]),
        "]",
        "",
        "[project.scripts]",
        *(f"{name} = {_toml(function)}" for name, function in scripts.items()),
        "",
        "[tool.setuptools]",
        f"packages = {_toml(packages)}",
        "",
        "[tool.setuptools.package-dir]",
        'coursekit = "course/coursekit"',
    ]
    return "\n".join(lines) + "\n"


def _toml(value: str | list[str]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def student_environment(text: str) -> str:
    """The conda environment without the instructors' and the tests' packages."""
    environment = yaml.safe_load(text)
    for entry in environment["dependencies"]:
        if isinstance(entry, dict):
            entry["pip"] = [line.split("[")[0] if line.startswith("-e") else line for line in entry["pip"]]
    return yaml.safe_dump(environment, sort_keys=False)


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """A zip archive of these files whose bytes depend on nothing but names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=_TIME)
            entry.create_system = 3  # Unix, wherever it is written: the modes below are Unix modes
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
