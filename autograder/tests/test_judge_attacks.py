"""Every attack earns nothing, shows nothing of the tests, and leaves the machine and the next student alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from autograder.judge.limits import Limits
from autograder.tests.attacks import ATTACKS, HONEST, NOTEBOOKS, SECRETS, SOURCE, Attack, attacked
from autograder.tests.judging import QUICK, judged, shown, the_judge

LIMITS: Limits = QUICK.with_(
    memory=400 << 20, scratch=16 << 20, file_size=8 << 20, message=8 << 20, replays=1, submission_seconds=10
)


def machine() -> dict[str, set]:
    """What an attack could leave behind: processes of the judge's, sockets and files in common places."""
    family = {os.getpid()}
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            parents[int(name)] = int(fields[1])
    for _ in range(10):
        family |= {pid for pid, parent in parents.items() if parent in family}
    shared = {p for place in ("/tmp", "/dev/shm", "/var/tmp") if os.path.isdir(place) for p in os.listdir(place)}
    owned = {p for p in shared if p.startswith(("owned", "junk", "link", "submission-", "seen"))}
    listening = set()
    for table in ("tcp", "tcp6", "udp"):
        lines = Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]
        listening |= {line.split()[1] for line in lines if line.split()[3] == "0A"}
    return {"processes": family, "files": owned, "open": set(os.listdir("/proc/self/fd")), "listening": listening}


def left_over(before: dict[str, set]) -> dict[str, set]:
    """What is there now and was not before; processes get a moment to end."""
    for _ in range(100):
        now = machine()
        found = {kind: now[kind] - before[kind] for kind in ("processes", "files", "listening")}
        if len(now["open"]) > len(before["open"]):
            found["open"] = now["open"] - before["open"]
        if not any(found.values()):
            return {}
        time.sleep(0.05)
    return {kind: things for kind, things in found.items() if things}


def check_attack(handed_in) -> None:
    judge = the_judge()
    judge.zygote()
    before = machine()
    record = judged(handed_in, SOURCE, LIMITS)
    assert record.points == 0, record.tests
    assert [(t.grade_id, t.max_points) for t in record.tests] == [("ex1-test", 10.0)]
    assert record.gradable, record.error
    text = shown(record)
    assert not [secret for secret in SECRETS if secret in text]
    assert record.tests[0].message.strip() and record.tests[0].outcome not in ("passed", "fault")
    for active in ("<script", "onerror", "javascript:", "\x1b]", "<svg", "<iframe"):
        outputs = str([o.get("data", {}).get("text/html") for c in record.cells for o in c.outputs])
        assert active not in outputs
    assert len(text) < 3_000_000
    assert left_over(before) == {}
    honest = judged(HONEST, SOURCE, LIMITS)
    assert honest.points == 10 and not honest.notices, honest.tests


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_an_attack_in_a_cell_earns_nothing(attack: Attack):
    check_attack(attacked(attack.code))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_attack_on_the_notebook_earns_nothing(name):
    check_attack(NOTEBOOKS[name]())


def test_the_honest_notebook_earns_all():
    """Else the attacks' zero would mean nothing."""
    assert judged(HONEST, SOURCE, LIMITS).points == 10


def test_there_are_enough_of_them():
    assert len(ATTACKS) + len(NOTEBOOKS) >= 40 and len({a.name for a in ATTACKS}) == len(ATTACKS)
