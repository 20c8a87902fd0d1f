"""Where lines of the log go. One that a place refuses, as a full disk does, is counted; no stack is shown for it."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.handlers
import os
from typing import TYPE_CHECKING, Final, TextIO

from esperd.storage.files import write_all

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer
    from typing_extensions import override
else:

    def override(method: object) -> object:
        """In ``typing`` from Python 3.12 on."""
        return method


_FILE_BYTES: Final = 1024 * 1024
_FILES_KEPT: Final = 5


class Place(logging.Handler):
    """What all places have: ``takes``, whether it took the last line, and ``refused``, how many it did not take."""

    takes = True
    refused = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line, or counts it."""
        self.takes = True
        super().emit(record)

    @override
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Counts it; logging's own would print a stack to standard error."""
        del record
        self.takes = False
        self.refused += 1


class StreamPlace(Place, logging.StreamHandler[TextIO]):
    """A stream: standard error, say."""


class FilePlace(Place, logging.handlers.RotatingFileHandler):
    """A file that is rotated, of whole lines: none is in it in part, or comes late after it was counted.

    Raises:
        OSError: it can't be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8")

    @override
    def _open(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(_WholeWrites(self.baseFilename, "a"), encoding=self.encoding, write_through=True)


class _WholeWrites(io.FileIO):
    """A file that keeps of each write all or nothing, and holds none of it back."""

    @override
    def write(self, data: ReadableBuffer, /) -> int:
        """Appends, or raises OSError."""
        content = bytes(data)
        end = self.seek(0, os.SEEK_END)
        try:
            write_all(self.fileno(), content)
        except OSError:
            with contextlib.suppress(OSError):
                self.truncate(end)
            raise
        return len(content)
