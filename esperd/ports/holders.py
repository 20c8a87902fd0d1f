"""Holders: which processes have a device open, read from ``/proc``.

Shows all processes to root and a user's own to everybody else, so an empty answer proves nothing.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import trio

_COMMAND_LENGTH = 60
_PROC = Path("/proc")
# Both names are in use. Source: Linux, Documentation/filesystems/devpts.rst.
_MULTIPLEXER = re.compile("/dev/ptmx|/dev/pts/ptmx")
# Source: Linux, drivers/tty/pty.c, pty_show_fdinfo.
_TTY_INDEX = re.compile(r"^tty-index:\s*(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has the device open."""

    pid: int
    command: str
    """Its command line, shortened, e.g. ``picocom -b 115200 /dev/ttyUSB0``."""

    @property
    def text(self) -> str:
        return f"{self.command} (pid {self.pid})"


async def find_holders(path: str, *, but_far_end: bool = False) -> list[Holder]:
    """Lists the processes that have the device at *path* (links are followed) open, this one included.

    Args:
        path: The device.
        but_far_end: Whether to leave out who has the other end of a pseudo-terminal, and so is the board itself: it
            usually keeps both ends open.

    Async because a machine has thousands of open files: other tasks run after each process looked at.
    """
    device = os.path.realpath(path)  # noqa: ASYNC240 - devtmpfs and sysfs do not block
    holders: list[Holder] = []
    for pid in sorted(int(name) for name in os.listdir(_PROC) if name.isdigit()):  # noqa: PTH208 - names only
        if _has_open(pid, device) and not (but_far_end and _has_far_end(pid, device)):
            holders.append(Holder(pid, _command(pid)))
        await trio.lowlevel.checkpoint()
    return holders


def describe_holders(holders: list[Holder]) -> str:
    """Names *holders* for a message, e.g. ``picocom /dev/ttyUSB0 (pid 12)``; says so where none is visible."""
    return " and ".join(holder.text for holder in holders) or "a process that this user may not see"


def _has_open(pid: int, device: str) -> bool:
    return any(
        _link_target(entry.path) == device and _is_same_device(entry.path, device) for entry in _descriptors(pid)
    )


def _has_far_end(pid: int, device: str) -> bool:
    return any(
        _MULTIPLEXER.fullmatch(_link_target(entry.path) or "") and _far_end(pid, entry.name) in (device, None)
        for entry in _descriptors(pid)
    )


def _far_end(pid: int, descriptor: str) -> str | None:
    """The terminal that an open multiplexer is the other end of; None where the kernel does not say."""
    try:
        text = (_PROC / str(pid) / "fdinfo" / descriptor).read_text("ascii")
    except OSError:
        return None
    index = _TTY_INDEX.search(text)
    return None if index is None else f"/dev/pts/{index[1]}"


def _descriptors(pid: int) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(_PROC / str(pid) / "fd"))
    except OSError:  # ended meanwhile, or another user's
        return []


def _is_same_device(link: str, device: str) -> bool:
    """Whether the names mean the same: a container has pseudo-terminals of its own, by the same names."""
    try:
        theirs, ours = os.stat(link), os.stat(device)  # noqa: PTH116 - the text is that of a device by now
    except OSError:
        return False
    return (theirs.st_dev, theirs.st_rdev) == (ours.st_dev, ours.st_rdev)


def _link_target(path: str) -> str | None:
    # Not stat: that would follow the link and can hang on somebody else's dead network file.
    try:
        return os.readlink(path)  # noqa: PTH115 - a string comparison for thousands of files
    except OSError:
        return None


def _command(pid: int) -> str:
    try:
        arguments = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        arguments = b""
    text = arguments.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    # A process chooses its own command line; it must not be able to write to the reader's terminal.
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= _COMMAND_LENGTH else text[: _COMMAND_LENGTH - 3] + "..."
