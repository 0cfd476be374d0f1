"""Do the lists of packages agree? One file pins versions; the others only point to it.

`constraints.txt` holds the tested versions. `pyproject.toml` holds the ranges that should work, `environment.yml`
makes the same set-up for conda users. `pin_problems` says in words where they have drifted apart.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from autograder.course import ROOT


def read_constraints(path: Path) -> dict[str, str]:
    """Pinned version by canonical package name.

    Raises `ValueError` naming the line if a line is no exact pin.
    """
    pins: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+-]+)", line)
        if not match:
            raise ValueError(f"{path.name}:{number}: {line!r} is no exact pin (name==version)")
        pins[canonicalize_name(match[1])] = match[2]
    return pins


def pin_problems(root: Path = ROOT) -> list[str]:
    """Every disagreement between the lists, each as a sentence that says what to do; empty if they agree."""
    pins = read_constraints(root / "constraints.txt")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    problems = []
    declared = [*project["dependencies"], *(r for group in project["optional-dependencies"].values() for r in group)]
    for text in declared:
        requirement = Requirement(text)
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None:
            problems.append(f"{requirement.name} of pyproject.toml is not pinned in constraints.txt: add it")
        elif not requirement.specifier.contains(pinned):
            problems.append(f"constraints.txt pins {requirement.name} {pinned}; pyproject.toml refuses it: {text!r}")
    problems += _environment_problems(root / "environment.yml", pins, project["requires-python"])
    return problems


def _environment_problems(path: Path, pins: dict[str, str], requires_python: str) -> list[str]:
    """What is wrong with the conda environment: own versions, a missing constraints file, a refused Python."""
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    conda = [d for d in dependencies if isinstance(d, str)]
    pip_lines = [line for d in dependencies if isinstance(d, dict) for line in d.get("pip", [])]
    problems, own_versions = [], []
    if "-c constraints.txt" not in pip_lines:
        problems.append("environment.yml does not install with `-c constraints.txt`: its versions would float")
    for line in conda:
        name, _, version = line.partition("=")
        version = version.lstrip("=")
        if name == "python":
            if not Requirement(f"python{requires_python}").specifier.contains(f"{version}.0"):
                problems.append(f"environment.yml asks for Python {version}, pyproject.toml for {requires_python}")
        elif version:
            own_versions.append((name, version))
    own_versions += [m.groups() for m in (re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in pip_lines) if m]
    for name, version in own_versions:
        pinned = pins.get(canonicalize_name(name))
        if pinned != version:
            problems.append(f"environment.yml pins {name} {version}, constraints.txt {pinned}")
    return problems
