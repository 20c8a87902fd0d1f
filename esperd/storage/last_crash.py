"""The last crash of a board, in a file beside its journal: to find it there would be to read the journal backwards."""

from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.records import CrashSummary
from esperd.storage.files import Access, replace_file
from esperd.system.regular_file import read_regular

_FILE: Final = "last_crash.json"


class LastCrashFile:
    """That of one board. All of it blocks.

    Args:
        directory: The board's, which is there.
        access: Who may read it.
    """

    def __init__(self, directory: Path, access: Access) -> None:
        self._path = directory / _FILE
        self._access = access

    def read(self) -> CrashSummary | None:
        """What was noted; None where nothing was, or nothing that can be read."""
        try:
            return msgspec.json.decode(read_regular(self._path), type=CrashSummary)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, crash: CrashSummary) -> None:
        """Notes a crash in place of the one before.

        Raises:
            OSError: the disk refuses.
        """
        replace_file(self._path, msgspec.json.encode(crash), self._access.file_mode)
