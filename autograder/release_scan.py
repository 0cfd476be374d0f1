"""`autograder scan`: nothing that belongs to instructors stands in what students get.

What the author of a source wrote where students see it (text, given cells, docstrings, visible checks) is
meant for them. Everything else of the sources, the hidden tests and the known wrong answers is a secret, and
the scan looks for it by content, whatever a file is called:

- a line of a solution or of a hidden test, unless the same line stands in a visible place of the source;
- three lines in a row of a solution or of an instructor's module, even where single lines may be seen;
- a text of the misconceptions.

It also holds student notebooks to their form: no leftover markers, no outputs, no absolute paths, one
first-level heading, every figure described.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import CHAPTERS, ROOT, Chapter
from autograder.source import HIDDEN, SOLUTION, markdown_headings, read_source

MARKERS = (*SOLUTION, *HIDDEN, "BEGIN MARK SCHEME", "END MARK SCHEME")
TEXT_FILES = {".py", ".md", ".txt", ".toml", ".yml", ".yaml", ".json", ".cfg", ".csv", ".tsv", ".html", ""}
DATA_FILES = {".npz", ".gz", ".png", ".jpg"}
RUN = 3  # so many lines in a row are no coincidence
MIN_LINE = 12  # shorter lines ("return x", "else:") are anybody's
MIN_TEXT = 30
MIN_DESCRIPTION = 20

_PATH = re.compile(
    r"(?<![\w.:/~<-])/(home|root|Users|tmp|work|mnt|srv|var|opt)/\w"
    # known folders only: a formula may hold f:\mathbb
    r"|\b[A-Za-z]:\\{1,2}(?i:Users|Windows|Program|Documents|Temp|Data|Python|Anaconda|Miniconda)"
)
_IMAGE = re.compile(r"!\[([^\]]*)\]\(")
_IMG_TAG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"""\balt\s*=\s*(["'])(.*?)\1""", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """One thing that students must not get: in which file, where in it, which rule, and what was found."""

    file: str
    where: str
    rule: str
    found: str

    def __str__(self) -> str:
        place = f"{self.file}, {self.where}" if self.where else self.file
        return f"{place}: {self.rule}: {self.found}"


@dataclass
class Secrets:
    """What must not reach students: single lines, runs of lines, texts; each with what it is."""

    lines: dict[str, str] = field(default_factory=dict)
    runs: dict[tuple[str, ...], str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


def scan(place: Path, secrets: Secrets) -> list[Finding]:
    """Everything in a folder or a zip file that students must not get."""
    found = []
    for name, data in sorted(student_files(place)):
        found += scan_file(name, data, secrets)
    return found


def student_files(place: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in a folder (but caches) or a zip file."""
    if place.is_dir():
        for path in place.rglob("*"):
            if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts):
                yield path.relative_to(place).as_posix(), path.read_bytes()
    else:
        with zipfile.ZipFile(place) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, archive.read(info)


def scan_file(name: str, data: bytes, secrets: Secrets) -> list[Finding]:
    """Everything in one file that students must not get."""
    base = name.rsplit("/", 1)[-1]
    suffix = Path(base).suffix.lower()
    if base in (".gitkeep", ".gitattributes") or suffix in DATA_FILES:
        return []
    if suffix == ".ipynb":
        return _scan_notebook(name, data.decode("utf-8"), secrets)
    if suffix not in TEXT_FILES:
        return [Finding(name, "", "unexpected file", f"students get no {suffix} files")]
    text = data.decode("utf-8", errors="replace")
    return [
        *_scan_text(name, "", text, secrets, lines=not _is_library(name)),
        *(Finding(name, "", "absolute path", m[0]) for m in _PATH.finditer(text)),
    ]


def _is_library(name: str) -> bool:
    # the library is written for students: single lines of it may well be those of a solution
    return "coursekit" in name.split("/")[:-1]


def _scan_text(name: str, where: str, text: str, secrets: Secrets, *, lines: bool) -> Iterator[Finding]:
    plain = [normal(line) for line in text.split("\n")]
    if lines:
        for line in plain:
            if line in secrets.lines:
                yield Finding(name, where, secrets.lines[line], line)
    telling = [line for line in plain if len(line) >= MIN_LINE]
    for i in range(len(telling) - RUN + 1):
        run = tuple(telling[i : i + RUN])
        if run in secrets.runs:
            yield Finding(name, where, secrets.runs[run], " | ".join(run))
            break
    joined = " ".join(text.split())
    for secret, what in secrets.texts.items():
        if secret in joined:
            yield Finding(name, where, what, secret)
    for marker in MARKERS:
        if marker in text:
            yield Finding(name, where, "leftover marker", marker)


def _scan_notebook(name: str, text: str, secrets: Secrets) -> list[Finding]:
    notebook = json.loads(text)
    found = []
    headings = []
    for number, cell in enumerate(notebook["cells"], 1):
        source = "".join(cell["source"])
        where = f"cell {number}"
        found += _scan_text(name, where, source, secrets, lines=True)
        found += [Finding(name, where, "absolute path", m[0]) for m in _PATH.finditer(source)]
        if cell["cell_type"] == "code":
            if cell.get("outputs"):
                found.append(Finding(name, where, "output", f"{len(cell['outputs'])} outputs"))
            if cell.get("execution_count") is not None:
                found.append(Finding(name, where, "execution count", str(cell["execution_count"])))
            found += [Finding(name, where, "figure without description", t) for t in undescribed_calls(source)]
        else:
            headings += [(where, line) for line in markdown_headings(source)]
            found += [Finding(name, where, "figure without description", t) for t in undescribed_images(source)]
    for where, line in headings[1:]:
        found.append(Finding(name, where, "second first-level heading", line))
    if not headings:
        found.append(Finding(name, "", "no first-level heading", "the first cell has a line '# Title'"))
    # whatever is not a cell's source: metadata, attachments, outputs
    for cell in notebook["cells"]:
        cell["source"] = ""
    rest = "\n".join(_strings(notebook))
    found += _scan_text(name, "metadata or outputs", rest, secrets, lines=True)
    if match := _PATH.search(rest):
        found.append(Finding(name, "metadata or outputs", "absolute path", match[0]))
    return found


def _strings(value) -> Iterator[str]:
    """Every string in parsed JSON, keys included; a list of strings (lines of an output) as one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield "".join(value)
        else:
            for item in value:
                yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)


def undescribed_images(markdown: str) -> list[str]:
    """The images of a markdown text that have no alternative text."""
    found = [f"{m[0]}..." for m in _IMAGE.finditer(markdown) if not m[1].strip()]
    for tag in _IMG_TAG.findall(markdown):
        alt = _ALT.search(tag)
        if not alt or not alt[2].strip():
            found.append(tag)
    return found


def undescribed_calls(source: str) -> list[str]:
    """The calls of a code cell that display a figure without describing it."""
    try:
        tree = ast.parse("\n".join(_without_magics(source)))
    except SyntaxError:
        return []
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        last = call.rsplit(".", 1)[-1]
        if call in ("plt.show", "pyplot.show", "display.Image", "Image"):
            found.append(f"{call}(...); use coursekit.figures.show, which asks for a description")
        elif last in ("show", "explore"):
            text = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "description")]
            short = text and isinstance(text[0], ast.Constant) and len(str(text[0].value)) < MIN_DESCRIPTION
            if short or not text:
                found.append(ast.unparse(node)[:80])
    return found


def _without_magics(source: str) -> list[str]:
    return ["pass" if line.startswith(("%", "!")) else line for line in source.split("\n")]


def normal(line: str) -> str:
    """A line as it is compared: without comment and without differences in white space."""
    code, _, comment = line.partition("  #")
    return " ".join((code if code.strip() else comment).split())


# ---------------------------------------------------------------- what is secret


def gather_secrets(chapters: Iterable[Chapter] = CHAPTERS, root: Path = ROOT) -> Secrets:
    """The secrets of these chapters and of the instructors' modules under `root/autograder`."""
    secrets = Secrets()
    visible: set[str] = set()
    shown = [_library_text(root)]
    sources = {item.folder: read_source(item, check_points=False) for item in chapters}
    for cells in sources.values():
        for cell in cells:
            shown.append(f"{cell.id} {cell.stub}")
            visible.update(normal(line) for line in cell.stub.split("\n"))
    for folder, cells in sources.items():
        for cell in cells:
            for text, what in ((cell.solution, "solution"), (cell.hidden, "hidden test")):
                rule = f"{what} line of {folder} {cell.id}"
                lines = [normal(line) for line in text.split("\n")]
                telling = [line for line in lines if len(line) >= MIN_LINE]
                secrets.lines.update({line: rule for line in telling if line not in visible})
                _add_runs(secrets, telling, rule)
    all_shown = " ".join(" ".join(shown).split())
    library = {normal(line) for line in shown[0].split("\n")}
    for path in sorted((root / "autograder").rglob("*.py")):
        module = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        telling = [line for line in map(normal, text.split("\n")) if len(line) >= MIN_LINE]
        _add_runs(secrets, telling, f"lines of {module}", known=library | visible)
        if "misconceptions" in path.parts:
            for piece in _texts(text):
                if piece not in all_shown:
                    secrets.texts[piece] = f"text of {module}"
    return secrets


def _library_text(root: Path) -> str:
    files = sorted((root / "course" / "coursekit").rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def _add_runs(secrets: Secrets, lines: list[str], rule: str, known: Iterable[str] = ()) -> None:
    """Add every run of lines; one whose lines are all `known` (imports, say) tells nothing."""
    known = set(known)
    for i in range(len(lines) - RUN + 1):
        run = tuple(lines[i : i + RUN])
        if not all(line in known for line in run):
            secrets.runs.setdefault(run, rule)


def _texts(module: str) -> Iterator[str]:
    """The string literals of a module that are long enough to be told apart from chance."""
    for node in ast.walk(ast.parse(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = " ".join(node.value.split())
            if len(text) >= MIN_TEXT:
                yield text
