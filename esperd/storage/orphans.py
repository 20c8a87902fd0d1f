"""Core dumps whose board no daemon runs: stored in the same state directory, and looked after by any daemon that asks.

Nothing of them is kept in memory, because a daemon that begins to run the board owns them from then on. All methods
block, and hold the board's lock together with whoever else looks (see ``board_lock``).
"""

from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from esper_protocol.records import CoredumpRecord
from esperd.storage.board_lock import keep_board_idle
from esperd.storage.coredump_files import CoredumpFiles, split_id
from esperd.storage.coredump_recovery import close_cut_capture, load_record
from esperd.storage.coredumps import age
from esperd.system.clock import rfc3339


class Orphans:
    """The dumps in one state directory that no daemon owns now.

    Args:
        state_dir: Where the boards' locks are.
        files: Of that state directory.
        own_boards: Boards of this daemon, which are never orphans.
    """

    def __init__(self, state_dir: Path, files: CoredumpFiles, own_boards: Collection[str]) -> None:
        self._state_dir = state_dir
        self._files = files
        self._own_boards = own_boards

    def records(self, board: str | None = None) -> list[CoredumpRecord]:
        """The records of one board, or of all, oldest first.

        Raises:
            OSError: the directory can't be read.
        """
        found: list[CoredumpRecord] = []
        for owner, folders in self._by_board().items():
            if board in (None, owner):
                with keep_board_idle(self._state_dir, owner) as is_idle:
                    found += [_as_it_is(self._files, folder) for folder in folders if is_idle]
        return sorted(found, key=age)

    def get(self, coredump_id: str) -> CoredumpRecord | None:
        """The record of this id; None when there is no such orphan.

        Raises:
            OSError: the folder can't be read.
        """
        with self._holding(coredump_id) as folder:
            return None if folder is None else _as_it_is(self._files, folder)

    def set_pinned(self, coredump_id: str, *, pinned: bool) -> bool:
        """Changes one field of a record; False when there is no such orphan.

        Raises:
            OSError: the record can't be written.
        """
        with self._holding(coredump_id) as folder:
            if folder is None:
                return False
            record = load_record(self._files, folder)
            record.pinned = pinned
            self._files.write_record(coredump_id, msgspec.json.encode(record))
            return True

    def remove(self, coredump_id: str) -> bool:
        """Deletes a dump; False when there is no such orphan.

        Raises:
            OSError: it can't be deleted.
        """
        with self._holding(coredump_id) as folder:
            if folder is None:
                return False
            self._files.remove(coredump_id)
            return True

    @contextmanager
    def _holding(self, coredump_id: str) -> Generator[Path | None]:
        # The id is a client's: it is looked for among what is there, and never made a path.
        for board, folders in self._by_board().items():
            for folder in folders:
                if folder.name == coredump_id:
                    with keep_board_idle(self._state_dir, board) as is_idle:
                        yield folder if is_idle else None
                    return
        yield None

    def _by_board(self) -> dict[str, list[Path]]:
        folders: dict[str, list[Path]] = {}
        for folder in self._files.folders():
            known = split_id(folder.name)
            if known is not None and known[0] not in self._own_boards:
                folders.setdefault(known[0], []).append(folder)
        return folders


def _as_it_is(files: CoredumpFiles, folder: Path) -> CoredumpRecord:
    """The record; a capture that nobody goes on with is shown as what it is, and left for its board's next daemon."""
    record = load_record(files, folder)
    if record.capture == "capturing":
        with suppress(OSError):
            close_cut_capture(record, folder, rfc3339(folder.stat().st_mtime_ns), was_killed=False)
    return record
