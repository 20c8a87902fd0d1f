"""Pauses before a daemon that failed is started again, which grow while it fails again and again.

A service manager waits the same short while before each start. To make it wait longer from time to time takes systemd
254, so a daemon that fails waits before it ends. The first time it does not: whoever starts it is to be told at once.
"""

import contextlib
import time
from pathlib import Path
from typing import Final

from esperd.service.manager import ServiceManager

_LONGEST_S: Final = 60.0
# Failures that are further apart are no row: the longest pause, and a while of service.
_ROW_S: Final = 150.0
# Where failures can't be counted.
_UNCOUNTED_S: Final = 10.0
_LONGEST_STEP_S: Final = 10.0


class Restarts:
    """Counts failures in a file, for each start is another process.

    Args:
        service: Who starts it again; without one nobody does, and nothing is counted.
        folder: Where the file is; None where there is no place for it.
        name: Tells the daemons of one folder apart.
    """

    def __init__(self, service: ServiceManager, folder: Path | None, name: str) -> None:
        self._service = service
        self._file = None if folder is None else folder / f"{name.replace('/', '-')}.failures"

    def pause(self, why: str) -> None:
        """Blocks for as long as the next start is to wait, and says so; *why* is what failed, a sentence."""
        if self._service.address is None:
            return
        pause_s = self._next_pause_s()
        if pause_s:
            self._service.status(f"{why}; tried again in {pause_s:.0f} s")
        until = time.monotonic() + pause_s
        step_s = min(_LONGEST_STEP_S, (self._service.watchdog_s or _LONGEST_STEP_S) / 2)
        while (left_s := until - time.monotonic()) > 0:
            # A manager that was told that we serve watches us until we end.
            self._service.alive()
            time.sleep(min(left_s, step_s))  # noqa: TID251 - the event loop has ended, or never began

    def forget(self) -> None:
        """What ended was no failure."""
        if self._file is not None and self._service.address is not None:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _next_pause_s(self) -> float:
        if self._file is None:
            return _UNCOUNTED_S
        try:
            failures = self._count(self._file) + 1
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            self._file.write_text(str(failures))
        except OSError:
            return _UNCOUNTED_S
        return 0 if failures == 1 else min(2.0 ** min(failures - 1, 10), _LONGEST_S)

    def _count(self, file: Path) -> int:
        """The failures in a row so far."""
        try:
            age_s = time.time() - file.stat().st_mtime
            text = file.read_text("ascii", "replace")
        except FileNotFoundError:
            return 0
        return int(text) if text.isdecimal() and 0 <= age_s < _ROW_S else 0
