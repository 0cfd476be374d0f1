"""How much a submission may use. Every limit has its own message in the feedback."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one submission; seconds are CPU seconds unless the name says wall.

    Wall limits are only a net under sleeping code: they are wide, so that a busy machine fails nobody.
    """

    cell_seconds: float = 60.0  # one cell of the student's
    call_seconds: float = 10.0  # one call from a test into the student's code
    test_seconds: float = 60.0  # one test cell, all its calls together
    submission_seconds: float = 180.0  # all of it
    replay_seconds: float = 60.0  # what is left at least when it is run again without the offending cell
    grace: float = 2.0  # from the limit inside the student's process to the one outside, which kills
    wall_factor: float = 4.0  # a wall limit is so many times the CPU limit ...
    wall_extra: float = 10.0  # ... and so many seconds more
    memory: int = 2048 * MIB  # above what the warm process has
    processes: int = 256  # threads and processes together, the waiting copies included
    file_size: int = 64 * MIB
    scratch: int = 128 * MIB  # the private file system
    open_files: int = 256
    message: int = 64 * MIB  # one message on the wire
    replays: int = 2  # how often a killed process is started again without the offending cell

    def wall(self, cpu_seconds: float) -> float:
        """The wall limit that goes with a CPU limit."""
        return cpu_seconds * self.wall_factor + self.wall_extra

    def with_(self, **changes: float) -> Limits:
        """A copy with some limits changed; `TypeError` for an unknown name."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, float]:
        """As plain data: part of a record's key and what the zygote is told."""
        return asdict(self)
