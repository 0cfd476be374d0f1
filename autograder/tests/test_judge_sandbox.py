"""The sandbox: every wall stands, every limit ends what runs against it, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.course import DATA, ROOT
from autograder.judge import warm
from autograder.judge.process import check_walls
from autograder.judge.proxy import Gone
from autograder.judge.sandbox import WALLS, WallsMissing, scratch_for
from autograder.tests.judging import PATIENT, QUICK, ends, family, student, the_judge

PROBE = '''
import os, socket, sys
def outcome(action):
    """"done", or the name of the error."""
    try:
        action()
        return "done"
    except BaseException as error:
        return type(error).__name__
def read(path):
    if os.path.isdir(path):
        return outcome(lambda: os.listdir(path))
    return outcome(lambda: open(path, "rb").read(1))
def write(path): return outcome(lambda: open(path, "w").write("x"))
def connect(host, port): return outcome(lambda: socket.create_connection((host, port), 1))
def make(family, kind): return outcome(lambda: socket.socket(family, kind))
def run(text):
    space = {"os": os, "socket": socket, "sys": sys}
    return outcome(lambda: exec(text, space))
def value(text): return eval(text, {"os": os, "socket": socket, "sys": sys})
'''


@pytest.fixture(scope="module")
def names():
    with student(PROBE) as found:
        yield found


def test_no_wall_is_missing_here(names):
    assert the_judge().walls_missing == []


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/passwd",
        "/etc/hostname",
        "/home",
        "/root",
        "/var",
        "/opt",
        "/sys/class",
        str(ROOT),
        str(ROOT / "solutions"),
        str(ROOT / "autograder"),
        str(ROOT / "autograder" / "checks"),
        str(ROOT / "autograder" / "misconceptions"),
        str(ROOT / "autograder" / "judge" / "runner.py"),
        str(ROOT / ".git"),
        str(ROOT / "pyproject.toml"),
        str(Path.home()),
        str(Path.home() / ".ssh"),
        "/",
    ],
)
def test_reading_elsewhere_is_refused(names, path):
    assert names["read"](path) in ("PermissionError", "FileNotFoundError")


def test_what_students_need_can_be_read(names):
    assert names["read"](str(DATA)) == "done"
    assert names["read"](str(ROOT / "course" / "coursekit" / "checking.py")) == "done"
    assert names["run"]("import json.tool, xml.dom.minidom, torch.distributions") == "done"
    assert names["value"]("os.environ['COURSE_PRESET'], os.environ['NBGRADER_EXECUTION']") == ("smoke", "autograde")


def test_the_environment_holds_nothing_of_the_grader(names):
    known = {"PATH", "LANG", "TZ", "HOME", "TMPDIR", "MPLCONFIGDIR", "CUDA_VISIBLE_DEVICES", "GLIBC_TUNABLES"}
    allowed = ("LC_CTYPE", "PYTHON", "COURSE_", "NBGRADER_EXECUTION", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "TORCH")
    found = names["value"]("dict(os.environ)")
    assert {k for k in found if k not in known and not k.startswith(allowed)} == set()
    assert str(Path.home()) not in str({k: v for k, v in found.items() if k != "PYTHONPATH"})


@pytest.mark.parametrize(
    "place", ["/usr/x", "/etc/x", "/x", str(DATA / "x"), str(ROOT / "course" / "x"), sys.prefix + "/x"]
)
def test_writing_elsewhere_is_refused(names, place):
    assert names["write"](place) in ("PermissionError", "OSError", "FileNotFoundError")
    assert not Path(place).exists()


def test_scratch_is_private_and_empty(names):
    scratch = names["value"]("os.environ['TMPDIR']")
    mine = f"{scratch}/mine-{os.getpid()}"
    assert names["write"](mine) == "done" and names["write"]("here") == "done"
    assert not Path(mine).exists()
    with student(PROBE) as other:
        assert other["value"]("sorted(os.listdir(os.environ['TMPDIR']))") == ["work"]
        assert other["value"]("os.listdir('.')") == []


def test_the_network_is_refused(names):
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        port = listener.getsockname()[1]
        assert names["connect"]("127.0.0.1", port) in ("PermissionError", "OSError", "ConnectionRefusedError")
    for kind in (socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_NETLINK", 16), 40):
        assert names["make"](int(kind), int(socket.SOCK_DGRAM)) in ("PermissionError", "OSError")
    assert names["run"]("socket.getaddrinfo('example.org', 80)") == "gaierror"
    assert names["make"](int(socket.AF_UNIX), int(socket.SOCK_STREAM)) == "done"


def test_a_local_socket_of_another_process_cannot_be_reached(names):
    name = f"judge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        code = f"s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + {name!r})"
        assert names["run"](code) in ("PermissionError", "ConnectionRefusedError")


def test_only_its_own_processes_are_seen(names):
    assert names["value"]("os.getpid()") < 10
    assert set(names["value"]("[int(n) for n in os.listdir('/proc') if n.isdigit()]")) <= set(range(10))
    assert names["run"](f"os.kill({os.getpid()}, 0)") in ("ProcessLookupError", "PermissionError")


@pytest.mark.parametrize(
    "text",
    [
        "os.execv('/bin/true', ['true'])",
        "import subprocess; subprocess.run(['/bin/true'], check=True)",
        "assert os.system('true') == 0",
        "os.unshare(os.CLONE_NEWUSER)" if hasattr(os, "unshare") else "raise OSError",
        "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
        "import ctypes; assert ctypes.CDLL(None).syscall(56, 0x10000011, 0, 0, 0, 0) >= 0",  # clone, a user namespace
        "import ctypes; assert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
        "import ctypes; assert ctypes.CDLL(None).umount2(b'/proc', 2) == 0",
        "import ctypes; assert ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
        "import ctypes; assert ctypes.CDLL(None).syscall(425, 1, 0) >= 0",
        "import ctypes; assert ctypes.CDLL(None).syscall(321, 0, 0, 0) >= 0",
        "os.setuid(0)",
        "os.chroot('/tmp')",
        "os.mknod('/tmp/null', 0o20666, 0x103)",
        "os.sethostname('x')" if hasattr(os, "sethostname") else "raise OSError",
        "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6))",
    ],
)
def test_powers_are_gone(names, text):
    assert names["run"](text) != "done"


def test_magics_that_start_programs_fail_without_harm():
    with student("!touch /tmp/x\nlines = !ls\nx = 1") as names:
        assert names["x"] == 1 and names["lines"] == []


# ---------------------------------------------------------------------------------------------------- limits


def test_a_memory_bomb_is_an_error_of_the_cell():
    limits = PATIENT.with_(memory=300 << 20)
    process = the_judge().fork(limits)
    try:
        status, outputs = process.run("x = []\nwhile True: x.append(bytearray(10_000_000))", 1)
        assert status == "error" and outputs[-1]["ename"] == "MemoryError"
        assert process.run("x = None; 1 + 1", 2)[0] == "ok"
        status, outputs = process.run("import torch; torch.ones(10**9)", 3)
        assert status == "error" and "memory" in outputs[-1]["evalue"]
        assert process.cpu() > 0 and process.peak < 800 << 20
    finally:
        process.end()


def test_a_fork_bomb_is_bounded():
    limits = QUICK.with_(processes=40)
    code = """
