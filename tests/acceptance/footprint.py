"""What a process takes, read from /proc."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A process, its children included."""

    resident_bytes: int
    mapped: frozenset[str]
    """Files in its address space."""


def footprint(pid: int) -> Footprint | None:
    """Return what a process takes now; None where the system has no /proc."""
    if not Path("/proc/self/status").exists():
        return None
    resident, mapped = 0, set[str]()
    for each in _with_children(pid):
        resident += _resident(each)
        lines = (Path("/proc") / str(each) / "maps").read_text().splitlines()
        mapped |= {line.split(maxsplit=5)[5] for line in lines if line.count("/")}
    return Footprint(resident_bytes=resident, mapped=frozenset(mapped))


def _resident(pid: int) -> int:
    lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    kibibytes, unit = line.split()[1:]
    assert unit == "kB"
    return int(kibibytes) * 1024


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for tasks in (Path("/proc") / str(parent) / "task").iterdir():
            found += map(int, (tasks / "children").read_text().split())
    return found
