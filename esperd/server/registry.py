"""What this daemon has, and how a request names it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from esper_protocol.records import CoredumpRecord, DaemonRecord
from esperd.board.board import Board
from esperd.decode.decoding import Decoding
from esperd.errors import CommandError
from esperd.permissions import Permissions
from esperd.server.user_names import UserNames
from esperd.storage.coredumps import CoredumpStore
from esperd.storage.orphans import Orphans

if TYPE_CHECKING:
    from esperd.server.client import ClientSession


@dataclass(slots=True)
class ServingRules:
    """What of the configuration clients are served by; a reload replaces it."""

    permissions: Permissions = field(default_factory=Permissions)
    most_clients: int = 256


@dataclass(frozen=True, slots=True)
class Registry:
    """Its boards and core dumps, and who asks; ``readers`` limits how many clients read from disk at one time."""

    daemon: DaemonRecord
    boards: dict[str, Board]
    store: CoredumpStore
    orphans: Orphans
    readers: trio.CapacityLimiter
    decoding: Decoding
    rules: ServingRules = field(default_factory=ServingRules)
    names: UserNames = field(default_factory=UserNames)
    sessions: set["ClientSession"] = field(default_factory=set["ClientSession"])

    def board(self, name: str) -> Board:
        """The board of this name.

        Raises:
            CommandError: there is none.
        """
        if name not in self.boards:
            known = ", ".join(sorted(self.boards))
            raise CommandError("unknown_board", f"there is no board {name}", f"boards here: {known}")
        return self.boards[name]

    def note_everywhere(self, text: str, who: str) -> None:
        """Writes a remark on what is no board's of this daemon into the journals of all that are: it has no other."""
        for board in self.boards.values():
            board.add_note(text, who)

    async def coredump(self, coredump_id: str) -> tuple[CoredumpRecord, Board | None]:
        """The dump of this id, and the board that it is of; None for the board when no daemon runs it.

        Raises:
            CommandError: there is none, or it belongs to a board that another daemon runs.
        """
        if record := self.store.get(coredump_id):
            return record, self.board(record.board)
        orphan = await trio.to_thread.run_sync(self.orphans.get, coredump_id, limiter=self.readers)
        if orphan is None:
            raise unknown_coredump(coredump_id)
        return orphan, None


def unknown_coredump(coredump_id: str) -> CommandError:
    """The error for an id that names nothing here."""
    return CommandError("unknown_coredump", f"there is no core dump {coredump_id}", "see `esperctl coredumps list`")
