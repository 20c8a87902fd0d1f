"""Processes, as the kernel sees them. Source: proc(5)."""

from pathlib import Path


def children(pid: int | str = "self") -> list[int]:
    """The processes that one has started, ours by default, and that are not over and reaped."""
    lists = (task.read_text("ascii") for task in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for listed in lists for child in listed.split()]


def is_running(pid: int) -> bool:
    """Whether a process is there, and is not one that only waits to be reaped by whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
