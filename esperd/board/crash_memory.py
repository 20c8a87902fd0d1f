"""Has a board's last crash outlive the daemon, so that whoever comes in the morning is told of it first."""

import logging
from functools import partial
from typing import Final

from esper_protocol.records import CrashSummary
from esperd.storage.disk_writer import DiskWriter
from esperd.storage.last_crash import LastCrashFile

_log: Final = logging.getLogger(__name__)


class CrashMemory:
    """Writes one crash at a time, and then the newest of those that came meanwhile: a board may crash each second."""

    def __init__(self, file: LastCrashFile, disk: DiskWriter) -> None:
        self._file = file
        self._disk = disk
        self._next: CrashSummary | None = None
        self._is_writing = False

    def keep(self, crash: CrashSummary) -> None:
        """Notes it soon."""
        self._next = crash
        if not self._is_writing:
            self._write()

    def _write(self) -> None:
        crash, self._next = self._next, None
        self._is_writing = crash is not None
        if crash is not None:
            self._disk.submit(partial(self._file.write, crash), self._on_error, self._write)

    def _on_error(self, error: OSError) -> None:
        # The journal, which has the crash as well, tells viewers of such a disk. The next crash tries again.
        self._is_writing = False
        _log.warning("last crash not noted error=%s", error)
