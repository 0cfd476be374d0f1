"""The walls around a student's process, by plain system calls. Standard library only.

Two steps. The zygote's launcher calls `enclose` before anything is imported: a file tree of its own,
which holds the Python installation, coursekit, the data and nothing else of the repository. Each fork of
the zygote calls `separate` (supervisor) and `confine` (student): own user, process, network, ipc and
mount namespaces, a private scratch file system, no capabilities, Landlock, a system call filter and
resource limits.

Walls that the machine cannot give are found by trying, once, when the zygote starts.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from collections.abc import Callable

from . import syscalls as sc

WALLS = {
    "tree": "a file tree of its own (mount namespaces): without it Landlock alone guards the files, and a Python "
    "installation that holds this package shows its hidden tests",
    "user": "a user namespace: without it the student's code runs as the user who grades",
    "pid": "a process namespace: without it other processes can be seen, and ones left behind may survive",
    "net": "a network namespace: without it Landlock and the system call filter alone guard the network",
    "ipc": "an ipc namespace: without it shared memory of other processes can be opened",
    "scratch": "a private scratch file system: without it files fill the disk up to the limit on each file",
    "landlock": "Landlock's list of allowed files (Linux 5.13 or later)",
    "seccomp": "the system call filter",
    "limits": "resource limits",
}
SCRATCH = "/tmp"  # set anew by `_build_tree` where the course or Python lies in there
NOBODY = 65534
RESERVED_FILES = 32  # for a copy of a process that has left too many files open

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/sys/devices/system/cpu")
_ETC = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/fonts", "/etc/localtime",
    "/etc/timezone", "/etc/alternatives", "/etc/mime.types",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class WallsMissing(RuntimeError):
    """The machine cannot build the whole sandbox; `walls` names what is missing."""

    def __init__(self, walls: list[str]):
        self.walls = walls
        lines = [f"  {name}: {WALLS.get(name, name)}" for name in walls]
        super().__init__(
            "student code cannot be sandboxed fully here; missing:\n" + "\n".join(lines) + "\n"
            "Grade on Linux with user namespaces and Landlock, or accept fewer walls explicitly "
            "(--fewer-walls; in nbgrader_config.py c.RunSubmission.fewer_walls = True), best as a user who "
            "owns nothing of value."
        )


# ------------------------------------------------------------------------------------------ the zygote's tree


def enclose(visible: list[str], hidden: list[str], within_hidden: list[str], missing: list[str]) -> None:
    """Put this process into a file tree with nothing but the system, `visible` and `within_hidden` in it.

    All are absolute paths, found in the tree at the same place and read only; folders `hidden` that a visible one
    would show are empty but for `within_hidden`. Appends to `missing` the walls that could not be built. Returns
    in a child process, which is the first of its process namespace; the caller's process ends with it.
    """
    spaces = ["user", "pid", "net", "ipc"]
    root = sc.LINUX and os.geteuid() == 0
    try:
        if not sc.LINUX:
            raise OSError("not Linux")
        if root:  # the tree is made with the power of root, which is then given up
            sc.unshare(sc.CLONE_NEWNS)
        else:
            _new_user(sc.CLONE_NEWNS)
        _build_tree(visible, hidden, within_hidden)
    except OSError:
        missing.extend(["tree", *spaces] if not sc.LINUX else ["tree"])
        if not sc.LINUX:
            return
    if root and "tree" not in missing:  # without a tree this user could not read the Python installation
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        sc.prctl(sc.PR_SET_DUMPABLE, 1)
    try:
        _new_user(sc.CLONE_NEWNS | sc.CLONE_NEWPID | sc.CLONE_NEWNET | sc.CLONE_NEWIPC | sc.CLONE_NEWUTS)
    except OSError:
        missing.extend(spaces)
        return
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    sc.prctl(sc.PR_SET_PDEATHSIG, 9)
    if "tree" not in missing:
        _own_proc()


def _new_user(more: int) -> None:
    """Enter a new user namespace, and others with it, as an unprivileged user of it."""
    uid, gid = os.geteuid(), os.getegid()
    sc.unshare(sc.CLONE_NEWUSER | more)
    for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def scratch_for(shown: list[str]) -> str:
    """The student's own folder: `/tmp`, or `/scratch` where one of the shown paths lies in `/tmp` and an empty
    file system mounted there would cover it."""
    inside = any(f"{path}/".startswith("/tmp/") for p in shown for path in (p, os.path.realpath(p)))
    return "/scratch" if inside else "/tmp"


def _build_tree(visible: list[str], hidden: list[str], within_hidden: list[str]) -> None:
    global SCRATCH
    SCRATCH = scratch_for([*visible, *within_hidden])
    sc.mount("none", "/", "", sc.MS_REC | sc.MS_PRIVATE)
    sources = [p for p in (*_SYSTEM, *_ETC, *visible, *within_hidden) if os.path.exists(p)]
    used = [os.path.realpath(p) + "/" for p in sources]
    places = ("/mnt", "/media", "/srv", "/run", "/var", "/tmp")
    place = next(p for p in places if os.path.isdir(p) and not any(u.startswith(p + "/") for u in used))
    sc.mount("tmpfs", place, "tmpfs", sc.MS_NOSUID | sc.MS_NODEV, "mode=755,size=64m")
    for path in _SYSTEM + _ETC:
        _show(place, path)
    for path in visible:
        _show(place, path)
    for cover in hidden:  # what a visible folder shows although nothing in it is wanted
        target = place + cover
        if os.path.isdir(target):
            sc.mount("tmpfs", target, "tmpfs", sc.MS_NOSUID | sc.MS_NODEV, "mode=755,size=1m")
    for path in within_hidden:
        _show(place, path)
    for device in _DEVICES:
        _show(place, device, devices=True)
    for folder in ("/proc", "/dev/shm", SCRATCH, "/old"):
        os.makedirs(place + folder, exist_ok=True)
    os.symlink("/proc/self/fd", place + "/dev/fd")
    sc.mount("/proc", place + "/proc", "", sc.MS_BIND | sc.MS_REC)
    os.chdir(place)
    sc.pivot_root(place, place + "/old")
    os.chdir("/")
    sc.unmount("/old")
    os.rmdir("/old")
    for folder in (SCRATCH, "/dev/shm"):
        sc.mount("tmpfs", folder, "tmpfs", sc.MS_NOSUID | sc.MS_NODEV, "mode=1777,size=64m")
    sc.mount("none", "/", "", sc.MS_BIND | sc.MS_REMOUNT | sc.MS_RDONLY | sc.MS_NOSUID | sc.MS_NODEV)


def _show(place: str, path: str, devices: bool = False) -> None:
    """Bind `path` into the tree, read only; a link stays a link."""
    target = place + path
    if not os.path.lexists(path) or os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        with open(target, "wb"):
            pass
    sc.mount(path, target, "", sc.MS_BIND | sc.MS_REC)
    kept = os.statvfs(target).f_flag & (sc.MS_NOSUID | sc.MS_NODEV | sc.MS_NOEXEC | 1024 | 2048 | 4096)
    flags = _mount_flags(kept) | sc.MS_NOSUID | (0 if devices else sc.MS_NODEV | sc.MS_RDONLY)
    with contextlib.suppress(OSError):  # Landlock and the file's own mode still stand
        sc.mount("none", target, "", sc.MS_BIND | sc.MS_REMOUNT | flags)


def _mount_flags(seen: int) -> int:
    """Flags for mount from those of statvfs: the access time ones have other numbers."""
    times = {1024: 1024, 2048: 2048, 4096: 1 << 21}
    return (seen & 15) | sum(new for old, new in times.items() if seen & old)


def _own_proc() -> None:
    """A /proc of this process namespace; where the kernel refuses one, an empty folder."""
    try:
        sc.mount("proc", "/proc", "proc", sc.MS_NOSUID | sc.MS_NODEV | sc.MS_NOEXEC)
    except OSError:
        sc.mount("tmpfs", "/proc", "tmpfs", sc.MS_NOSUID | sc.MS_NODEV, "mode=555,size=0")


# --------------------------------------------------------------------------------- a fork for one submission


def separate(missing: list[str]) -> None:
    """In the supervisor, before it forks the student: namespaces for the child. Appends what is missing."""
    spaces = sc.CLONE_NEWPID | sc.CLONE_NEWNET | sc.CLONE_NEWIPC | sc.CLONE_NEWUTS
    try:
        if not sc.LINUX:
            raise OSError("not Linux")
        _new_user(spaces)
    except OSError:
        missing.extend(["user", "pid", "net", "ipc"])


def confine(
    readable: list[str],
    limits: dict[str, float],
    missing: list[str],
    own_spaces: bool,
    own_tree: bool,
) -> None:
    """In the student's process: every wall that is left. Appends to `missing` what could not be built."""
    writable = [SCRATCH, "/dev/null", "/dev/shm"]

    def scratch() -> None:
        if not (own_spaces and own_tree):
            raise OSError("no namespace to mount in")
        sc.unshare(sc.CLONE_NEWNS)
        flags, size = sc.MS_NOSUID | sc.MS_NODEV, int(limits["scratch"])
        sc.mount("tmpfs", SCRATCH, "tmpfs", flags, f"mode=700,size={size},nr_inodes=20000")
        sc.mount("tmpfs", "/dev/shm", "tmpfs", flags, f"mode=700,size={size},nr_inodes=1000")
        with contextlib.suppress(OSError):
            sc.mount("proc", "/proc", "proc", flags | sc.MS_NOEXEC)
        os.makedirs(f"{SCRATCH}/work")
        os.chdir(f"{SCRATCH}/work")

    def files() -> None:
        if not sc.landlock_version():
            raise OSError("no Landlock")
        system = ["/usr", "/lib", "/lib64", "/bin", "/sys/devices/system/cpu", "/proc", "/dev", *_ETC]
        sc.landlock([*system, *readable], writable)

    def calls() -> None:
        if not sc.LINUX:
            raise OSError("not Linux")
        sc.seccomp()

    def resources() -> None:
        size = _address_space()
        for kind, value in (
            ("RLIMIT_AS", size + limits["memory"] if size else 0),
            ("RLIMIT_FSIZE", limits["file_size"]),
            ("RLIMIT_NPROC", limits["processes"] if own_spaces else 0),
            ("RLIMIT_CORE", None),
            # A net under the judge's own limit, which kills first. Equal soft and hard limits: the first process
            # of a namespace never gets the soft one's signal.
            ("RLIMIT_CPU", math.ceil(limits["submission_seconds"] + limits["grace"]) + 3),
        ):
            if value != 0:
                amount = int(value or 0)
                resource.setrlimit(getattr(resource, kind), (amount, amount))
        files = int(limits["open_files"])
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files + RESERVED_FILES))

    def powers() -> None:
        if sc.LINUX:
            sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
            sc.drop_capabilities()

    steps: list[tuple[str, Callable[[], None]]] = [
        ("scratch", scratch),
        ("limits", resources),
        ("user", powers),
        ("landlock", files),
        ("seccomp", calls),
    ]
    for name, step in steps:
        try:
            step()
        except (OSError, ValueError):
            if name not in missing:
                missing.append(name)


def _address_space() -> int:
    """Bytes of address space that this process has, 0 where that cannot be told."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 0


def close_files(kept: set[int]) -> None:
    """Close every descriptor but the kept ones; 0, 1 and 2 lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if number not in kept:
            os.dup2(nowhere, number)
    highest = 2
    for number in sorted(kept):
        os.closerange(highest + 1, number)
        highest = max(highest, number)
    os.closerange(highest + 1, max(highest + 2, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536)))
