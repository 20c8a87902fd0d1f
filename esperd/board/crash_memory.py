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
        self.write()

    def write(self) -> None:
        """Notes what the disk refused before; harmless when it refused nothing."""
        crash = self._next
        if crash is not None and not self._is_writing:
            self._next, self._is_writing = None, True
            self._disk.submit(partial(self._file.write, crash), partial(self._on_error, crash), self._on_written)

    def _on_written(self) -> None:
        self._is_writing = False
        self.write()

    def _on_error(self, crash: CrashSummary, error: OSError) -> None:
        # Viewers are told of such a disk by those that write to it all the time; they tell when it takes things again.
        self._is_writing = False
        self._next = self._next or crash
        _log.warning("last crash not noted error=%s", error)
