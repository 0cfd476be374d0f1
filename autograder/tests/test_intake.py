"""Every export a class comes in is laid out the same way, and nothing in it can reach outside."""

from __future__ import annotations

import csv
import io
import os
import stat
import time
import zipfile
from datetime import datetime

import pytest

from autograder import unpack
from autograder.course import Chapter
from autograder.intake import student_id, take_in
from autograder.layout import ClassFolder
from autograder.tables import spreadsheet_safe
from autograder.unpack import visible

TINY = Chapter("91_tiny", "A tiny chapter")
OTHER = Chapter("92_some_more", "Another chapter")
NOTEBOOK = b'{"nbformat": 4, "cells": [], "metadata": {}}'


@pytest.fixture
def folder(tmp_path):
    return ClassFolder(tmp_path / "class")


@pytest.fixture
def inbox(tmp_path):
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def put(path, content=NOTEBOOK, when=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if when:
        stamp = datetime.fromisoformat(when).timestamp()
        os.utime(path, (stamp, stamp))


def zipped(members, when=(2025, 3, 1, 12, 0, 0)):
    """A zip archive as bytes, from {name: content} or {name: (content, date)}."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            content, date = content if isinstance(content, tuple) else (content, when)
            info = zipfile.ZipInfo(name, date)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return data.getvalue()


def students(intake):
    return sorted(s.student for s in intake.submissions)


def tree(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


# ------------------------------------------------------------------------------------------------- layouts


def test_nbgraders_layout_keeps_ids_and_timestamps(inbox, folder):
    put(inbox / "bitdiddle" / "91_tiny" / "tiny.ipynb")
    put(inbox / "bitdiddle" / "91_tiny" / "timestamp.txt", b"2025-02-02 15:58:23.948203 UTC")
    put(inbox / "H.Acker_2" / "91_tiny" / "tiny.ipynb")
    put(inbox / "bitdiddle" / "00_start" / "start.ipynb")
    before = tree(inbox)
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["H.Acker_2", "bitdiddle"]
    assert tree(folder.submitted) == {
        "bitdiddle/91_tiny/tiny.ipynb": NOTEBOOK,
        "bitdiddle/91_tiny/timestamp.txt": b"2025-02-02 15:58:23.948203 UTC",
        "H.Acker_2/91_tiny/tiny.ipynb": NOTEBOOK,
    }
    assert tree(inbox) == before
    assert intake.unused == ()


def test_a_folder_that_holds_submitted_is_read_too(inbox, folder):
    put(inbox / "submitted" / "anna" / "91_tiny" / "tiny.ipynb")
    assert students(take_in(inbox, folder, [TINY])) == ["anna"]


def test_the_class_folders_own_submissions_are_used_in_place(folder):
    put(folder.submitted / "anna" / "91_tiny" / "tiny-Copy1.ipynb", when="2025-01-02")
    put(folder.submitted / "anna" / "91_tiny" / "tiny.ipynb", b"x", when="2025-01-01")
    before = tree(folder.submitted)
    (submission,) = take_in(folder.submitted, folder, [TINY]).submissions
    assert submission.path == folder.submitted / "anna" / "91_tiny" / "tiny.ipynb"
    assert tree(folder.submitted) == before


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("jane_doe_tiny.ipynb", "jane-doe"),
        ("91_tiny - Jane Doe (1).ipynb", "jane-doe"),
        ("tiny_Doe_Jane-Copy2.ipynb", "doe-jane"),
        ("91-tiny-final-v2_mueller.ipynb", "mueller"),
        ("TINY_Łukasz Żółć.ipynb", "łukasz-żółć"),
        ("tiny_7654321.ipynb", "7654321"),
        ("tiny-2025-03-01-o'neill.ipynb", "o-neill"),
        ("my nguyen tiny.ipynb.txt", "my-nguyen"),
        ("李小龙_tiny.ipynb", "李小龙"),
    ],
)
def test_flat_files_carry_the_students_name(inbox, folder, name, student):
    put(inbox / name)
    put(inbox / "tiny_somebody_else.ipynb")
    assert students(take_in(inbox, folder, [TINY])) == sorted([student, "somebody-else"])


def test_a_flat_file_without_a_name_is_listed_and_not_used(inbox, folder):
    put(inbox / "tiny.ipynb")
    put(inbox / "Ada Lovelace.ipynb")
    put(inbox / "grades.xlsx")
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["ada-lovelace"]
    assert dict(intake.unused) == {"tiny.ipynb": "no student's name in it", "grades.xlsx": "is not a notebook"}


def test_one_folder_or_one_archive_for_each_student(inbox, folder):
    put(inbox / "Jane Doe" / "tiny.ipynb")
    put(inbox / "John Roe" / "91_tiny" / "tiny (3).ipynb")
    put(inbox / "Max Muster.zip", zipped({"work/tiny.ipynb": NOTEBOOK, "work/picture.png": b"x"}))
    put(inbox / "group b" / "ann_tiny.ipynb")
    put(inbox / "group b" / "bob_tiny.ipynb")
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["ann", "bob", "jane-doe", "john-roe", "max-muster"]


def test_a_moodle_export(inbox, folder):
    export = zipped(
        {
            "Jane Doe_12345_assignsubmission_file_/tiny.ipynb": NOTEBOOK,
            "José Müller_12346_assignsubmission_file_/my work.zip": zipped({"a/tiny.ipynb": NOTEBOOK}),
            "Max Muster_12347_assignsubmission_file_tiny.ipynb": NOTEBOOK,
            "Eve Noll_12348_assignsubmission_file_/report.pdf": b"%PDF",
        }
    )
    put(inbox / "export.zip", export)
    intake = take_in(inbox / "export.zip", folder, [TINY])
    found = {s.student: s for s in intake.submissions}
    assert sorted(found) == ["eve-noll", "jane-doe", "josé-müller", "max-muster"]
    assert found["jane-doe"].platform_id == "12345"
    assert found["jane-doe"].name == "Jane Doe"
    assert found["eve-noll"].path is None
    assert "report.pdf" in found["eve-noll"].problem


def test_moodle_names_in_utf8_without_the_flag_are_read(inbox, folder):
    name = "José Müller_12346_assignsubmission_file_/tiny.ipynb"
    data = zipped({"X" * len(name.encode()): NOTEBOOK}).replace(b"X" * len(name.encode()), name.encode())
    put(inbox / "export.zip", data)
    assert students(take_in(inbox, folder, [TINY])) == ["josé-müller"]


def test_two_people_of_one_name_are_told_apart_by_the_platforms_number(inbox, folder):
    for number in ("12345", "99999"):
        put(inbox / f"Jane Doe_{number}_assignsubmission_file_" / "tiny.ipynb", NOTEBOOK + number.encode())
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["jane-doe-12345", "jane-doe-99999"]


def test_a_canvas_export(inbox, folder):
    export = zipped(
        {
            "doejane_12345_67890_tiny.ipynb": b"first try",
            "doejane_12345_67999_tiny-1.ipynb": NOTEBOOK,
            "roejohn_LATE_12346_67891_tiny-2.ipynb": NOTEBOOK,
            "nollieve_12347_67892_essay.docx": b"PK",
        }
    )
    put(inbox / "submissions.zip", export)
    intake = take_in(inbox / "submissions.zip", folder, [TINY])
    found = {s.student: s for s in intake.submissions}
    assert sorted(found) == ["doejane", "nollieve", "roejohn"]
    assert found["doejane"].path.read_bytes() == NOTEBOOK
    assert "2 files" in found["doejane"].notes[0]
    assert found["roejohn"].late and not found["doejane"].late
    assert "essay.docx" in found["nollieve"].problem


def test_of_several_files_the_newest_counts_and_the_others_are_named(inbox, folder):
    put(inbox / "ann_tiny.ipynb", b"old", "2025-01-01")
    put(inbox / "ann_tiny (1).ipynb", b"new", "2025-01-03")
    put(inbox / "ann_tiny (2).ipynb", b"middle", "2025-01-02")
    put(inbox / "bob_tiny.ipynb", b"same")
    put(inbox / "bob_tiny (1).ipynb", b"same")
    intake = take_in(inbox, folder, [TINY])
    ann, bob = intake.submissions
    assert ann.path.read_bytes() == b"new"
    assert ann.notes == ("3 files were handed in; 'ann_tiny (1).ipynb', the newest, counts",)
    assert bob.notes == ()
    assert len(intake.unused) == 3


# ---------------------------------------------------------------------------------------------- which chapter


def test_names_tell_the_chapter(inbox, folder):
    put(inbox / "ann_tiny.ipynb")
    put(inbox / "ann_92_some_more.ipynb")
    put(inbox / "bob some-more.ipynb")
    put(inbox / "bob_start.ipynb")
    put(inbox / "cat.ipynb")
    intake = take_in(inbox, folder, [TINY, OTHER])
    assert [(s.chapter.folder, s.student) for s in intake.submissions] == [
        ("91_tiny", "ann"),
        ("92_some_more", "ann"),
        ("92_some_more", "bob"),
    ]
    assert dict(intake.unused) == {
        "bob_start.ipynb": "belongs to 00_start, which is not graded now",
        "cat.ipynb": "not clear which chapter it belongs to; say so with --assignment",
    }


def test_the_assignment_option_decides(inbox, folder):
    put(inbox / "cat.ipynb")
    put(inbox / "dan_tiny.ipynb")
    intake = take_in(inbox, folder, [TINY, OTHER], assignment=OTHER)
    assert {s.chapter for s in intake.submissions} == {OTHER}


def test_content_tells_the_chapter_where_names_do_not(inbox, folder, tmp_path):
    from autograder.tests import tiny_class

    chapter = tiny_class.make_course(tmp_path / "course")
    tiny_class.write(tiny_class.answered(chapter), inbox / "cat.ipynb")
    (submission,) = take_in(inbox, folder, [OTHER, chapter]).submissions
    assert submission.chapter is chapter


# ----------------------------------------------------------------------------------------------------- safety


@pytest.mark.parametrize(
    "name",
    [
        "../../ann_tiny.ipynb",
        "/tmp/ann_tiny.ipynb",
        "x/../../ann_tiny.ipynb",
        "..\\..\\ann_tiny.ipynb",
        "C:/ann_tiny.ipynb",
    ],
)
def test_a_path_that_leads_out_of_the_archive_is_refused(inbox, folder, tmp_path, name):
    put(inbox / "evil.zip", zipped({name: NOTEBOOK, "bob_tiny.ipynb": NOTEBOOK}))
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["bob"]
    assert any("leads out of the archive" in reason for _, reason in intake.unused)
    assert not list(tmp_path.glob("*ann*"))


def test_links_are_refused(inbox, folder, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(b"secret")
    try:
        (inbox / "ann_tiny.ipynb").symlink_to(secret)
        (inbox / "Bob").symlink_to(tmp_path)
    except OSError:
        pytest.skip("this system does not allow symbolic links here")
    link = zipfile.ZipInfo("cat_tiny.ipynb")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(inbox / "links.zip", "w") as archive:
        archive.writestr(link, str(secret))
    intake = take_in(inbox, folder, [TINY])
    assert intake.submissions == ()
    assert [reason for _, reason in intake.unused] == ["is a link; links are not followed"] * 3
    assert not any(b"secret" in content for content in tree(folder.path).values() if content == b"secret")


def test_bombs_are_refused(inbox, folder, monkeypatch):
    put(inbox / "Ann.zip", zipped({"ann_tiny.ipynb": b"0" * 30_000_000}))
    nested = NOTEBOOK
    for depth in range(5):
        nested = zipped({f"level{depth}.zip" if depth else "bob_tiny.ipynb": nested})
    put(inbox / "Bob.zip", nested)
    put(inbox / "cat_tiny.ipynb")
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["cat"]
    reasons = " ".join(reason for _, reason in intake.unused)
    assert "unpacks to too much" in reasons
    assert "too deep" in reasons
    assert not (folder.grading / "incoming").exists()


def test_a_size_that_an_archive_lies_about_is_counted(inbox, folder, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_TOTAL", 1000)
    members = {f"s{n}_tiny.ipynb": os.urandom(600) for n in range(3)}
    put(inbox / "class.zip", zipped(members))
    intake = take_in(inbox, folder, [TINY])
    assert len(intake.submissions) == 1
    assert len(intake.unused) == 2


def test_too_many_files_are_refused(inbox, folder, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_FILES", 5)
    put(inbox / "class.zip", zipped({f"name{n:04}_tiny.ipynb": NOTEBOOK for n in range(8)}))
    intake = take_in(inbox, folder, [TINY])
    assert len(intake.submissions) == 5
    assert all("too many files" in reason for _, reason in intake.unused)


def test_damaged_and_encrypted_archives_are_named(inbox, folder):
    good = zipped({"ann_tiny.ipynb": NOTEBOOK * 50})
    put(inbox / "Bad.zip", good[:-30])
    put(inbox / "Worse.zip", good.replace(good[60:70], b"\0" * 10))
    locked = bytearray(zipped({"Eve_tiny.ipynb": NOTEBOOK}))
    place = locked.find(b"PK\x01\x02")
    locked[6] |= 1
    locked[place + 8] |= 1
    put(inbox / "Locked.zip", bytes(locked))
    put(inbox / "bob_tiny.ipynb")
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["bob"]
    assert any("encrypted" in reason for _, reason in intake.unused)
    assert len(intake.unused) >= 3


@pytest.mark.parametrize(
    "name", ["..", ".", "a*b", "x[1]", "-rf", "+1", "con", "ann\nbob", "a‮b", "feedback", "é" * 100]
)
def test_ids_are_safe_folder_names(name):
    found = student_id(name)
    assert len(found) <= 68
    assert not set(found) & set('*?[]<>:"|\\/+ \n.‮')
    assert not found.startswith("-")
    assert found not in ("con", "feedback")


def test_unsafe_ids_in_nbgraders_layout_are_changed_and_said(inbox, folder):
    put(inbox / "a[b]+c" / "91_tiny" / "tiny.ipynb")
    (submission,) = take_in(inbox, folder, [TINY]).submissions
    assert submission.student == "a-b-c"
    assert "was changed" in submission.notes[0]


def test_odd_names_are_shown_safely():
    assert visible("a\u202egnp\n\x1b[31m") == "a�gnp��[31m"


@pytest.mark.parametrize("name", ["=cmd|'/c calc'!A1", "+1", "-2", "@sum", "\tx"])
def test_no_cell_of_a_table_is_a_formula(name):
    assert spreadsheet_safe(name).startswith("'")
    assert spreadsheet_safe(-2.5) == "-2.5"


# --------------------------------------------------------------------------------------------------- mapping


def test_the_mapping_says_which_file_became_which_student(inbox, folder):
    put(inbox / "ann_tiny.ipynb", when="2025-01-02 03:04:05")
    put(inbox / "notes.txt")
    take_in(inbox, folder, [TINY])
    with (folder.grading / "uploads.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["student"] == "ann"
    assert rows[0]["file"] == "ann_tiny.ipynb"
    assert rows[0]["modified"] == "2025-01-02 03:04:05"
    assert rows[1]["file"] == "notes.txt"
    assert rows[1]["note"].startswith("not used")


def test_unchanged_files_are_not_written_again(inbox, folder):
    put(inbox / "ann_tiny.ipynb")
    (first,) = take_in(inbox, folder, [TINY]).submissions
    before = first.path.stat().st_mtime_ns, first.path.stat().st_ino
    time.sleep(0.01)
    (again,) = take_in(inbox, folder, [TINY]).submissions
    assert (again.path.stat().st_mtime_ns, again.path.stat().st_ino) == before


def test_a_missing_or_foreign_source_is_an_error(tmp_path, folder):
    with pytest.raises(FileNotFoundError):
        take_in(tmp_path / "nowhere", folder, [TINY])
    put(tmp_path / "list.txt")
    with pytest.raises(ValueError, match="neither"):
        take_in(tmp_path / "list.txt", folder, [TINY])
