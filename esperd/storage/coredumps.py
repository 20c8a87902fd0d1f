"""The store of core dumps: the records of this daemon's boards in memory, and what retention takes.

The files are in ``coredump_files``; what a start repairs in ``coredump_recovery``; other boards' dumps in ``orphans``.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from esper_protocol.records import CoredumpRecord
from esperd.storage.coredump_files import RAW_NAME, RECORD_NAME, REFUSED_NAME, REMOVED_SUFFIX, CoredumpFiles, split_id
from esperd.storage.coredump_recovery import StoreRecovery, repair
from esperd.storage.files import Access, make_directory


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """What is kept for each board."""

    count: int
    total_bytes: int


class CoredumpStore:
    """The dumps of the boards that this daemon runs.

    Args:
        directory: Holds one folder for each dump, also of other daemons.
        limits: For each board.
        access: Of files and folders.
    """

    def __init__(self, directory: Path, limits: RetentionLimits, access: Access) -> None:
        self.files = CoredumpFiles(directory, access)
        self.limits = limits
        self._access = access
        self._records: dict[str, CoredumpRecord] = {}

    def read(
        self, board: str, ended_at: str, *, was_killed: bool = False
    ) -> tuple[list[CoredumpRecord], StoreRecovery]:
        """Reads the records of a board, and repairs what a run left unfinished. Memory stays as it is: see ``take``.

        Args:
            board: Whose.
            ended_at: When that run ended, as far as is known (RFC 3339).
            was_killed: Whether it was killed.

        Raises:
            OSError: the directory can't be read or made.
        """
        make_directory(self.files.directory, self._access)
        records, repaired = list[CoredumpRecord](), StoreRecovery()
        for folder in self.files.folders():
            known = split_id(folder.name.removesuffix(REMOVED_SUFFIX))
            if known is None or known[0] != board:
                continue
            if folder.name.endswith(REMOVED_SUFFIX) or not _has_content(folder):
                # The removal, or the making of it, was cut short; nothing of the dump is here.
                self.files.note_number(f"{known[0]}-{known[1]}")
                shutil.rmtree(folder, ignore_errors=True)
            else:
                records.append(repair(self.files, folder, repaired, ended_at, was_killed=was_killed))
        return records, repaired

    def take(self, records: list[CoredumpRecord]) -> None:
        """Takes what ``read`` gave."""
        for record in records:
            self.add(record)

    def leave(self, board: str) -> None:
        """Forgets the records of a board that this daemon does not run any more."""
        for record in self.records(board):
            self.forget(record.id)

    def records(self, board: str | None = None) -> list[CoredumpRecord]:
        """The records of one board, or of all, oldest first."""
        chosen = [record for record in self._records.values() if board is None or record.board == board]
        return sorted(chosen, key=age)

    def get(self, coredump_id: str) -> CoredumpRecord | None:
        """The record of this id."""
        return self._records.get(coredump_id)

    def next_number(self, board: str) -> int:
        """One more than the highest number that a dump of *board* ever had."""
        return self.files.highest_number(board) + 1

    def folder(self, coredump_id: str) -> Path:
        """Where the files of a dump are. Only ever called with ids that this daemon gave."""
        return self.files.folder(coredump_id)

    def add(self, record: CoredumpRecord) -> None:
        """Takes a new record; its files are made by ``files.create``."""
        self._records[record.id] = record

    def forget(self, coredump_id: str) -> None:
        """Drops a record from memory; its files are removed by ``files.remove``."""
        self._records.pop(coredump_id, None)

    def over_limit(self, board: str, keep: int | None = None) -> list[CoredumpRecord]:
        """Which dumps of *board* retention removes now."""
        return over_limit(self.records(board), self.limits, keep)


def over_limit(mine: list[CoredumpRecord], limits: RetentionLimits, keep: int | None) -> list[CoredumpRecord]:
    """Which dumps of one board retention removes: oldest decoded first, undecoded last, pinned and arriving ones never.

    The newest stays as well, unless *keep* asks for fewer by count: a dump must not be lost by its own arrival.
    """
    limit = limits.count if keep is None else min(keep, limits.count)
    candidates = [record for record in mine if not record.pinned and record.capture != "capturing"]
    if keep is None:
        candidates = [record for record in candidates if record is not mine[-1]]
    candidates.sort(key=lambda record: record.decode.state not in ("done", "failed"))
    count, total = len(mine), sum(_size(record) for record in mine)
    chosen: list[CoredumpRecord] = []
    for record in candidates:
        if count <= limit and total <= limits.total_bytes:
            break
        chosen.append(record)
        count -= 1
        total -= _size(record)
    return chosen


def age(record: CoredumpRecord) -> tuple[str, int, str]:
    """Sorts records, oldest first; no two are of the same age."""
    return record.started_at, record.first_seq, record.id


def _has_content(folder: Path) -> bool:
    return any((folder / name).exists() for name in (RECORD_NAME, RAW_NAME, REFUSED_NAME))


def _size(record: CoredumpRecord) -> int:
    return record.raw_bytes + record.decoded_bytes
