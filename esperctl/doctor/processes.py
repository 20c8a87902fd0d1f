"""The processes of a machine, and which devices they have open, read from ``/proc``.

Root sees all of them, everybody else only what his own have open.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from esperctl.doctor.machine import Machine

_COMMAND_LENGTH: Final = 60


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
        name = machine.read(f"/proc/{pid}/comm")
        if name is None:
            continue  # it ended meanwhile
        text = machine.read(f"/proc/{pid}/cmdline") or ""
        status = machine.status(f"/proc/{pid}")
        arguments = tuple(text.rstrip("\0").split("\0")) if text else ()
        command = " ".join(arguments) or name.strip()
        shown = command if len(command) <= _COMMAND_LENGTH else f"{command[: _COMMAND_LENGTH - 1]}…"
        yield Process(pid, name.strip(), shown, arguments, -1 if status is None else status.st_uid)


def holders(machine: Machine, devices: frozenset[str]) -> Iterator[Holder]:
    """Who has which of *devices* open, each pair once; devices are real names such as ``/dev/ttyUSB0``."""
    for process in processes(machine):
        for device in sorted(devices & _open_files(machine, process.pid)):
            yield Holder(process, device)


def hides_some(machine: Machine) -> bool:
    """Whether there are processes whose open files this user may not see."""
    return any(not os.access(machine.path(f"/proc/{pid}/fd"), os.R_OK | os.X_OK) for pid in _pids(machine))


def _pids(machine: Machine) -> list[int]:
    return sorted(int(name) for name in machine.names("/proc") if name.isdigit())


def _open_files(machine: Machine, pid: int) -> frozenset[str]:
    found: set[str] = set()
    for number in machine.names(f"/proc/{pid}/fd"):
        try:
            # Not stat: that would follow the link, and can hang on somebody else's dead network file.
            found.add(os.readlink(machine.path(f"/proc/{pid}/fd/{number}")))  # noqa: PTH115 - thousands of files
        except OSError:
            continue  # closed meanwhile
    return frozenset(found)
