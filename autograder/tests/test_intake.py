"""Every export a class comes in is laid out the same way, and nothing in it can reach outside."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import time
import zipfile
from datetime import datetime

import pytest

from autograder import unpack
from autograder.course import Chapter, chapter
from autograder.intake import student_id, take_in
from autograder.layout import ClassFolder
from autograder.reading import Unreadable, read_cells
from autograder.tables import spreadsheet_safe
from autograder.unpack import visible

TINY = Chapter("91_tiny", "A tiny chapter")
START = chapter("00_start")
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
    reasons = dict(intake.unused)
    assert reasons["tiny.ipynb"].startswith("no student's name in it: put the student's name into the file's name")
    assert reasons["grades.xlsx"] == "is not a notebook"


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


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["student_01/tiny.ipynb", "student_02/tiny.ipynb", "student 3/tiny.ipynb"], "student-01 student-02 student-3"),
        (["student_01.ipynb", "student_02.ipynb"], "student-01 student-02"),
        (["student_07_tiny.ipynb"], "student-07"),
        (["group 1/tiny.ipynb", "group 2/91_tiny/tiny.ipynb"], "group-1 group-2"),
        (["Team-3/tiny.ipynb", "Team-4/tiny.ipynb"], "team-3 team-4"),
        (["user-001.ipynb", "user-002.ipynb"], "user-001 user-002"),
        (["Gruppe 3.ipynb", "Gruppe 4.ipynb"], "gruppe-3 gruppe-4"),
        (["Zug 3.ipynb", "Zug 4.ipynb"], "zug-3 zug-4"),
        (["1/tiny.ipynb", "2/tiny.ipynb"], "1 2"),
        (["Ann Lee/tiny.ipynb", "Ann Lee 2/tiny.ipynb", "Ann Lee (3)/tiny.ipynb"], "ann-lee ann-lee-2 ann-lee-3"),
        (["bob_tiny.ipynb", "bob_tiny-1.ipynb", "bob_tiny (2).ipynb", "bob tiny v3.ipynb", "Copy of bob.ipynb"], "bob"),
    ],
)
def test_numbers_tell_students_apart_and_copies_do_not(inbox, folder, names, ids):
    for number, name in enumerate(names):
        put(inbox / name, NOTEBOOK + b" " * number)
    assert students(take_in(inbox, folder, [TINY])) == ids.split()


def test_two_folders_of_one_name_are_two_students_and_it_is_said(inbox, folder):
    put(inbox / "Ann Lee" / "tiny.ipynb")
    put(inbox / "ann_lee" / "tiny.ipynb", NOTEBOOK + b" ")
    put(inbox / "Bob" / "tiny.ipynb")
    put(inbox / "Bob.zip", zipped({"tiny.ipynb": NOTEBOOK}))  # the folder's own archive
    first = take_in(inbox, folder, [TINY]).submissions
    assert len({s.student for s in first}) == 3
    assert [s.student for s in first if s.notes] == [s.student for s in first if s.student.startswith("ann-lee-")]
    assert "'Ann Lee' is graded for itself" in " ".join(n for s in first for n in s.notes)
    put(inbox / "ann.lee" / "tiny.ipynb")
    again = {s.origin: s.student for s in take_in(inbox, folder, [TINY]).submissions}
    assert all(again[s.origin] == s.student for s in first)


def test_a_copy_mark_is_no_name(inbox, folder):
    put(inbox / "Copy of tiny.ipynb")
    put(inbox / "Kopie von tiny.ipynb")
    put(inbox / "17.ipynb")
    intake = take_in(inbox, folder, [TINY])
    assert intake.submissions == ()
    assert all("put the student's name into the file's name" in reason for _, reason in intake.unused)


BUNDLE = "deep-learning-by-hand/course/91_tiny/tiny.ipynb"


def test_the_whole_course_folder_belongs_to_whoever_handed_it_in(inbox, folder):
    for number, name in enumerate(("Ann Lee", "Bob Ray")):
        put(inbox / name / BUNDLE, NOTEBOOK + b" " * number)
    put(inbox / "Cy Poe.zip", zipped({BUNDLE: NOTEBOOK}))
    put(inbox / "Dan Hu.zip", zipped({"91_tiny/tiny.ipynb": NOTEBOOK}))
    put(inbox / "dee" / "91_tiny" / "sub" / "tiny.ipynb")
    put(inbox / "course" / "91_tiny" / "tiny.ipynb")
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["ann-lee", "bob-ray", "cy-poe", "dan-hu", "dee"]
    assert [origin for origin, _ in intake.unused] == ["course / 91_tiny / tiny.ipynb"]


def test_platforms_are_looked_for_before_nbgraders_layout(inbox, folder):
    export = {
        "Ann Lee_11_assignsubmission_file_/deep-learning-by-hand.zip": zipped({BUNDLE: NOTEBOOK}),
        "Bob Ray_12_assignsubmission_file_/course.zip": zipped({BUNDLE: NOTEBOOK + b" "}),
        "Cy Poe_13_assignsubmission_file_91_tiny.zip": zipped({"91_tiny/tiny.ipynb": NOTEBOOK}),
        "Dan Hu_14_assignsubmission_file_/work.zip": zipped({"DLBH/91_tiny/tiny.ipynb": NOTEBOOK}),
        "rayeve_LATE_15_992_91_tiny.zip": zipped({"91_tiny/tiny.ipynb": NOTEBOOK}),
    }
    put(inbox / "export.zip", zipped(export))
    found = {s.student: s for s in take_in(inbox, folder, [TINY]).submissions}
    assert sorted(found) == ["ann-lee", "bob-ray", "cy-poe", "dan-hu", "rayeve"]
    assert found["rayeve"].late
    assert found["dan-hu"].platform_id == "14"


def test_sections_chapters_and_the_classs_one_folder_are_no_students(inbox, folder):
    put(inbox / "section A" / "Jane Doe" / "tiny.ipynb")
    put(inbox / "section A" / "John Roe" / "tiny.ipynb", NOTEBOOK + b" ")
    put(inbox / "section B" / "Max" / "tiny.ipynb")
    assert students(take_in(inbox, folder, [TINY])) == ["jane-doe", "john-roe", "max"]
    put(inbox.parent / "two" / "91_tiny" / "Jane Doe" / "tiny.ipynb")
    put(inbox.parent / "two" / "92_some_more" / "Jane Doe" / "some_more.ipynb")
    assert students(take_in(inbox.parent / "two", folder, [TINY, OTHER])) == ["jane-doe"] * 2
    for name in ("ann", "bob"):
        put(inbox.parent / "four" / "cs101" / "autumn" / name / "tiny.ipynb")
    assert students(take_in(inbox.parent / "four", folder, [TINY])) == ["ann", "bob"]
    put(inbox.parent / "three" / "cs101" / "H.Acker_2" / "91_tiny" / "tiny.ipynb")
    put(inbox.parent / "three" / "cs101" / "ann" / "91_tiny" / "tiny.ipynb")
    assert students(take_in(inbox.parent / "three", folder, [TINY])) == ["H.Acker_2", "ann"]


def test_other_notebooks_in_a_students_folder_are_no_other_students(inbox, folder):
    for name in ("Ann", "Bob"):
        put(inbox / name / "tiny.ipynb", b"the chapter", "2025-01-01")
        put(inbox / name / "my experiments.ipynb", b"something else", "2025-01-02")
        put(inbox / name / "old" / "tiny.ipynb", b"the chapter, earlier", "2024-12-01")
    intake = take_in(inbox, folder, [TINY])
    assert students(intake) == ["ann", "bob"]
    assert {s.path.read_bytes() for s in intake.submissions} == {b"the chapter"}


def test_the_names_of_ids_in_the_class_folder_are_kept(folder):
    for name in ("ab_12_34_x", "work", "course"):
        put(folder.submitted / name / "91_tiny" / "tiny.ipynb")
    assert students(take_in(folder.submitted, folder, [TINY])) == ["ab_12_34_x", "course", "work"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("O'Brien, Seán (Jr.)", "Seán (Jr.) O'Brien"),
        ("Ann Lee (she/her)", "Ann (she/her) Lee"),
        ("Doe, Jane", "Jane Doe"),
        ("Jane Doe", "Jane Doe"),
        ("Madonna", "Madonna"),
    ],
)
def test_the_last_name_stands_last(inbox, folder, name, shown):
    name = name.replace("/", "\N{FRACTION SLASH}")
    put(inbox / f"{name}_1009_assignsubmission_file_" / "tiny.ipynb")
    (submission,) = take_in(inbox, folder, [TINY]).submissions
    assert submission.name == shown.replace("/", "\N{FRACTION SLASH}")


def test_a_student_of_whom_nothing_can_be_used_is_listed_with_the_reason(inbox, folder):
    members = {
        "Ann Lee_11_assignsubmission_file_/.ipynb_checkpoints/tiny-checkpoint.ipynb": NOTEBOOK,
        "Bob Ray_12_assignsubmission_file_/tiny.ipynb": NOTEBOOK,
        "Bob Ray_12_assignsubmission_file_/.DS_Store": b"x",
        "Cy Poe_13_assignsubmission_file_/hw.rar": b"Rar!",
        "Dan Hu_14_assignsubmission_file_/tiny.py": b"x = 1",
        "Eve Kay_15_assignsubmission_file_/hw.zip": b"no zip",
        "Flo Kay_16_assignsubmission_file_/start.ipynb": NOTEBOOK,
        "Gus Kay_17_assignsubmission_file_/tiny.pdf": b"%PDF",
    }
    put(inbox / "export.zip", zipped(members))
    for source in (inbox, unzipped(inbox / "export.zip", inbox.parent / "folders")):
        intake = take_in(source, folder, [TINY])
        problems = {s.student: s.problem for s in intake.submissions if s.problem}
        assert sorted(problems) == ["ann-lee", "cy-poe", "dan-hu", "eve-kay", "flo-kay", "gus-kay"]
        assert all("Hand in the file tiny.ipynb of 91_tiny itself" in text for text in problems.values())
        assert "automatic copies" in problems["ann-lee"]
        assert "only .zip can" in problems["cy-poe"]
        assert "Python script" in problems["dan-hu"]
        assert "damaged zip archive" in problems["eve-kay"]
        assert "belongs to 00_start" in problems["flo-kay"]
        assert "PDF" in problems["gus-kay"]
        assert intake.unused == ()


def unzipped(archive, path):
    with zipfile.ZipFile(archive) as file:
        file.extractall(path)
    return path


def test_an_empty_folder_of_a_platform_is_listed(inbox, folder):
    (inbox / "Hal Kay_18_assignsubmission_file_").mkdir()
    (inbox / "ann" / "91_tiny").mkdir(parents=True)
    (inbox / "nobody").mkdir()
    found = take_in(inbox, folder, [TINY]).submissions
    assert [s.student for s in found] == ["ann", "hal-kay"]
    assert all("is an empty folder" in s.problem for s in found)


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


@pytest.mark.parametrize(
    ("files", "unused", "note"),
    [
        (
            {"tiny.ipynb": "2025-01-01", "x.ipynb": "2025-01-02"},
            "assignment's name counts",
            "has the assignment's name",
        ),
        ({"x.ipynb": "2025-01-01", "y.ipynb": "2025-01-02"}, "a newer file counts", "the newest"),
        (
            {"x.ipynb": "2025-01-01", "y.ipynb": "2025-01-01"},
            "of one date",
            "the last by name of the files of one date",
        ),
        ({"x.ipynb": "2025-01-01", "tiny-2.ipynb": "2025-01-01"}, "chapter's notebook", "clearly the notebook of"),
    ],
)
def test_why_a_file_counts_is_said_as_it_is(inbox, folder, files, unused, note):
    for name, when in files.items():
        put(inbox / "ann" / "91_tiny" / name, name.encode(), when)
    (submission,) = take_in(inbox, folder, [TINY]).submissions
    (left,) = take_in(inbox, folder, [TINY]).unused
    assert unused in left[1]
    assert note in submission.notes[0]


def test_the_higher_number_counts_where_dates_tie(inbox, folder):
    put(inbox / "export.zip", zipped({"doe_1_67_tiny.ipynb": b"old", "doe_1_68_tiny-1.ipynb": b"new"}))
    intake = take_in(inbox, folder, [TINY])
    assert "which has the highest number" in intake.submissions[0].notes[0]
    assert "a file with a higher number counts" in intake.unused[0][1]


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


def test_clear_content_says_more_than_a_wrong_name(inbox, folder, tmp_path):
    from autograder.tests import tiny_class

    chapter = tiny_class.make_course(tmp_path / "course")
    tiny_class.write(tiny_class.answered(chapter), inbox / "ann" / "start.ipynb")
    tiny_class.write(tiny_class.without_metadata(tiny_class.answered(chapter)), inbox / "bob" / "02_backprop.ipynb")
    other = json.loads(START.student_notebook.read_text(encoding="utf-8"))
    put(inbox / "cat" / "tiny.ipynb", json.dumps(other).encode())
    put(inbox / "dan_5_assignsubmission_file_" / "hw.ipynb", json.dumps(other).encode())
    found = {s.student: s for s in take_in(inbox, folder, [chapter]).submissions}
    assert sorted(found) == ["ann", "bob", "cat", "dan"]  # cat's is refused by its content, with a reason
    assert "belongs to 00_start" in found["dan"].problem
    both = take_in(inbox, folder, [chapter, START]).submissions
    assert [(s.chapter.topic, s.student) for s in both] == [
        *(("start", "cat"), ("start", "dan")),
        *(("tiny", "ann"), ("tiny", "bob")),
    ]


def test_of_all_chapters_in_one_archive_the_wanted_one_is_taken(inbox, folder, tmp_path):
    from autograder.tests import tiny_class

    chapter = tiny_class.make_course(tmp_path / "course")
    wanted = json.dumps(tiny_class.answered(chapter)).encode()
    members = {"DLBH/91_tiny/tiny.ipynb": wanted, "DLBH/00_start/start.ipynb": START.student_notebook.read_bytes()}
    put(inbox / "Ann_5_assignsubmission_file_" / "work.zip", zipped(members))
    for assignment in (None, chapter):
        (submission,) = take_in(inbox, folder, [chapter], assignment).submissions
        assert submission.path.read_bytes() == wanted


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


def test_a_large_notebook_in_an_archive_is_told_what_to_do(inbox, folder):
    line = b"a line of output that comes again and again\\n"
    six, sixty = (b'{"cells": [{"cell_type": "code", "source": "' + line * n + b'"}]}' for n in (140_000, 1_400_000))
    for name, content in (("Ann", six), ("Bob", sixty)):
        put(inbox / f"{name}.zip", zipped({"tiny.ipynb": content}))
    ann, bob = take_in(inbox, folder, [TINY]).submissions
    assert ann.path.read_bytes() == six
    with pytest.raises(Unreadable, match=r"63 MB large.*Clear all outputs"):
        read_cells(bob.path)


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
