"""The processes of a machine, and which devices they have open, read from ``/proc``.

Root sees all of them, everybody else only what his own have open.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from esperctl.doctor.machine import Machine

_COMMAND_LENGTH: Final = 60
_MASTERS: Final = ("/dev/ptmx", "/dev/pts/ptmx")
# Source: Linux, drivers/tty/pty.c, pty_show_fdinfo.
_MASTER_OF: Final = re.compile(r"(?m)^tty-index:\s*(\d+)$")


@dataclass(frozen=True, slots=True)
class Process:
    """A process."""

    pid: int
    name: str
    command: str
    """Its command line, shortened."""

    arguments: tuple[str, ...]
    uid: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a device open."""

    process: Process
    device: str


def processes(machine: Machine) -> Iterator[Process]:
    """All of them."""
    for pid in _pids(machine):
        process = process_of(machine, pid)
        if process is not None:
            yield process


def process_of(machine: Machine, pid: int) -> Process | None:
    """The process of this number; None when it has ended."""
    name = machine.read(f"/proc/{pid}/comm")
    if name is None:
        return None
    text = machine.read(f"/proc/{pid}/cmdline") or ""
    status = machine.status(f"/proc/{pid}")
    arguments = tuple(text.rstrip("\0").split("\0")) if text else ()
    command = " ".join(arguments) or name.strip()
    shown = command if len(command) <= _COMMAND_LENGTH else f"{command[: _COMMAND_LENGTH - 1]}…"
    return Process(pid, name.strip(), shown, arguments, -1 if status is None else status.st_uid)


def working_folder(machine: Machine, pid: int) -> str | None:
    """The folder that a process is in; None where it may not be seen."""
    try:
        return os.readlink(machine.path(f"/proc/{pid}/cwd"))  # noqa: PTH115 - a text, not a file
    except OSError:
        return None


def holders(machine: Machine, devices: frozenset[str]) -> Iterator[Holder]:
    """Who has which of *devices* open, each pair once; devices are real names such as ``/dev/ttyUSB0``.

    A pseudo-terminal is always held by the program that made it, which is its other end and in nobody's way.
    """
    for process in processes(machine):
        held = devices & _open_files(machine, process.pid).keys()
        if held:
            for device in sorted(held - _other_ends(machine, process.pid)):
                yield Holder(process, device)


def hides_some(machine: Machine) -> bool:
    """Whether there are processes whose open files this user may not see."""
    return any(not os.access(machine.path(f"/proc/{pid}/fd"), os.R_OK | os.X_OK) for pid in _pids(machine))


def _pids(machine: Machine) -> list[int]:
    return sorted(int(name) for name in machine.names("/proc") if name.isdigit())


def _open_files(machine: Machine, pid: int) -> dict[str, list[str]]:
    """What a process has open, each with the numbers of its descriptors."""
    found: dict[str, list[str]] = {}
    for number in machine.names(f"/proc/{pid}/fd"):
        try:
            # Not stat: that would follow the link, and can hang on somebody else's dead network file.
            name = os.readlink(machine.path(f"/proc/{pid}/fd/{number}"))  # noqa: PTH115 - thousands of files
        except OSError:
            continue  # closed meanwhile
        found.setdefault(name, []).append(number)
    return found


def _other_ends(machine: Machine, pid: int) -> frozenset[str]:
    """The pseudo-terminals that a process made: of each it has the master, whose number the kernel tells."""
    files = _open_files(machine, pid)
    texts = [machine.read(f"/proc/{pid}/fdinfo/{number}") or "" for name in _MASTERS for number in files.get(name, ())]
    return frozenset(f"/dev/pts/{found[1]}" for text in texts if (found := _MASTER_OF.search(text)))
