"""What the checks may look at: files below a root, the user, the clock. Tests bring a made-up one."""

import ctypes
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from esperctl.local_configuration import Configuration, ask_configuration

_MAX_READ_BYTES: Final = 1024 * 1024
# adjtimex(2): the size of struct timex on every Linux is below this; TIME_ERROR is its answer for "not synchronised".
_TIMEX_BYTES: Final = 512
_TIME_ERROR: Final = 5
_READ_AND_WRITE: Final = 0o6


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Of the file system that a folder is in, for unprivileged users."""

    total_bytes: int
    free_bytes: int
    free_inodes_percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine and the user who asks.

    All paths are as on the machine, e.g. ``/dev/ttyUSB0``; ``root`` is where they begin.
    """

    root: Path
    environment: Mapping[str, str]
    uid: int
    groups: frozenset[int]
    now_ns: int
    disk_space: Callable[[Path], DiskSpace]
    clock_is_synchronised: Callable[[], bool | None]
    configuration: Callable[[str], Configuration]
    """What the daemon makes of a configuration file, or of none (an empty name)."""

    def path(self, name: str) -> Path:
        """Where the file that the machine calls *name* is."""
        return self.root / name.lstrip("/")

    def exists(self, name: str) -> bool:
        """Whether there is such a file, and it may be looked at."""
        try:
            return self.path(name).exists()
        except OSError:
            return False

    def may_exist(self, name: str) -> bool:
        """Whether there is such a file, or one may not find out, as in a folder that one may not enter."""
        try:
            self.path(name).stat()
        except PermissionError:
            return True
        except OSError:
            return False
        return True

    def read(self, name: str) -> str | None:
        """The beginning of a text file; None where it can't be read."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(_MAX_READ_BYTES).decode("utf-8", "replace")
        except OSError:
            return None

    def names(self, folder: str) -> list[str]:
        """What is in a folder; nothing where it can't be read."""
        try:
            return sorted(os.listdir(self.path(folder)))  # noqa: PTH208 - names only
        except OSError:
            return []

    def status(self, name: str) -> os.stat_result | None:
        """The file's status, links followed; None where there is none."""
        try:
            return self.path(name).stat()
        except OSError:
            return None

    def may_use(self, name: str) -> bool:
        """Whether the user may read and write a device; access lists count on the machine that this runs on."""
        status = self.status(name)
        if status is None:
            return False
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in self.groups else 0
        if self.uid == 0 or (stat.S_IMODE(status.st_mode) >> shift) & _READ_AND_WRITE == _READ_AND_WRITE:
            return True
        return self.root == Path("/") and os.access(self.path(name), os.R_OK | os.W_OK)

    def user_name(self, uid: int) -> str:
        """The name of a user, or ``#`` and the number, as sudo takes it."""
        return self._name_of("/etc/passwd", uid) or f"#{uid}"

    def home(self, uid: int) -> str:
        """The home directory of a user; empty where none is known."""
        return next(
            (fields[5] for fields in self._table("/etc/passwd") if fields[2:3] == [str(uid)] and fields[5:]), ""
        )

    def group_name(self, gid: int) -> str:
        """The name of a group, or ``#`` and the number."""
        return self._name_of("/etc/group", gid) or f"#{gid}"

    def group(self, name: str) -> tuple[int, list[str]] | None:
        """The number and the members of a group, as ``/etc/group`` says."""
        for fields in self._table("/etc/group"):
            if fields[0] == name and len(fields) > 3 and fields[2].isdigit():
                return int(fields[2]), [member for member in fields[3].split(",") if member]
        return None

    def _name_of(self, file: str, number: int) -> str | None:
        return next((fields[0] for fields in self._table(file) if len(fields) > 2 and fields[2] == str(number)), None)

    def _table(self, file: str) -> list[list[str]]:
        return [line.split(":") for line in (self.read(file) or "").splitlines()]


def this_machine() -> Machine:
    """The machine that this runs on, and the user who runs it."""
    return Machine(
        root=Path("/"),
        environment=os.environ,
        uid=os.geteuid(),
        groups=frozenset([*os.getgroups(), os.getegid()]),
        now_ns=time.time_ns(),
        disk_space=_disk_space,
        clock_is_synchronised=_clock_is_synchronised,
        configuration=cache(_configuration),
    )


def _disk_space(folder: Path) -> DiskSpace:
    status = os.statvfs(folder)
    inodes = 100.0 * status.f_favail / status.f_files if status.f_files else 100.0
    return DiskSpace(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize, inodes)


def _configuration(file: str) -> Configuration:
    return ask_configuration("show", file or os.devnull)


def _clock_is_synchronised() -> bool | None:
    """What the kernel was told by whoever keeps the clock (adjtimex(2), asking only); None where it can't be asked."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    state: int = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
