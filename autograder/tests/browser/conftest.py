"""A real JupyterLab and a real Chromium for the tests of this folder.

Every server gets a course root, configuration, data and runtime folder of its own, so that a test neither sees nor
changes the settings of the person who runs it. Screenshots go to `artefacts/browser/`, outside version control:
they are there to be looked at.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.course import ROOT

SHOTS = ROOT / "artefacts" / "browser"
START_SECONDS = 120
RUN_ATTEMPTS = 5
RUN_SECONDS = 15
OUTPUT_SECONDS = 60
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox because continuous integration runs as root; the rest keeps the browser from calling home.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A running Chromium; skips with the reason where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(CHROMIUM_NAMES)})")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: where it answers and which folder it serves."""

    url: str
    token: str
    root: Path

    def address(self, path: str) -> str:
        """The address of a file or page of this server, with its token."""
        return f"{self.url}{path}?token={self.token}"


@contextlib.contextmanager
def running_lab(root: Path, private: Path, **environment: str) -> Iterator[Lab]:
    """Serve `root` from a JupyterLab whose settings live in `private`; stop it afterwards.

    Raises `RuntimeError` with the end of the server's log if it does not come up.
    """
    runtime = private / "runtime"
    settings = {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
    }
    # A grader's or a builder's switches must not reach the student's JupyterLab.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_", "NBGRADER_"))}
    private.mkdir(parents=True, exist_ok=True)
    _quiet_settings(Path(settings["JUPYTERLAB_SETTINGS_DIR"]))
    log = private / "server.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--port=0", "--allow-root"]
    with log.open("w") as stream:
        server = subprocess.Popen(
            command, cwd=root, env=inherited | settings | environment, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        yield _wait_for_server(server, runtime, log, root)
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()


def _quiet_settings(folder: Path) -> None:
    """No question about news on the first visit: it would cover the page and ask the network."""
    path = folder / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))


def _wait_for_server(server: subprocess.Popen, runtime: Path, log: Path, root: Path) -> Lab:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        for found in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # half written
                info = json.loads(found.read_text())
                return Lab(info["url"].rstrip("/"), info["token"], root)
        time.sleep(0.2)
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text()[-3000:])


@dataclass
class NotebookPage:
    """One notebook open in JupyterLab, with the few gestures that the tests need."""

    page: object

    def run_all(self, seconds: float = 240) -> None:
        """Run > Run All Cells, and wait until the kernel has worked everything off."""
        first = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputPrompt").first
        if first.text_content() != "[ ]:":  # numbers of an earlier run would hide that this one was dropped
            self.dismiss_dialogs()
            self.page.get_by_text("Edit", exact=True).first.click()
            self.page.get_by_text("Clear Outputs of All Cells", exact=True).click()
        for _ in range(RUN_ATTEMPTS):  # a kernel that has only just answered drops the first request
            self.dismiss_dialogs()
            self.page.keyboard.press("Escape")
            self.page.get_by_text("Run", exact=True).first.click()
            self.page.get_by_text("Run All Cells", exact=True).click()
            deadline = time.monotonic() + RUN_SECONDS
            while first.text_content() == "[ ]:" and time.monotonic() < deadline:
                self.page.wait_for_timeout(200)
            if first.text_content() != "[ ]:":
                break
        self.wait_until_idle(seconds)

    def dismiss_dialogs(self) -> None:
        """Accept what JupyterLab asks on a slow machine: which kernel, if none was ready when cells were run."""
        for dialog in self.page.locator(".jp-Dialog").all():
            dialog.locator("button.jp-mod-accept").click()
            dialog.wait_for(state="detached", timeout=10_000)

    def wait_until_idle(self, seconds: float = 120) -> None:
        """Wait until no cell is queued or running and the kernel is idle."""
        self.page.wait_for_function(
            """() => {
              const panel = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden)');
              const prompts = [...panel.querySelectorAll('.jp-InputPrompt')];
              const status = panel.querySelector('.jp-Notebook-ExecutionIndicator');
              return status?.dataset.status === 'idle' && !prompts.some(p => p.textContent.includes('*'));
            }""",
            timeout=seconds * 1000,
        )

    def cell(self, containing: str):
        """The first code cell whose source contains this text (scrolled into view)."""
        cell = self.page.locator(".jp-CodeCell", has=self.page.locator(".jp-InputArea", has_text=containing)).first
        cell.scroll_into_view_if_needed()
        return cell

    def replace_source(self, cell, source: str) -> None:
        """Type a new source into a cell, as a student would paste it."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(source)

    def run_cell(self, cell, seconds: float = 60) -> None:
        """Run one cell and wait for its end."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_timeout(300)
        self.wait_until_idle(seconds)

    def output(self, cell) -> str:
        """The text of the outputs of a cell that has some, also of one out of sight; waits for them to come."""
        deadline = time.monotonic() + OUTPUT_SECONDS
        while True:
            text = " ".join((cell.locator(".jp-OutputArea").first.text_content() or "").split())
            if text or time.monotonic() > deadline:
                return text
            self.page.wait_for_timeout(200)

    def picture(self, cell, other_than: str = "", seconds: float = 20) -> str:
        """The data address of the picture in a cell's output; waits for another one than the one given."""
        picture = cell.locator(".jp-OutputArea img").first
        picture.wait_for(state="attached", timeout=seconds * 1000)
        deadline = time.monotonic() + seconds
        while (source := picture.get_attribute("src") or "") == other_than and time.monotonic() < deadline:
            self.page.wait_for_timeout(100)
        return source

    def move(self, control, cell, picture: str) -> str:
        """Change one control of a widget and return the address of the new picture (the old one if none came).

        A slider goes to one end, and to the other if it stood there; a list to another entry; a box flips.
        """
        control.scroll_into_view_if_needed()
        if control.get_attribute("type") == "checkbox":
            control.click()
            return self.picture(cell, other_than=picture)
        if control.evaluate("node => node.tagName") == "SELECT":
            control.select_option(index=(control.evaluate("node => node.selectedIndex") + 1) % 2)
            return self.picture(cell, other_than=picture)
        for key in ("End", "Home"):
            control.focus()
            self.page.keyboard.press(key)
            found = self.picture(cell, other_than=picture, seconds=5)
            if found != picture:
                return found
        return picture

    def validate(self, seconds: float = 240) -> str:
        """Press nbgrader's Validate and return what its dialog says."""
        self.page.get_by_text("Validate", exact=True).first.click()
        dialog = self.page.locator(".jp-Dialog")
        dialog.wait_for(timeout=seconds * 1000)
        return dialog.inner_text()

    def shot(self, name: str) -> Path:
        """Keep a picture of the window as an artefact to be looked at."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


@pytest.fixture
def open_notebook(chromium) -> Iterator[Callable[..., NotebookPage]]:
    """Open a notebook of a running lab: `open_notebook(lab, "course/00_start/start.ipynb", dark=False)`."""
    contexts = []

    def open_page(lab: Lab, path: str, dark: bool = False) -> NotebookPage:
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        # A workspace of its own: the default one would open the notebooks of earlier visits again.
        page.goto(lab.address(f"/lab/workspaces/{uuid.uuid4().hex}/tree/{path}"))
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        if dark:
            page.get_by_text("Settings", exact=True).first.click()
            page.get_by_text("Theme", exact=True).first.hover()
            page.get_by_text("JupyterLab Dark", exact=True).click()
            page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
        notebook = NotebookPage(page)
        notebook.wait_until_idle()
        return notebook

    yield open_page
    for context in contexts:
        context.close()