import os
started = 0
try:
    while True:
        if os.fork() == 0:
            import time
            while True: time.sleep(1)
        started += 1
except BlockingIOError:
    pass
"""
    before = _processes()
    process = the_judge().fork(limits)
    try:
        assert process.run(code, 1)[0] == "ok"
        assert len(_processes() - before) < 45
        assert process.run("started", 2)[1][0]["data"]["text/plain"].isdigit()
    finally:
        process.end()
    assert _gone(_processes() - before)


def test_memory_of_many_processes_together_is_bounded():
    limits = PATIENT.with_(memory=400 << 20)
    code = """
import os, time
for _ in range(12):
    if os.fork() == 0:
        x = b"x" * 350_000_000
        time.sleep(100)
time.sleep(100)
"""
    process = the_judge().fork(limits)
    try:
        with pytest.raises(Gone) as caught:
            process.run(code, 1)
        assert caught.value.outcome == "memory"
    finally:
        process.end()


def test_a_disk_bomb_is_bounded(tmp_path):
    limits = PATIENT.with_(scratch=20 << 20, file_size=8 << 20)
    code = """
import os
written, errors, scratch = 0, set(), os.environ["TMPDIR"]
for folder in (scratch, "/dev/shm"):
    for i in range(20):
        try:
            with open(f"{folder}/f{i}", "wb") as f:
                for _ in range(16):
                    written += f.write(bytes(1 << 20))
        except OSError as error:
            errors.add(error.errno)
total = sum(os.path.getsize(f"{d}/{n}") for d in (scratch, "/dev/shm") for n in os.listdir(d))
files = 0
try:
    for files in range(10**6): open(f"{scratch}/work/{files}", "x").close()
