"""The cleaner's properties, on markup drawn at random: nothing active gets through, however often it is cleaned."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Collection

import hypothesis.strategies as st
import nbformat
import pytest
from bleach._vendor import html5lib
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, given, settings
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from autograder.clean import clean_html, clean_outputs, hide_paths, markdown_to_html, plain_text, text_to_html
from autograder.judge.record import CellRun, Record
from autograder.tests.test_feedback import PIXEL, answer, extra, shown

ALLOWED = {
    "a": {"href", "title", "rel"},
    "img": {"src", "alt", "title", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "ol": {"start"},
    "details": {"open"},
}
FORBIDDEN = {"script", "style", "iframe", "object", "embed", "form", "input", "button", "svg", "math", "link", "base"}
KERNEL = r"""
ipykernel_1/1.py /tmp/ipykernel_12/34.py:5 ipykernel_2\3.py x"ipykernel_1/1.py <ipykernel_1/1.py> ipykernel_1/ 1.py
/home/ada/x.py C:\a\b.py …/a/b ~/a/b file:///a/b ' " > < &
"""
ACTIVE = """
onerror=alert(1) onmouseover=alert(1)x= onclick="alert(1)" style=position:fixed style="position:fixed;inset:0"
javascript:alert(1) &quot; &lt; &#x3e; &amp;lt; / ` ](
"""
NAMES = """
a b p i em pre code div span table tr td th tbody caption img details summary ol ul li h1 h3 br hr q svg math style
script title textarea select option iframe form foo noscript template xmp body html
"""
ATTRIBUTES = f"""
href="https://x.y" href="javascript:alert(1)" src="data:image/png;base64,{PIXEL}" src=x style="position:fixed"
onerror=alert(1) title="<img/src=x/onerror=alert(1)>" title=/tmp/a/b> open alt=ipykernel_1/1.py class="right" id=s1
start="3" colspan="2" alt="><src=x alt="
"""


def one_of(words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words.split())


texts = one_of(KERNEL) | st.builds(" {} ".format, one_of(ACTIVE)) | st.text("ab<>\"'/&=` \n\\…~", max_size=6)
two = one_of(ATTRIBUTES), one_of(ATTRIBUTES)
attributes = st.just("") | st.builds(" {}".format, one_of(ATTRIBUTES)) | st.builds(" {} {}".format, *two)
tags = st.builds("<{}{}>".format, one_of(NAMES), attributes)
ends = st.builds("</{}>".format, one_of(NAMES)) | one_of("<!-- --> <![CDATA[ ]]> <! </ <")
nested = st.recursive(
    texts,
    lambda inner: st.builds("<{0}{1}>{2}</{0}>".format, one_of(NAMES), attributes, st.lists(inner).map("".join)),
    max_leaves=8,
)
markup = st.lists(texts | tags | ends | nested, max_size=10).map("".join)
often = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seldom = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def elements(html: str):
    """(name, attributes) of all elements, as two parsers see them: Python's and that of the HTML standard."""
    for element in BeautifulSoup(html, "html.parser").find_all(True):
        yield element.name, element.attrs
    for element in html5lib.parseFragment(html, namespaceHTMLElements=False).iter():
        if isinstance(element.tag, str) and element.tag != "DOCUMENT_FRAGMENT":
            yield element.tag, element.attrib


def problems(html: str, ours: Collection[str] = ()) -> list[str]:
    """Elements and attributes that the allowlist does not have."""
    found = []
    for name, attributes in elements(html):
        found += [name] if name in FORBIDDEN else []
        found += [f"{name} {key}" for key in attributes if key not in ALLOWED.get(name, set()) | {*ours}]
    return found


def nested_kernel_files(depth: int, n: int = 1) -> str:
    """A kernel's file name whose middle is another one, to be put together by cleaning again and again."""
    return f"ipykernel_{n}/{n}.py" if depth == n else f"ipykernel_{n}/<b>{nested_kernel_files(depth, n + 1)} </b>{n}.py"


CLEANERS = {
    "html": clean_html,
    "markdown": markdown_to_html,
    "output": lambda html: shown_html(clean_outputs([output(html)])),
}


def output(html: str):
    return {"output_type": "display_data", "data": {"text/html": html}, "metadata": {}}


def shown_html(outputs) -> str:
    return "".join(found["data"].get("text/html", "") for found in outputs if "data" in found)


@pytest.mark.parametrize("place", CLEANERS)
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_a_kernels_file_name_makes_no_attribute_of_a_text(place, depth):
    html = f'<img src="data:image/png;base64,{PIXEL}">{nested_kernel_files(depth)} onerror=alert(1) <b>x</b>'
    for _ in range(6):
        html = CLEANERS[place](html)
        assert problems(html) == []
        assert "onerror=alert(1)" in BeautifulSoup(html, "html.parser").get_text()


