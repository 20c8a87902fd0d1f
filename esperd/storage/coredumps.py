"""The store of core dumps: one folder for each, complete in itself.

``core.b64``: the accepted base64 text as it came; ``core.bin``: its decoding, Espressif's container with header and
checksum; ``panic.txt``: the text from the panic to the dump, and lines inside the dump that were no part of it;
``record.json``: a CoredumpRecord, replaced at once. Methods that are named ``…_files`` block and run in the disk
writer's thread; the rest keeps the records in memory and runs on the loop.
"""

import binascii
import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.records import CoredumpRecord
from esperd.core.container import ContainerVerifier
from esperd.storage.files import TEMPORARY_SUFFIX, make_directory, replace_file, sync_directory

RAW_NAME: Final = "core.b64"
CORE_NAME: Final = "core.bin"
CONTEXT_NAME: Final = "panic.txt"
RECORD_NAME: Final = "record.json"
REPORT_NAME: Final = "report.json"

_REMOVED_SUFFIX: Final = ".removed"
# A file beside the folders: the highest number among the dumps of a board that were removed.
_NUMBER_SUFFIX: Final = ".last"


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """What is kept for each board."""

    count: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class StoreRecovery:
    """What a start found unfinished: dumps that were being captured, decodes that ran, files left half written."""

    captures_closed: list[str]
    decodes_queued: list[str]
    temporary_files_removed: int