except OSError: pass
"""
    with student(code, limits) as names:
        assert names["total"] <= 41 << 20 and names["files"] < 30_000
        import errno

        assert names["errors"] <= {errno.ENOSPC, errno.EFBIG} and names["errors"]


def test_open_files_are_bounded():
    with student("files = []\ntry:\n    while True: files.append(open('/dev/null'))\nexcept OSError: pass") as names:
        assert len(names["files"]) < 300


def test_an_endless_loop_is_stopped_and_the_state_survives():
    # on a busy machine it takes long to put the first error into words: the limit outside must not come before
    process = the_judge().fork(QUICK.with_(grace=8.0, wall_factor=10))
    try:
        process.run("x = 7", 1)
        status, outputs = process.run("while True: pass", 2)
        assert status == "time" and "In[2]" in str(outputs)
        assert process.run("x", 3)[1][0]["data"]["text/plain"] == "7"
    finally:
        process.end()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("sum(range(10**13))", None),
        ("import time\ntime.sleep(10_000)", None),
        ("import signal\nsignal.setitimer(signal.ITIMER_PROF, 0)\nwhile True: pass", None),
        # the limit rings again and again, until it is heard outside of the `try`
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "time"),
        ("import threading\nthreading.Thread(target=lambda: sum(range(10**13))).start()", None),
        ("import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin).start()", "ok"),
    ],
    ids=["in C", "sleeping", "timer off", "swallowed", "thread in C", "thread"],
)
def test_what_cannot_be_interrupted_is_killed(code, status):
    before = _processes()
    process = the_judge().fork(QUICK.with_(submission_seconds=6))
    ended, seen = None, None
    try:
        seen, _ = process.run(code, 1)
        for number in range(2, 60):  # what goes on after its cell ends with the time for all
            process.run("import time; time.sleep(1)" if status == "ok" else "1", number)
    except Gone as gone:
        ended = gone.outcome
    finally:
        process.end()
    assert (seen, ended) == (status, None if status == "time" else "time")
    assert _gone(_processes() - before)


def test_processes_that_outlive_the_cell_are_ended():
    code = """
import os, signal
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        if os.fork() == 0:
            while True: pass
        os._exit(0)
"""
    before = _processes()
    process = the_judge().fork(QUICK)
    process.run(code, 1)
    process.end()
    assert _gone(_processes() - before)


def test_signals_reach_nothing_else():
    process = the_judge().fork(QUICK)
    try:
        kill = "    try: os.kill(target, signal.SIGKILL)\n    except OSError: pass"
        code = f"import os, signal\nfor target in (0, -1, 1):\n{kill}"
        assert process.run(code, 1)[0] == "ok" and the_judge().zygote().alive()
        assert process.run("1", 2)[0] == "ok"
    finally:
        process.end()
    with student("x = 1") as names:
        assert names["x"] == 1


def test_many_copies_can_wait():
    process = the_judge().fork(QUICK)
    try:
        process.run("def f(): return 5", 1)
        copies = [process.copy(0) for _ in range(45)]
        assert [c.link.request("name", "f")[1]() for c in copies] == [5] * 45
        for c in copies:
            c.end()
    finally:
        process.end()


def test_a_copy_is_apart_from_the_others():
    process = the_judge().fork(QUICK)
    try:
        process.run("state = []\ndef add(): state.append(1); return len(state)", 1)
        first, second = process.copy(0), process.copy(0)
        assert [first.link.request("name", "add")[1]() for _ in range(3)] == [1, 2, 3]
        assert second.link.request("name", "add")[1]() == 1
        assert process.run("len(state)", 2)[1][0]["data"]["text/plain"] == "0"
    finally:
        process.end()


BUSY = """
import time
def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
    return True
"""


def test_the_time_of_a_copy_is_its_own_and_only_the_named_one_is_ended():
    process = the_judge().fork(QUICK)
    try:
        process.run(BUSY, 1)
        idle, busy, third = (process.copy(0) for _ in range(3))
        assert busy.link.request("name", "work")[1](0.3)
        everyone, own = process.times(busy.number)
        assert 0.25 <= own <= everyone
        assert process.times(idle.number)[1] < 0.2
        process.kill(busy.number + 1000)  # nobody's number: nothing happens
        process.kill(busy.number)
        with pytest.raises(Gone):  # soon: nobody waits for the end of a copy
            for _ in range(10_000):
                busy.link.request("name", "work")[1](0.001)
        assert process.times(busy.number + 1000)[1] == 0
        for copy in (idle, third):
            assert copy.link.request("name", "work")[1](0.0)
    finally:
        process.end()


THREADS = """
import torch
from coursekit import setup
setup("01_optimization")
torch.set_num_threads(4)
net = torch.nn.Sequential(*[torch.nn.Conv2d(a, 16, 3, padding=1) for a in (3, 16, 16)])
def train():
    for size in (15, 8, 4):
        net(torch.randn(8, 3, size, size)).sum().backward()
    return torch.get_num_threads()