@often
@given(markup)
def test_html_is_clean_and_stays_as_it_is(html):
    cleaned = clean_html(html)
    assert problems(cleaned) == []
    assert clean_html(cleaned) == cleaned


@often
@given(markup)
def test_outputs_are_clean_and_stay_as_they_are(html):
    outputs = clean_outputs([output(html), {"output_type": "stream", "name": "stdout", "text": html}])
    assert problems(shown_html(outputs)) == []
    assert clean_outputs(outputs) == outputs


@often
@given(markup)
def test_markdown_is_clean(source):
    html = markdown_to_html(source)
    assert problems(html) == []
    assert problems(clean_html(html)) == []


@often
@given(markup)
def test_paths_are_hidden_once_for_all(text):
    hidden = hide_paths(text)
    assert hide_paths(hidden) == hidden
    assert sorted(re.sub(r"[^<>\"]", "", hidden)) == sorted(re.sub(r"[^<>\"]", "", text))


@seldom
@given(markup)
def test_the_feedback_page_has_no_style_and_no_handler_of_a_student(html):
    code = extra(new_code_cell(html))
    code.outputs = [
        new_output("display_data", {"text/html": html}),
        new_output("stream", name="stdout", text=f"\x1b[38;2;1;2;3m{html}\x1b[0m"),
        new_output("error", ename="E", evalue=html, traceback=[html]),
    ]
    page = shown(code, extra(new_markdown_cell(html)), answer("x = 1", comment=html), notes=[html], student=html)
    body = BeautifulSoup(page, "html.parser").body
    for element in body.find_all(True):
        assert element.name not in FORBIDDEN
        assert not [name for name in element.attrs if name == "style" or name.startswith("on")], element
    assert len(BeautifulSoup(page, "html.parser").find_all("style")) == 1


def test_the_page_lets_only_its_own_style_sheet_apply():
    soup = BeautifulSoup(shown(), "html.parser")
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    digest = base64.b64encode(hashlib.sha256(soup.find("style").string.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy and "unsafe" not in policy


def test_colours_without_a_class_of_ours_are_left_out():
    html = text_to_html('\x1b[38;2;1;2;3ma\x1b[0m \x1b[1;48;5;200mb\x1b[0m \x1b[31mc <span style="x">\x1b[0m')
    assert problems(html, ours={"class"}) == []
    assert '<span class="ansi-red-fg">' in html and "ansi-bold" in html
    assert BeautifulSoup(html, "html.parser").get_text() == 'a b c <span style="x">'


@pytest.mark.parametrize(
    "html",
    [
        "<p>" * 3_999,
        "<div>" * 4_100,
        "<table><tr><td>" * 600,
        "&lt;\"'>" * 60_000,
        "<pre>\n\nx",
        "<b>" * 900 + "<p>" * 900,
    ],
)
def test_what_is_too_large_or_closed_for_its_author_stays_as_it_is_too(html):
    cleaned = clean_html(html)
    assert problems(cleaned) == [] and clean_html(cleaned) == cleaned


def test_the_path_hider_takes_time_in_proportion():
    assert plain_text("-" * 60_000 + "ipykernel_" + "-" * 60_000).count("-") == 120_000


# -------------------------------------------------------------------------------------------- forged outputs


def forged(count: object = 1, text: str = "x", **metadata: object):
    data = {"image/png": PIXEL, "text/plain": text, "text/html": f"<b>{text}</b>"}
    return [
        {"output_type": "execute_result", "execution_count": count, "data": data, "metadata": {"image/png": metadata}},
        {"output_type": "display_data", "data": data, "metadata": metadata},
        {"output_type": "stream", "name": text, "text": [text, text]},
        {"output_type": "error", "ename": text, "evalue": text, "traceback": [text]},
    ]


@pytest.mark.parametrize("count", [-5, 10**6, int("1" + "0" * 4000), True, 1.0, "1", None])
def test_a_count_that_no_kernel_gives_is_left_out(count):
    cleaned = clean_outputs(forged(count))
    assert cleaned[0].execution_count is None
    for item in cleaned:
        nbformat.validate(item, version=4, ref="output")


def test_every_text_of_an_output_can_be_written(tmp_path):
    cleaned = clean_outputs(forged(text="a\ud800b", alt="a\ud800b", width=True))
    json.dumps(cleaned, ensure_ascii=False).encode("utf-8")
    assert "width" not in cleaned[0].metadata["image/png"]
    record = Record(key="k", cells=[CellRun(0, "student", None, outputs=[dict(item) for item in cleaned])])
    record.save(tmp_path / "record.json")
    assert Record.load(tmp_path / "record.json") == record
