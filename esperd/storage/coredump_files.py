"""The folder of a core dump: one for each, complete in itself. All methods block.

``core.b64``: the accepted base64 text as it came; ``core.bin``: its decoding, Espressif's container with header and
checksum; ``panic.txt``: the text from the panic to the dump, and lines inside the dump that were no part of it;
``record.json``: a CoredumpRecord, replaced at once; ``report.json``, ``report.txt``: what it was decoded to;
``record.refused``, without content, while the disk refuses a record that is newer than the one here; its time is that
of the first refusal. Beside the folders, ``BOARD.last`` holds the highest number that was ever given to a dump of this
board, so that an id is never given twice, whatever was removed.
"""

import contextlib
import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.records import CoredumpRecord
from esperd.storage.files import Access, make_directory, replace_file, sync_directory, write_all

RAW_NAME: Final = "core.b64"
CORE_NAME: Final = "core.bin"
CONTEXT_NAME: Final = "panic.txt"
RECORD_NAME: Final = "record.json"
REFUSED_NAME: Final = "record.refused"
REPORT_NAME: Final = "report.json"
REPORT_TEXT_NAME: Final = "report.txt"
REMOVED_SUFFIX: Final = ".removed"

_ID: Final = re.compile(r"(.+)-([0-9]+)")


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the files of a dump go."""

    raw_bytes: int = 0
    raw_lines: int = 0
    decoded_bytes: int = 0
    context_bytes: int = 0


def split_id(coredump_id: str) -> tuple[str, int] | None:
    """The board and the number in an id such as ``bench1-17``; None when it is none."""
    match = _ID.fullmatch(coredump_id)
    return None if match is None else (match[1], int(match[2]))


class CoredumpFiles:
    """The folders of one state directory.

    Args:
        directory: Holds them.
        access: Of what is made.
    """

    def __init__(self, directory: Path, access: Access) -> None:
        self.directory = directory
        self._access = access

    def folder(self, coredump_id: str) -> Path:
        """Where the files of a dump are. Never to be called with what a client says before it was found here."""
        return self.directory / coredump_id

    def folders(self) -> list[Path]:
        """The folders of all dumps, and of those whose removal was cut short, by name."""
        if not self.directory.is_dir():
            return []
        return [path for path in sorted(self.directory.iterdir()) if path.is_dir() and not path.is_symlink()]

    def create(self, coredump_id: str, record_json: bytes, context: bytes) -> None:
        """Makes the folder of a new dump, with its record and the text before it. May be run again after an error."""
        # The record first: a kill in the middle leaves a dump that the next start can close.
        self.write_record(coredump_id, record_json)
        for name, content in ((RAW_NAME, b""), (CORE_NAME, b""), (CONTEXT_NAME, context)):
            self._write_at(self.folder(coredump_id) / name, 0, content)
        self.note_number(coredump_id)  # syncs the directory, too

    def append(self, coredump_id: str, at: Extent, text: bytes, decoded: bytes, rejected: bytes) -> None:
        """Appends what arrived behind *at*: all of it or nothing. May be run again after an error.

        Raises:
            OSError: the disk refuses; or a part before this one is missing (ENODATA), so that there is no hole.
        """
        folder = self.folder(coredump_id)
        parts = (
            (folder / RAW_NAME, at.raw_bytes, text),
            (folder / CORE_NAME, at.decoded_bytes, decoded),
            (folder / CONTEXT_NAME, at.context_bytes, rejected),
        )
        try:
            for path, size, data in parts:
                if data:
                    self._write_at(path, size, data)
        except OSError:
            # The next try would do it, too, but it may be that there is none.
            for path, size, _ in parts:
                with contextlib.suppress(OSError):
                    if path.stat().st_size > size:
                        os.truncate(path, size)
            raise

    def finish(self, coredump_id: str, record_json: bytes) -> None:
        """Makes a finished dump durable, record last. May be run again after an error."""
        try:
            for name in (RAW_NAME, CORE_NAME, CONTEXT_NAME):
                with contextlib.suppress(FileNotFoundError), (self.folder(coredump_id) / name).open("rb") as file:
                    os.fsync(file.fileno())
        finally:
            # What the disk refused can't be synced; the record tells of it, and is written all the same.
            self.write_record(coredump_id, record_json)

    def replace_core(self, coredump_id: str, core: bytes) -> None:
        """Replaces the decoding."""
        replace_file(self.folder(coredump_id) / CORE_NAME, core, self._access.file_mode)

    def write_report(self, coredump_id: str, report_json: bytes, text: bytes) -> None:
        """Replaces the report, as text and as JSON."""
        folder = self.folder(coredump_id)
        replace_file(folder / REPORT_TEXT_NAME, text, self._access.file_mode)
        replace_file(folder / REPORT_NAME, report_json, self._access.file_mode)

    def remove(self, coredump_id: str) -> None:
        """Deletes a folder; renamed first, so that a cut removal is not a damaged dump."""
        folder = self.folder(coredump_id)
        doomed = folder.with_name(folder.name + REMOVED_SUFFIX)
        if folder.exists():
            folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        # Last, because on a full disk it may be this that made room for it; syncs the directory, too.
        self.note_number(coredump_id)

    # Records and numbers ------------------------------------------------------------------------------

    def read_record(self, folder: Path) -> CoredumpRecord | None:
        """The record in a folder; None when it can't be read, or is that of another dump."""
        try:
            record = msgspec.json.decode((folder / RECORD_NAME).read_bytes(), type=CoredumpRecord)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        known = split_id(folder.name)
        is_own = known is not None and record.id == folder.name and record.board == known[0]
        return record if is_own else None

    def write_record(self, coredump_id: str, record_json: bytes) -> None:
        """Replaces the record. Where the disk refuses it, the next start finds out."""
        folder = self.folder(coredump_id)
        make_directory(folder, self._access)
        try:
            replace_file(folder / RECORD_NAME, record_json, self._access.file_mode)
        except OSError:
            # Also on a full disk there is room for a name.
            with contextlib.suppress(OSError):
                (folder / REFUSED_NAME).touch(exist_ok=False)
            raise
        (folder / REFUSED_NAME).unlink(missing_ok=True)

    def highest_number(self, board: str) -> int:
        """The highest number that was ever given to a dump of *board*, 0 before the first."""
        # Folders count, too: the file may have been lost, and a kill may have come between the two.
        ids = [split_id(folder.name) for folder in self.folders()]
        stored = [known[1] for known in ids if known is not None and known[0] == board]
        return max([self._noted_number(board), *stored])

    def note_number(self, coredump_id: str) -> None:
        """Remembers the number of a dump, so that no other dump ever gets its id."""
        known = split_id(coredump_id)
        if known is not None and known[1] > self._noted_number(known[0]):
            replace_file(self._number_path(known[0]), b"%d\n" % known[1], self._access.file_mode)
        sync_directory(self.directory)

    def _noted_number(self, board: str) -> int:
        try:
            return int(self._number_path(board).read_bytes())
        except (OSError, ValueError):
            return 0

    def _number_path(self, board: str) -> Path:
        return self.directory / f"{board}.last"

    def _write_at(self, path: Path, size: int, data: bytes) -> None:
        """Makes *data* what follows the first *size* bytes."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, self._access.file_mode)
        try:
            if os.fstat(descriptor).st_size < size:
                raise OSError(errno.ENODATA, "a part before it is missing", str(path))
            os.ftruncate(descriptor, size)
            os.lseek(descriptor, size, os.SEEK_SET)
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
