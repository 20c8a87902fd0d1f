"""A command and all that it starts, as ``/proc`` shows them; also those whose parents have ended meanwhile.

Those are told by a mark in their environment, which all that a command starts inherits.
"""

import contextlib
import os
import signal
import time
from typing import Final

import msgspec

_STAT_FIELDS: Final = 20
# From the request to end to the end by force, and how often it is looked meanwhile.
_GRACE_S: Final = 5.0
_LOOK_S: Final = 0.05
# What is ended by force may be starting others at that moment.
_ROUNDS: Final = 3
_MARKS: Final = "ESPERCTL_RUN"
_MARK_BYTES: Final = 16


class _Process(msgspec.Struct, frozen=True):
    """One line of the list of processes; a pid is used again, but not with the same time of start."""

    pid: int
    parent: int
    started: int


class ProcessTree:
    """Remembers who belongs to it each time that it is asked."""

    def __init__(self) -> None:
        self._mark = os.urandom(_MARK_BYTES).hex()
        self._known: dict[int, int] = {}

    def marked(self, environment: dict[str, str]) -> dict[str, str]:
        """The environment of a command that belongs to it, and perhaps to others, as does one within one."""
        marks = f"{environment.get(_MARKS, '')} {self._mark}".strip()
        return {**environment, _MARKS: marks}

    def add(self, pid: int) -> None:
        """From now on *pid* and its descendants belong to it."""
        self._known.update({process.pid: process.started for process in _running() if process.pid == pid})

    def alive(self) -> list[int]:
        """Those that have not ended."""
        processes = _running()
        self._known = {
            process.pid: process.started
            for process in processes
            if self._known.get(process.pid) == process.started or self._is_marked(process.pid)
        }
        grown = True
        while grown:
            found = [p for p in processes if p.parent in self._known and p.pid not in self._known]
            self._known.update({process.pid: process.started for process in found})
            grown = bool(found)
        return list(self._known)

    def send(self, number: int) -> None:
        """Sends a signal to all of them."""
        for pid in self.alive():
            # Ended meanwhile, or another user's by now.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def end(self) -> None:
        """Asks all of them to end, and after the grace makes those end that did not. Takes as long as that."""
        self.send(signal.SIGTERM)
        until = time.monotonic() + _GRACE_S
        while self.alive() and time.monotonic() < until:
            time.sleep(_LOOK_S)  # noqa: TID251 - no event loop here, and grandchildren tell nobody that they end
        for _ in range(_ROUNDS):
            self.send(signal.SIGKILL)

    def _is_marked(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - hundreds of pseudo-files
                return self._mark.encode() in file.read()
        except OSError:
            return False  # ended meanwhile, or another user's


def _running() -> list[_Process]:
    found = (_look_at(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())
    return [process for process in found if process is not None]


def _look_at(pid: str) -> _Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - hundreds of pseudo-files
            # Its name stands in parentheses, and may contain some. Source: proc(5), stat: from the third field on.
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return None  # ended meanwhile
    if len(fields) < _STAT_FIELDS or fields[0] in (b"Z", b"X"):
        return None
    return _Process(int(pid), int(fields[1]), int(fields[19]))
