"""What the kernel knows about a process and its children: CPU time, context switches, memory. Source: proc(5)."""

import os
import time
from pathlib import Path
from typing import Final

_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# The clock of a process's CPU time, by the kernel's rule for its number: the complement of the id, shifted left by
# three, or 2 for the scheduler's own count. Unlike the sum over /proc/PID/task it keeps threads that have ended.
# Source: linux/include/linux/posix-timers_types.h, CPUCLOCK_SCHED.
_SCHEDULER_CLOCK: Final = 2


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def cpu_ns(root: int) -> int:
    """CPU time of a process, of its descendants, and of those that they have waited for."""
    total = 0
    for pid in tree(root):
        fields = _stat(pid)
        if fields:
            reaped_ticks = int(fields[13]) + int(fields[14])
            total += time.clock_gettime_ns((~pid) << 3 | _SCHEDULER_CLOCK) + reaped_ticks * _TICK_NS
    return total


def context_switches(root: int) -> dict[str, int]:
    """How often each thread (by its folder in /proc) gave the processor away by waiting."""
    tasks = [task for pid in tree(root) for task in Path(f"/proc/{pid}/task").iterdir()]
    return {str(task): _status(task / "status", "voluntary_ctxt_switches") for task in tasks}


def wakeups(before: dict[str, int], after: dict[str, int]) -> int:
    """How often threads ran between two counts; one that has ended ran once for that."""
    ended = len(before.keys() - after.keys())
    return ended + sum(count - before.get(task, 0) for task, count in after.items())


def peak_memory_mb(root: int) -> float:
    """The most resident memory that the processes had, together."""
    return sum(_status(Path(f"/proc/{pid}/status"), "VmHWM") for pid in tree(root)) / 1024


def resident_memory_mb(pid: int) -> float:
    """The resident memory of one process now."""
    return _status(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def _status(path: Path, field: str) -> int:
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0
