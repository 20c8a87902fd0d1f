"""Daemons that write to a state directory, also those that no unit started."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from esperctl.errors import BusyError


def check_idle(state_dir: Path) -> None:
    """Raises BusyError where a daemon runs a board whose journal is in *state_dir*."""
    running = list(_running(state_dir))
    if running:
        boards = ", ".join(f"{board} (pid {pid})" for board, pid in running)
        raise BusyError(
            f"{state_dir} is in use: a daemon that no unit of this scope started runs {boards}",
            "stop it, by what started it or by `kill PID`, and run this again",
        )


def _running(state_dir: Path) -> Iterator[tuple[str, str]]:
    """Boards, and the processes that hold their locks."""
    for lock in sorted(state_dir.glob("boards/*/lock")):
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            # Shared, as who only looks has it: a daemon that starts at this moment waits for that.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield lock.parent.name, os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
        finally:
            os.close(descriptor)
