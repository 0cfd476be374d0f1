"""The doctor says what is wrong and what to do, and fails when anything is."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from coursekit import doctor as kit
from coursekit.doctor import Finding, doctor, examine, main

from autograder.course import DATA


@pytest.fixture(autouse=True)
def no_course_variables(monkeypatch):
    for name in [name for name in os.environ if name.startswith("COURSE_")]:
        monkeypatch.delenv(name)


def only(monkeypatch, *checks):
    monkeypatch.setattr(kit, "CHECKS", checks)


def wrong(check):
    """What a check finds wrong: `[(what, remedy), ...]`."""
    findings = list(check())
    assert findings, "a check must say something"
    assert all(f.what and (f.ok or f.remedy) for f in findings)
    return [(f.what, f.remedy) for f in findings if not f.ok]


def test_this_computer_is_ready(capsys):
    assert main() == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert all(line.startswith("[OK]  ") for line in lines[:-1])
    assert lines[-1] == "Everything is in place."
    assert err == ""
    for expected in (
        "Python 3.",
        "torch ",
        "@jupyter/nbgrader",
        "mnist.npz",
        "device: ",
        "this folder",
        "environment",
    ):
        assert any(expected in line for line in lines), expected


def test_in_a_notebook_it_prints_and_returns_nothing(monkeypatch, capsys):
    only(monkeypatch, lambda: iter([Finding(True, "fine"), Finding(False, "not fine", "Mend it.")]))
    assert doctor() is None
    assert capsys.readouterr().out.splitlines() == [
        "[OK]  fine",
        "[FIX] not fine",
        "      -> Mend it.",
        "1 to fix: see the lines with [FIX].",
    ]


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(monkeypatch):
    def check_moon():
        raise ModuleNotFoundError("No module named 'moon'", name="moon")

    only(monkeypatch, check_moon, lambda: iter([Finding(True, "fine")]))
    first, second = examine()
    assert str(first).startswith("[FIX] moon: could not be examined (ModuleNotFoundError")
    assert "Install moon" in first.remedy
    assert second.ok
    assert main() == 1


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(kit.platform, "python_version", lambda: "3.9.2")
    ((what, remedy),) = wrong(kit.check_python)
    assert (
        "Python 3.9.2: the course needs <3.14,>=3.11" in what
        or "Python 3.9.2: the course needs >=3.11" in what
    )
    assert "Install Python" in remedy


def test_a_python_without_lzma(monkeypatch):
    real = importlib.import_module
    monkeypatch.setattr(
        kit.importlib, "import_module", lambda name: real("no_such_module_xyz" if name == "lzma" else name)
    )
    assert "LZMA" in wrong(kit.check_python)[0][0]


def test_a_missing_an_old_and_a_broken_package(monkeypatch):
    real_version, real_import = importlib.metadata.version, importlib.import_module

    def version(name):
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.26.4" if name == "numpy" else real_version(name)

    def import_module(name):
        if name == "matplotlib":
            raise ImportError("DLL load failed")
        return real_import(name)

    monkeypatch.setattr(kit.importlib.metadata, "version", version)
    monkeypatch.setattr(kit.importlib, "import_module", import_module)
    found = dict(wrong(kit.check_packages))
    assert 'pip install "torch>=' in found["torch is not installed"]
    assert 'pip install "numpy>=' in found["numpy 1.26.4: the course needs >=2.0"]
    (broken,) = [what for what in found if what.startswith("matplotlib")]
    assert "cannot be imported (ImportError: DLL load failed)" in broken
    assert "--force-reinstall" in found[broken]
    assert len(found) == 3


def test_the_ranges_are_those_of_the_project():
    python, packages = kit.declared()
    assert python == ">=3.11,<3.14"
    assert any(text.startswith("torch>=") for text in packages)
    assert not any("extra ==" in text for text in packages)


def test_the_ranges_are_found_without_the_project_file(monkeypatch, tmp_path):
    installed = SimpleNamespace(
        metadata={"Requires-Python": ">=3.11"}, requires=["numpy>=2.0", 'pytest>=8; extra == "test"']
    )
    monkeypatch.setattr(kit, "__file__", str(tmp_path / "coursekit" / "doctor.py"))
    monkeypatch.setattr(kit.importlib.metadata, "distribution", lambda name: installed)
    assert kit.declared() == (">=3.11", ["numpy>=2.0"])


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A JupyterLab of our own making: folders with its extensions and settings."""
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("jupyter_path", "jupyter_config_path"):
        monkeypatch.setattr(
            f"jupyter_core.paths.{name}", lambda *sub: [str(tmp_path.joinpath("share", *sub))]
        )
    for name in kit.LAB_EXTENSIONS:
        folder = tmp_path / "share" / "labextensions" / name
        folder.mkdir(parents=True)
        build = {"_build": {"load": "static/x.js"}}
        package = {"name": name, "version": "1.2", "jupyterlab": build}
        (folder / "package.json").write_text(json.dumps(package))
    server = tmp_path / "share" / "jupyter_server_config.d"
    server.mkdir(parents=True)
    settings = {"ServerApp": {"jpserver_extensions": {kit.SERVER_EXTENSION: True}}}
    (server / "nbgrader.json").write_text(json.dumps(settings))
    return tmp_path


def test_a_lab_with_all_extensions(lab):
    assert wrong(kit.check_jupyter) == []


def test_a_lab_without_nbgrader(lab):
    shutil.rmtree(lab / "share" / "labextensions" / "@jupyter")
    ((what, remedy),) = wrong(kit.check_jupyter)
    assert what == "JupyterLab extension @jupyter/nbgrader is not installed"
    assert "pip install --force-reinstall nbgrader" in remedy