"""


def test_threads_that_a_notebook_asks_for_do_not_hang_it():
    """oneDNN waits for ever for threads that were set and cannot be started."""
    with student(THREADS) as names:
        assert names["train"]() == 1


# ------------------------------------------------------------------------------------------------ fewer walls


def test_missing_walls_are_refused_and_named(monkeypatch):
    judge = the_judge()
    with pytest.raises(WallsMissing) as caught:
        check_walls(["net", "landlock"], fewer_walls=False)
    assert "network" in str(caught.value) and "Landlock" in str(caught.value) and "fewer" in str(caught.value)
    check_walls(["net"], fewer_walls=True)
    check_walls([], fewer_walls=False)
    assert judge.walls_missing == []


WITHOUT_SPACES = """
import sys
from autograder.judge import syscalls
def refused(*args):
    raise OSError(1, "refused")
syscalls.unshare = refused
from autograder.judge.zygote import main
main()
"""


def test_without_namespaces_it_runs_with_fewer_walls_and_says_so(monkeypatch):
    """A kernel that refuses namespaces, imitated in the zygote."""
    the_judge()
    real = subprocess.Popen

    def popen(command, **options):
        return real([*command[:-1], WITHOUT_SPACES], **options)

    monkeypatch.setattr(warm.subprocess, "Popen", popen)
    zygote = warm.Zygote()
    try:
        assert {"tree", "user", "pid", "net", "ipc"} <= set(zygote.walls_missing) <= set(WALLS)
        process = zygote.fork(QUICK)
        try:
            assert "scratch" in process.walls_missing
            status, outputs = process.run(
                PROBE + "\nprint(read('/etc/shadow'), make(2, 1), os.getuid(), os.getcwd())", 1
            )
            assert status == "ok" and outputs[0]["text"].split()[:2] == ["PermissionError", "PermissionError"]
            folder = Path(outputs[0]["text"].split()[3])
            assert folder.is_dir()
        finally:
            process.end()
        assert not folder.exists()
    finally:
        zygote.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="drops from root to another user")
def test_it_stands_without_root(tmp_path):
    """The whole sandbox as an unprivileged user, who may see this installation through a mount of our own."""
    script = tmp_path / "run.py"
    script.write_text(
        "from autograder.tests.judging import student, the_judge\n"
        "with student('import os\\ndef who(): return os.getuid(), os.path.exists(\"/etc/shadow\")') as names:\n"
        "    print('walls', the_judge().walls_missing, names['who']())\n"
    )
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:  # pytest's own folders, one more of them under its parallel workers
        with contextlib.suppress(OSError):
            if folder.stat().st_mode & 0o005 != 0o005 and folder.name.startswith(("pytest", "popen")):
                folder.chmod(0o755)
    home = Path(sys.base_prefix).resolve()
    top = Path(*home.parts[:2])  # its first folder may be closed to others, as a home of root is
    steps = f"""
set -e
keep=$(mktemp -d)
mount --bind {home} "$keep"
mount -t tmpfs -o mode=755 tmpfs {top}
mkdir -p {home}
mount --move "$keep" {home}
cd /
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all \\
    env HOME=/tmp PYTHONPATH={ROOT}:{ROOT}/course {sys.executable} {script}
"""
    open_to_others = top.stat().st_mode & 0o005 == 0o005
    if open_to_others:
        steps = steps[: steps.index("keep=")] + steps[steps.index("cd /") :]
    done = subprocess.run(["unshare", "-m", "sh", "-c", steps], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "walls [] (1000, False)", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("shown", "scratch"),
    [
        (["/srv/course", "/usr"], "/tmp"),
        (["/tmp/course"], "/scratch"),
        (["/usr", "/tmp"], "/scratch"),
        (["/tmpfiles"], "/tmp"),
    ],
)
def test_a_course_in_the_temporary_folder_is_not_covered(shown, scratch):
    assert scratch_for(shown) == scratch


def _processes() -> set[int]:
    """The processes of this test's own judge."""
    return set(family(the_judge().zygote().process.pid))


def _gone(pids: set[int]) -> bool:
    return ends(lambda: not pids & _processes())