class CoredumpStore:
    """All dumps of one state directory.

    Args:
        directory: Holds one folder for each dump.
        limits: For each board.
        file_mode: Of files, e.g. 0o600.
        directory_mode: Of folders, e.g. 0o700.
    """

    def __init__(self, directory: Path, limits: RetentionLimits, file_mode: int, directory_mode: int) -> None:
        self.directory = directory
        self._limits = limits
        self._file_mode = file_mode
        self._directory_mode = directory_mode
        self._records: dict[str, CoredumpRecord] = {}
        self.damaged: list[str] = []

    # Start --------------------------------------------------------------------------------------------

    def open(self, boards: list[str], ended_at: str) -> dict[str, StoreRecovery]:
        """Reads all records, and repairs those of *boards*, which this daemon owns.

        Raises:
            OSError: the directory can't be read or written.
        """
        make_directory(self.directory, self._directory_mode)
        repaired = {board: StoreRecovery([], [], 0) for board in boards}
        for folder in sorted(self.directory.iterdir()):
            if not folder.is_dir() or folder.is_symlink():
                continue
            board = folder.name.rpartition("-")[0]
            if board in repaired and folder.name.endswith(_REMOVED_SUFFIX):
                shutil.rmtree(folder)
                self._note_number(folder.name.removesuffix(_REMOVED_SUFFIX))
                continue
            if board in repaired and not ((folder / RECORD_NAME).exists() or (folder / RAW_NAME).exists()):
                # A kill came while the folder was made, before anything of the dump was written.
                self._note_number(folder.name)
                shutil.rmtree(folder)
                continue
            record = self._read_record(folder)
            if record is None:
                self.damaged.append(folder.name)
                continue
            self._records[record.id] = record
            if record.board in repaired:
                repaired[record.board] = self._repair(folder, record, repaired[record.board], ended_at)
        return repaired

    def _read_record(self, folder: Path) -> CoredumpRecord | None:
        try:
            return msgspec.json.decode((folder / RECORD_NAME).read_bytes(), type=CoredumpRecord)
        except (OSError, msgspec.DecodeError):
            return None

    def _repair(self, folder: Path, record: CoredumpRecord, so_far: StoreRecovery, ended_at: str) -> StoreRecovery:
        removed = 0
        for leftover in folder.glob(f"*{TEMPORARY_SUFFIX}"):
            leftover.unlink()
            removed += 1
        changed = False
        if record.capture == "capturing":
            self._close_cut_capture(folder, record, ended_at)
            so_far.captures_closed.append(record.id)
            changed = True
        if record.decode.state == "running":
            record.decode.state = "queued"
            so_far.decodes_queued.append(record.id)
            changed = True
        if changed:
            self.write_record_files(record.id, msgspec.json.encode(record))
        return StoreRecovery(so_far.captures_closed, so_far.decodes_queued, so_far.temporary_files_removed + removed)

    def _close_cut_capture(self, folder: Path, record: CoredumpRecord, ended_at: str) -> None:
        """What is on disk is what was captured. The decoding is made again: a kill may have come between two files."""
        raw_path = folder / RAW_NAME
        text = raw_path.read_bytes() if raw_path.exists() else b""
        verifier = ContainerVerifier()
        core: list[bytes] = []
        lines = text.splitlines()
        for line in lines:
            usable = line[: len(line) // 4 * 4]
            with contextlib.suppress(binascii.Error):
                core.append(binascii.a2b_base64(usable, strict_mode=True))
                verifier.receive(core[-1])
        replace_file(folder / CORE_NAME, b"".join(core), self._file_mode)
        is_complete = verifier.is_complete
        record.capture, record.end_reason = ("captured", "complete") if is_complete else ("partial", "daemon_stopped")
        record.ended_at, record.checksum = ended_at, verifier.verdict()
        record.raw_bytes, record.raw_lines = len(text), len(lines)
        record.decoded_bytes = verifier.received_bytes
        if verifier.header is not None:
            record.expected_bytes = verifier.header.total_bytes
            record.chip, record.format = verifier.header.chip, verifier.header.format

    # Records ------------------------------------------------------------------------------------------

    def records(self, board: str | None = None) -> list[CoredumpRecord]:
        """All records, oldest first."""
        chosen = [record for record in self._records.values() if board is None or record.board == board]
        return sorted(chosen, key=lambda record: (record.started_at, record.first_seq))

    def get(self, coredump_id: str) -> CoredumpRecord | None:
        """The record of this id."""
        return self._records.get(coredump_id)

    def next_number(self, board: str) -> int:
        """One more than the highest number that a dump of *board* ever had, also if it was removed since."""
        numbers = [int(number) for number in (i.rpartition("-")[2] for i in self._ids_of(board)) if number.isdecimal()]
        return max([self._noted_number(board), *numbers]) + 1

    def _noted_number(self, board: str) -> int:
        try:
            return int((self.directory / f"{board}{_NUMBER_SUFFIX}").read_bytes())
        except (OSError, ValueError):
            return 0

    def _note_number(self, coredump_id: str) -> None:
        """Remembers the number of a dump whose folder goes, so that no other dump ever gets its id."""
        board, _, number = coredump_id.rpartition("-")
        if number.isdecimal() and int(number) > self._noted_number(board):
            replace_file(self.directory / f"{board}{_NUMBER_SUFFIX}", number.encode(), self._file_mode)

    def _ids_of(self, board: str) -> list[str]:
        damaged = [name for name in self.damaged if name.rpartition("-")[0] == board]
        return [*damaged, *(record.id for record in self._records.values() if record.board == board)]

    def folder(self, coredump_id: str) -> Path:
        """Where the files of a dump are. Only ever called with ids that this daemon gave."""
        return self.directory / coredump_id

    def add(self, record: CoredumpRecord) -> None:
        """Takes a new record; its files are made by ``create_files``."""
        self._records[record.id] = record

    def forget(self, coredump_id: str) -> None:
        """Drops a record from memory; its files are removed by ``remove_files``."""
        self._records.pop(coredump_id, None)

    def over_limit(self, board: str, keep: int | None = None) -> list[CoredumpRecord]:
        """Which dumps retention removes now: oldest decoded first, undecoded last, pinned and arriving ones never."""
        limit = self._limits.count if keep is None else min(keep, self._limits.count)
        mine = self.records(board)
        candidates = [record for record in mine if not record.pinned and record.capture != "capturing"]
        candidates.sort(key=lambda record: record.decode.state not in ("done", "failed"))
        count, total = len(mine), sum(self._size(record) for record in mine)
        chosen: list[CoredumpRecord] = []
        for record in candidates:
            if count <= limit and total <= self._limits.total_bytes:
                break
            chosen.append(record)
            count -= 1
            total -= self._size(record)
        return chosen

    @staticmethod
    def _size(record: CoredumpRecord) -> int:
        return record.raw_bytes + record.decoded_bytes

    # Files --------------------------------------------------------------------------------------------

    def create_files(self, coredump_id: str, record_json: bytes, context: bytes) -> None:
        """Makes the folder of a new dump, with its record and the text before it."""
        folder = self.folder(coredump_id)
        make_directory(folder, self._directory_mode)
        # The record first: a kill in the middle leaves a dump that the next start can close.
        self.write_record_files(coredump_id, record_json)
        self._append(folder / RAW_NAME, b"")
        self._append(folder / CORE_NAME, b"")
        self._append(folder / CONTEXT_NAME, context)
        sync_directory(self.directory)

    def append_files(self, coredump_id: str, text: bytes, decoded: bytes, rejected: bytes) -> None:
        """Appends what arrived."""
        folder = self.folder(coredump_id)
        self._append(folder / RAW_NAME, text)
        self._append(folder / CORE_NAME, decoded)
        if rejected:
            self._append(folder / CONTEXT_NAME, rejected)

    def write_record_files(self, coredump_id: str, record_json: bytes) -> None:
        """Replaces the record."""
        replace_file(self.folder(coredump_id) / RECORD_NAME, record_json, self._file_mode)

    def finish_files(self, coredump_id: str, record_json: bytes) -> None:
        """Makes a finished dump durable, record last."""
        folder = self.folder(coredump_id)
        for name in (RAW_NAME, CORE_NAME, CONTEXT_NAME):
            with (folder / name).open("rb") as file:
                os.fsync(file.fileno())
        self.write_record_files(coredump_id, record_json)

    def remove_files(self, coredump_id: str) -> None:
        """Deletes a folder; renamed first, so that a cut removal is not a damaged dump."""
        folder = self.folder(coredump_id)
        doomed = folder.with_name(folder.name + _REMOVED_SUFFIX)
        if folder.exists():
            folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        # Last, because on a full disk it may be this that made room for it.
        self._note_number(coredump_id)
        sync_directory(self.directory)

    def _append(self, path: Path, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, self._file_mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