def test_a_lab_with_a_disabled_extension(lab, monkeypatch):
    monkeypatch.setattr(
        "jupyterlab_server.config.get_page_config",
        lambda folders: {"disabledExtensions": ["@jupyter/nbgrader:validate-assignment", "other"]},
    )
    ((what, remedy),) = wrong(kit.check_jupyter)
    assert "@jupyter/nbgrader:validate-assignment is disabled" in what
    assert remedy == "Run: jupyter labextension enable @jupyter/nbgrader:validate-assignment"


def test_a_server_without_validate(lab):
    (lab / "share" / "jupyter_server_config.d" / "nbgrader.json").unlink()
    ((what, remedy),) = wrong(kit.check_jupyter)
    assert "Validate button has no server part" in what
    assert "jupyter server extension enable" in remedy


def test_a_kernel_of_another_python(monkeypatch):
    spec = SimpleNamespace(argv=[os.path.abspath("elsewhere/python"), "-m", "ipykernel_launcher"])
    monkeypatch.setattr(
        "jupyter_client.kernelspec.KernelSpecManager.get_kernel_spec", lambda self, name: spec
    )
    ((what, remedy),) = wrong(kit.check_kernel)
    assert "another Python" in what
    assert "ipykernel install" in remedy
    spec.argv = ["python"]
    assert wrong(kit.check_kernel) == []


@pytest.fixture
def copy(tmp_path, monkeypatch):
    folder = tmp_path / "copied data"
    folder.mkdir()
    for path in DATA.iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    monkeypatch.setenv("COURSE_DATA", str(folder))
    return folder


def test_damaged_and_missing_data(copy):
    assert wrong(kit.check_data) == []
    (copy / "mnist.npz").write_bytes(b"damaged")
    (copy / "fashion_mnist.npz").unlink()
    (fashion, remedy), (digits, _) = wrong(kit.check_data)
    assert "fashion_mnist.npz is missing" in fashion
    assert "mnist.npz is damaged: it has 7 bytes" in digits
    assert "Copy fashion_mnist.npz again" in remedy


def test_no_data_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    ((what, remedy),) = wrong(kit.check_data)
    assert what == "the data are not found"
    assert "COURSE_DATA" in remedy


def test_a_gpu_that_is_asked_for_and_not_there(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("COURSE_DEVICE", "cuda")
    ((what, remedy),) = wrong(kit.check_device)
    assert "cuda" in what
    assert "COURSE_DEVICE" in remedy


def test_a_gpu_that_does_not_compute(monkeypatch):
    import torch

    def ones(*args, **kwargs):
        raise RuntimeError("CUDA error: no kernel image is available\nmore lines")

    monkeypatch.setattr("coursekit.session.choose_device", lambda: torch.device("cuda"))
    monkeypatch.setattr("torch.ones", ones)
    ((what, remedy),) = wrong(kit.check_device)
    assert "found but does not compute (CUDA error: no kernel image is available)" in what
    assert "driver" in remedy


def test_a_gpu_that_computes(monkeypatch):
    import torch

    real = torch.ones
    monkeypatch.setattr("coursekit.session.choose_device", lambda: torch.device("cuda"))
    monkeypatch.setattr("torch.ones", lambda *shape, device: real(*shape))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "A GPU")
    (finding,) = kit.check_device()
    assert str(finding) == "[OK]  device: cuda (A GPU)"


def test_a_full_disk(monkeypatch):
    monkeypatch.setattr(kit.shutil, "disk_usage", lambda place: SimpleNamespace(free=5))
    found = wrong(kit.check_disk)
    assert len(found) == 2
    assert all("less than 1 GB" in what for what, _ in found)


def test_a_folder_that_cannot_be_written_to(monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(kit.tempfile, "TemporaryFile", refuse)
    (here, remedy), (_, cache_remedy) = wrong(kit.check_disk)
    assert here.startswith("this folder")
    assert "Permission denied" in here
    assert "folder of your own" in remedy
    assert "COURSE_CACHE" in cache_remedy


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("COURSE_PRESET", "fast", "COURSE_PRESET='fast' is not a preset"),
        ("COURSE_MIRROR", "mirror.example.org", "is no web address"),
        ("COURSE_HEADLESS", "maybe", "neither 0 nor 1"),
        ("COURSE_PRESETS", "quick", "COURSE_PRESETS is set, but no such variable is known"),
    ],
)
def test_a_wrong_variable(monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    ((what, _),) = wrong(kit.check_environment)
    assert words in what


def test_right_variables_and_those_of_others(monkeypatch):
    values = {
        "COURSE_PRESET": "smoke",
        "COURSE_MIRROR": "http://127.0.0.1:8000/data",
        "COURSE_HEADLESS": "1",
        "COURSE_ID": "7",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert wrong(kit.check_environment) == []


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_as_a_command_without_torch_and_with_damaged_data(copy):
    """The whole program, where an import of torch or numpy fails: still no traceback, exit code 1."""
    (copy / "mnist.npz").write_bytes(b"damaged")
    hide = "import runpy, sys; sys.modules['torch'] = sys.modules['numpy'] = None; "
    done = run(hide + "runpy.run_module('coursekit.doctor', run_name='__main__')")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "[FIX] torch" in done.stdout
    assert "[FIX] data: could not be examined" in done.stdout
    assert "[OK]  filelock" in done.stdout
    done = run("import runpy; runpy.run_module('coursekit.doctor', run_name='__main__')")
    assert done.returncode == 1
    assert "mnist.npz is damaged" in done.stdout
    assert done.stdout.count("[FIX]") == 2, "one line, and the summary"
