"""Linux system calls that Python has no function for. Standard library only; every failure is an
`OSError`."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

LINUX = sys.platform == "linux"
ARCH = platform.machine()

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_LANDLOCK = (444, 445, 446)  # the same on all architectures
_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces of these kinds."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount, bind or remount."""
    arguments = [source.encode(), target.encode(), kind.encode(), flags, data.encode()]
    _checked(_libc.mount(*arguments[:3], ctypes.c_ulong(arguments[3]), arguments[4]), f"mount {target}")


def unmount(target: str) -> None:
    """Detach a mount."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root and hang the old one under `old`."""
    _checked(_libc.syscall(_PIVOT_ROOT[ARCH], new.encode(), old.encode()), "pivot_root")


def prctl(option: int, *values: int) -> None:
    """One of the process's switches."""
    padded = [ctypes.c_ulong(v) for v in (*values, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *padded), f"prctl {option}")


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:
            break  # there are no more
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    _checked(_libc.syscall(_CAPSET[ARCH], ctypes.byref(header), ctypes.byref(data)), "capset")


# ------------------------------------------------------------------------------------------------- landlock

_READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read a file, read a directory
_ONLY_DIRECTORIES = (1 << 3) | (0x1FF << 4) | (1 << 13)


class _RulesetAttr(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("access", ctypes.c_uint64), ("fd", ctypes.c_int32)]


def landlock_version() -> int:
    """The version of Landlock's interface, 0 where there is none."""
    if not LINUX:
        return 0
    return max(_libc.syscall(_LANDLOCK[0], None, ctypes.c_size_t(0), 1), 0)


def landlock(readable: list[str], writable: list[str]) -> None:
    """From now on only these files and folders can be opened, and there is no TCP and no reaching out."""
    version = landlock_version()
    every = (1 << {1: 13, 2: 14}.get(version, 15 if version < 5 else 16)) - 1
    attr = _RulesetAttr(every, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(_libc.syscall(_LANDLOCK[0], ctypes.byref(attr), ctypes.c_size_t(size), 0), "landlock")
    try:
        for paths, access in ((readable, _READ), (writable, every & ~1)):
            for path in paths:
                _landlock_path(ruleset, path, access)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        _checked(_libc.syscall(_LANDLOCK[2], ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def _landlock_path(ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    try:
        if not os.path.isdir(path):
            access &= ~_ONLY_DIRECTORIES
        rule = _PathBeneath(access, place)
        _checked(_libc.syscall(_LANDLOCK[1], ruleset, 1, ctypes.byref(rule), 0), f"landlock {path}")
    finally:
        os.close(place)


# -------------------------------------------------------------------------------------------------- seccomp

_EPERM, _ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_FIRST_ARGUMENT = 16
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# number on x86_64, on aarch64 (None: does not exist there)
_REFUSED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "unshare": (272, 97), "setns": (308, 268),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "syslog": (103, 116), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "execve": (59, 221), "execveat": (322, 281), "personality": (135, 92),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_NEW_SPACES = 0x7E020000  # the flags of clone that ask for namespaces
_AF_UNIX = 1


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction))]


def seccomp() -> None:
    """Refuse system calls that no notebook needs: other programs, other processes' memory, mounts, namespaces,
    sockets but local ones. `OSError` where the kernel or the processor's architecture is not supported."""
    if ARCH not in _AUDIT:
        raise OSError(_ENOSYS, f"no system call filter for {ARCH}")
    column = 0 if ARCH == "x86_64" else 1
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _AUDIT[ARCH]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if ARCH == "x86_64":  # calls of the x32 interface have other numbers for the same things
        program += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    for numbers in _REFUSED.values():
        if numbers[column] is not None:
            program += [(_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    # the flags of clone3 lie in memory and cannot be looked at; without it the C library uses clone
    program += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | _ENOSYS)]
    program += [(_EQUAL, 0, 4, _CLONE[ARCH]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_OF, 0, 1, _NEW_SPACES)]
    program += [(_RETURN, 0, 0, _ERRNO | _EPERM), (_RETURN, 0, 0, _ALLOW)]
    program += [(_EQUAL, 0, 4, _SOCKET[ARCH]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 1, 0, _AF_UNIX)]
    program += [(_RETURN, 0, 0, _ERRNO | _EPERM), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ALLOW)]
    array = (_Instruction * len(program))(*(_Instruction(*line) for line in program))
    whole = _Program(len(program), ctypes.cast(array, ctypes.POINTER(_Instruction)))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(whole), zero, zero), "seccomp")
