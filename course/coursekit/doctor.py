"""Is this computer ready for the course? `python -m coursekit.doctor`, or `doctor()` in a notebook.

Prints one line a question, `[OK]` or `[FIX]` with what to do, and ends with exit code 1 if anything is to
be fixed. Only the standard library is imported at the top: the doctor must run where things are missing.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DISTRIBUTION = "deep-learning-by-hand"
VARIABLES = (
    "COURSE_PRESET",
    "COURSE_DEVICE",
    "COURSE_DATA",
    "COURSE_HEADLESS",
    "COURSE_MIRROR",
    "COURSE_CACHE",
)
LAB_EXTENSIONS = {
    "@jupyter/nbgrader": "nbgrader",
    "@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets",
}
SERVER_EXTENSION = "nbgrader.server_extensions.validate_assignment"
# Imported and not only looked up: these have compiled parts that can be installed and yet not load.
IMPORTED = {
    "ipywidgets": "ipywidgets",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pillow": "PIL",
    "torch": "torch",
}
ENOUGH_DISK = 10**9


@dataclass(frozen=True)
class Finding:
    """One answer: `ok`, in words, and what to do if it is not."""

    ok: bool
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"[OK]  {self.what}" if self.ok else f"[FIX] {self.what}\n      -> {self.remedy}"


def good(what: str) -> Finding:
    """A finding that needs nothing."""
    return Finding(True, what)


def fix(what: str, remedy: str) -> Finding:
    """A finding with its remedy."""
    return Finding(False, what, remedy)


def declared() -> tuple[str, list[str]]:
    """The range of Python versions and the required packages: from pyproject.toml, else as installed."""
    for folder in Path(__file__).resolve().parents:
        path = folder / "pyproject.toml"
        if path.is_file():
            project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
            if project.get("name") == DISTRIBUTION:
                return project["requires-python"], project["dependencies"]
    installed = importlib.metadata.distribution(DISTRIBUTION)
    return installed.metadata["Requires-Python"], [r for r in installed.requires or [] if "extra ==" not in r]


def check_python() -> Iterator[Finding]:
    """The version, and the compression module that the data need."""
    from packaging.specifiers import SpecifierSet

    wanted, version = declared()[0], platform.python_version()
    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield good(f"Python {version}")
    else:
        yield fix(
            f"Python {version}: the course needs {wanted}",
            "Install Python 3.12 and set up the course with it.",
        )
    try:
        importlib.import_module("lzma")
    except ImportError:
        yield fix(
            "Python was built without LZMA, which the data files need",
            "Install Python from python.org, conda or your system's packages and set up the course with it.",
        )


def check_packages() -> Iterator[Finding]:
    """Every required package: there, in the right version, and the compiled ones can be imported."""
    from packaging.requirements import Requirement

    for text in declared()[1]:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        install = f'Run: python -m pip install "{text}"   (then restart the kernel)'
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield fix(f"{requirement.name} is not installed", install)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield fix(f"{requirement.name} {version}: the course needs {requirement.specifier}", install)
            continue
        module = IMPORTED.get(requirement.name)
        try:
            if module:
                importlib.import_module(module)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            yield fix(
                f"{requirement.name} {version} is installed but cannot be imported ({reason})",
                f'Run: python -m pip install --force-reinstall "{text}"   (then restart the kernel)',
            )
        else:
            yield good(f"{requirement.name} {version}")


def check_jupyter() -> Iterator[Finding]:
    """nbgrader and the widgets are enabled in JupyterLab, and its kernel is this Python."""
    from jupyter_core.paths import jupyter_config_path, jupyter_path
    from jupyter_server.extension.config import ExtensionConfigManager
    from jupyterlab_server.config import get_federated_extensions, get_page_config

    folders = jupyter_path("labextensions")
    found, disabled = (
        get_federated_extensions(folders),
        get_page_config(folders).get("disabledExtensions", []),
    )
    for name, package in LAB_EXTENSIONS.items():
        off = [entry for entry in disabled if entry == name or entry.startswith(f"{name}:")]
        if name not in found:
            yield fix(
                f"JupyterLab extension {name} is not installed",
                f"Run: python -m pip install --force-reinstall {package}   (then restart JupyterLab)",
            )
        elif off:
            yield fix(
                f"JupyterLab extension {', '.join(off)} is disabled",
                f"Run: {'; '.join(f'jupyter labextension enable {entry}' for entry in off)}",
            )
        else:
            yield good(f"JupyterLab extension {name} {found[name]['version']}")
    servers = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()
    if servers.get(SERVER_EXTENSION):
        yield good("nbgrader's Validate button has its server part")
    else:
        yield fix(
            "nbgrader's Validate button has no server part: its extension is not enabled",
            f"Run: jupyter server extension enable --sys-prefix {SERVER_EXTENSION}",
        )
    yield from check_kernel()


def check_kernel() -> Iterator[Finding]:
    """Notebooks run in this Python, not in another one that was registered under the same name."""
    from jupyter_client.kernelspec import KernelSpecManager

    command = Path(KernelSpecManager().get_kernel_spec("python3").argv[0])
    # A bare "python" is replaced by the Python that Jupyter runs in.
    if not command.is_absolute() or command.parent == Path(sys.executable).parent:
        yield good("the kernel of notebooks is this Python")
    else:
        yield fix(
            f"notebooks would run in another Python: {command}",
            "Run: python -m ipykernel install --sys-prefix   (in the environment of the course)",
        )


def check_data() -> Iterator[Finding]:
    """The bundled files, with their checksums."""
    from . import data

    try:
        folder = data.data_dir()
        manifest = data.read_manifest(folder)
    except data.DataError as error:
        yield fix("the data are not found", str(error))
        return
    for name, entry in manifest.items():
        problem = data.damage(folder / name, entry)
        if problem:
            yield fix(
                f"data: {folder / name} {problem}",
                f"Copy {name} again from the course's archive, or run `git restore -- data` in a clone.",
            )
        else:
            yield good(f"data: {name}, checksum right")


def check_device() -> Iterator[Finding]:
    """What the notebooks will compute on; a GPU must really compute something."""
    import torch

    from .session import choose_device

    try:
        device = choose_device()
    except (ValueError, RuntimeError) as error:
        yield fix(f"device: {error}", "Unset COURSE_DEVICE, or set it to cpu.")
        return
    if device.type == "cpu":
        yield good("device: cpu (no GPU is needed)")
        return
    try:
        total = torch.ones(8, device=device).sum().item()
    except RuntimeError as error:
        total, reason = None, str(error).splitlines()[0]
    else:
        reason = f"1 + 1 + ... gave {total}"
    if total == 8:
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "Apple GPU"
        yield good(f"device: {device} ({name})")
    else:
        yield fix(
            f"device: {device} was found but does not compute ({reason})",
            "Update the GPU's driver, or set COURSE_DEVICE=cpu.",
        )


def check_disk() -> Iterator[Finding]:
    """Files can be written here and in the cache, and there is room for them."""
    places = {"this folder": Path.cwd()}
    try:
        from .download import cache_dir

        places["the cache folder"] = cache_dir()
    except ImportError:
        pass  # check_packages names what is missing
    for name, place in places.items():
        existing = next(p for p in (place, *place.parents) if p.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            yield fix(
                f"{name} ({place}) cannot be written to ({error.strerror})",
                "Move the course to a folder of your own."
                if name == "this folder"
                else "Set COURSE_CACHE to a folder of your own.",
            )
            continue
        if shutil.disk_usage(existing).free < ENOUGH_DISK:
            yield fix(f"{name} ({place}) has less than 1 GB of free disk", "Free some space there.")
        else:
            yield good(f"{name} can be written to, with at least 1 GB free")


def check_environment() -> Iterator[Finding]:
    """The COURSE_ variables: known names, valid values."""
    from . import presets

    bad = []
    for name in sorted(key for key in os.environ if key.startswith("COURSE_") and key not in VARIABLES):
        # Others use COURSE_ too: only what looks like a slip of the pen is worth a word.
        endings = [known.removeprefix("COURSE_") for known in VARIABLES]
        meant = difflib.get_close_matches(name.removeprefix("COURSE_"), endings, n=1, cutoff=0.75)
        if meant:
            bad.append(
                fix(f"{name} is set, but no such variable is known", f"Did you mean COURSE_{meant[0]}?")
            )
    try:
        presets.choose_preset()
    except ValueError as error:
        bad.append(fix(str(error), f"Unset COURSE_PRESET or set it to one of {', '.join(presets.PRESETS)}."))
    headless = os.environ.get("COURSE_HEADLESS", "")
    if headless.strip().lower() not in ("", "0", "1", "true", "false", "yes", "no"):
        bad.append(fix(f"COURSE_HEADLESS={headless!r} is neither 0 nor 1", "Unset it, or set it to 1."))
    mirror = os.environ.get("COURSE_MIRROR", "")
    if mirror and (urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc):
        bad.append(fix(f"COURSE_MIRROR={mirror!r} is no web address", "Unset it, or begin it with https://."))
    present = [name for name in VARIABLES if os.environ.get(name)]
    if not bad:
        bad.append(good(f"environment: {', '.join(present) or 'no COURSE_ variable'} set"))
    yield from bad


CHECKS = (
    check_python,
    check_packages,
    check_jupyter,
    check_data,
    check_device,
    check_disk,
    check_environment,
)


def examine() -> Iterator[Finding]:
    """All findings, one after the other. A question that cannot be answered is a finding too."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            subject = check.__name__.removeprefix("check_")
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            yield fix(
                f"{subject}: could not be examined ({type(error).__name__}: {error})",
                f"Install {missing} as said above, then run the doctor again."
                if missing
                else "Set the course up again: python -m pip install -c constraints.txt -e .",
            )


def doctor() -> None:
    """Print the findings, one line each, and how many are to be fixed."""
    report()


def report() -> int:
    """Print the findings; the number of those to be fixed."""
    wrong = 0
    for finding in examine():
        print(finding, flush=True)
        wrong += not finding.ok
    print("Everything is in place." if not wrong else f"{wrong} to fix: see the lines with [FIX].")
    return wrong


def main() -> int:
    """The command line: exit code 1 if anything is to be fixed."""
    return 1 if report() else 0


if __name__ == "__main__":
    sys.exit(main())
