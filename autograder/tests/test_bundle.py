"""The students' zip file: what is in it, what never is, and that it works where it is unpacked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml

from autograder.build import expand
from autograder.bundle import (
    FOLDER,
    BundleError,
    bundle_files,
    student_environment,
    student_pyproject,
    write_bundle,
    zip_bytes,
)
from autograder.course import CHAPTERS, ROOT
from autograder.release import student_text
from autograder.release_scan import gather_secrets, scan
from autograder.source import parse_source
from autograder.tests.small_course import SOURCE, make_course


@pytest.fixture
def course(tmp_path):
    """A small course that can be bundled: `(chapter, root)`."""
    item = make_course(tmp_path)
    item.student_notebook.parent.mkdir(parents=True)
    item.student_notebook.write_text(student_text(item, expand(parse_source(SOURCE), item)))
    library = tmp_path / "course" / "coursekit"
    library.mkdir()
    (library / "__init__.py").write_text('"""A library."""\n')
    (library / "__pycache__").mkdir()
    (library / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"\0")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "CARDS.md").write_text("# Cards\n")
    (tmp_path / "data" / ".gitattributes").write_text("*.npz binary\n")
    for name in ("LICENSE", "constraints.txt", "pyproject.toml", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return item, tmp_path


def test_contents_are_listed_files_only(course, tmp_path):
    item, root = course
    (root / "course" / "01_small" / "small_draft.ipynb").write_text("{}")
    target = tmp_path / "out" / "bundle.zip"
    size, count = write_bundle(target, chapters=[item], root=root)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
    assert names == sorted(
        f"{FOLDER}/{name}"
        for name in (
            "LICENSE", "README.md", "constraints.txt", "environment.yml", "pyproject.toml",
            "course/01_small/small.ipynb", "course/coursekit/__init__.py", "data/CARDS.md",
        )
    )  # fmt: skip
    assert (size, count) == (target.stat().st_size, 8)


def test_the_same_tree_gives_the_same_bytes(course, tmp_path):
    item, root = course
    write_bundle(tmp_path / "a.zip", chapters=[item], root=root)
    for path in root.rglob("*"):
        os.utime(path, (1e9, 1e9))
    write_bundle(tmp_path / "b.zip", chapters=[item], root=root)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert zip_bytes({"b": b"2", "a": b"1"}) == zip_bytes({"a": b"1", "b": b"2"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("course/coursekit/tables.py", SOURCE),
        ("data/notes.txt", "    shifted = x + 1000\n"),
        ("data/tests.md", 'assert double(-3.5) == -7, "double of a negative number"\n'),
    ],
)
def test_a_leak_under_any_name_stops_the_bundle(course, tmp_path, name, content):
    item, root = course
    (root / name).write_text(content)
    with pytest.raises(BundleError, match=f"would give away:\n{re.escape(name)}"):
        write_bundle(tmp_path / "bundle.zip", chapters=[item], root=root)
    assert not (tmp_path / "bundle.zip").exists()


def test_stale_and_missing_files_stop_the_bundle(course, tmp_path):
    item, root = course
    item.source.write_text(SOURCE.replace("TABLE[3]", "TABLE[2]"))
    with pytest.raises(BundleError, match="is not what the source gives; run: autograder build 01_small"):
        write_bundle(tmp_path / "bundle.zip", chapters=[item], root=root)
    item.source.write_text(SOURCE)
    (root / "LICENSE").unlink()
    with pytest.raises(BundleError, match="LICENSE is missing"):
        write_bundle(tmp_path / "bundle.zip", chapters=[item], root=root)


def test_the_students_pyproject_installs_the_library_alone():
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    mine = tomllib.loads(student_pyproject((ROOT / "pyproject.toml").read_text()))
    assert mine["project"]["dependencies"] == whole["project"]["dependencies"]
    for key in ("requires-python", "version", "license", "description"):
        assert mine["project"][key] == whole["project"][key]
    assert "optional-dependencies" not in mine["project"]
    assert mine["tool"]["setuptools"]["packages"] == ["coursekit"]
    assert list(mine["project"]["scripts"]) == ["coursekit-doctor"]


def test_the_students_environment_has_the_same_pins_without_extras():
    lines = yaml.safe_load(student_environment((ROOT / "environment.yml").read_text()))["dependencies"]
    pip = next(line["pip"] for line in lines if isinstance(line, dict))
    assert pip == ["-c constraints.txt", "-e ."]
    whole = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert [line for line in lines if isinstance(line, str)] == [line for line in whole if isinstance(line, str)]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The real bundle, unpacked."""
    folder = tmp_path_factory.mktemp("student")
    write_bundle(folder / "bundle.zip")
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        archive.extractall(folder)
    return folder / FOLDER


def test_no_instructor_file_is_in_the_real_bundle_by_content(unpacked):
    students = {p: hashlib.sha256(p.read_bytes()).digest() for p in unpacked.rglob("*") if p.is_file()}
    theirs = subprocess.run(
        ["git", "ls-files", "-z", "autograder", "solutions", "Makefile", "nbgrader_config.py", ".ci"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    secret = {hashlib.sha256((ROOT / name).read_bytes()).digest(): name for name in theirs if name}
    secret.pop(hashlib.sha256(b"").digest(), None)
    allowed = {"README.md": "autograder/student_readme.md"}
    found = {str(p.relative_to(unpacked)): secret[digest] for p, digest in students.items() if digest in secret}
    assert found == allowed
    assert scan(unpacked, gather_secrets()) == []


def test_coursekit_and_data_work_from_the_unpacked_bundle(unpacked):
    script = (
        "import coursekit, json; from coursekit.data import mnist; "
        "lab = coursekit.setup('00_start'); digits = mnist(); "
        "print(json.dumps([coursekit.__file__, list(digits.x_train.shape[1:])]))"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith("COURSE_")}
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True,
        cwd=unpacked / "course" / "00_start", env=kept | {"PYTHONPATH": str(unpacked / "course")},
    )  # fmt: skip
    place, shape = json.loads(done.stdout.strip().splitlines()[-1])
    assert Path(place).resolve() == (unpacked / "course" / "coursekit" / "__init__.py").resolve()
    assert shape == [28, 28]


def test_every_chapter_and_every_card_is_in_the_real_bundle(unpacked):
    for item in CHAPTERS:
        notebook = nbformat.read(unpacked / "course" / item.folder / f"{item.topic}.ipynb", as_version=4)
        assert any(cell.metadata.get("nbgrader", {}).get("grade") for cell in notebook.cells)
    cards = (unpacked / "data" / "CARDS.md").read_text()
    for path in (unpacked / "data").iterdir():
        if path.name not in ("CARDS.md", "manifest.json"):
            assert path.name in cards, f"{path.name} has no card"


def test_the_readme_names_what_is_there():
    files = bundle_files(CHAPTERS)
    readme = files["README.md"].decode()
    for line in readme.splitlines():
        if line.startswith(("py -m", "python3 -m")):
            assert line.endswith("venv .venv")
    assert readme.count("-m pip install -c constraints.txt -e .") == 2
    for name in re.findall(r"`((?:course|data)/[\w/.]+)`", readme):
        assert any(file.startswith(name) for file in files), name
    assert "coursekit-doctor" in files["pyproject.toml"].decode()
