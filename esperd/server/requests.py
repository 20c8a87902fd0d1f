"""What clients can ask: one handler for each kind of request, and one table."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import trio

from esper_protocol import messages
from esper_protocol.messages import RequestBody, Result
from esper_protocol.records import CoredumpRecord, DaemonRecord
from esperd.board.board import Board
from esperd.errors import CommandError
from esperd.server.records import board_record
from esperd.storage.coredumps import REPORT_NAME, CoredumpStore

if TYPE_CHECKING:
    from esperd.server.client import ClientSession

# Part of a file in one answer: well under the limit of a message.
_FILE_PART_BYTES: Final = 256 * 1024
# A report that is larger stays in its file, where `coredumps export` fetches it.
_MAX_REPORT_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Registry:
    """What this daemon has."""

    daemon: DaemonRecord
    boards: dict[str, Board]
    store: CoredumpStore
    readers: trio.CapacityLimiter

    def board(self, name: str) -> Board:
        """The board of this name.

        Raises:
            CommandError: there is none.
        """
        if name not in self.boards:
            known = ", ".join(sorted(self.boards))
            raise CommandError("unknown_board", f"there is no board {name}", f"boards here: {known}")
        return self.boards[name]

    def coredump(self, coredump_id: str) -> tuple[CoredumpRecord, Board]:
        """The dump of this id, and the board that it is of.

        Raises:
            CommandError: there is none.
        """
        record = self.store.get(coredump_id)
        if record is None or record.board not in self.boards:
            raise CommandError(
                "unknown_coredump", f"there is no core dump {coredump_id}", "see `esperctl coredumps list`"
            )
        return record, self.boards[record.board]


async def _list_boards(client: "ClientSession", _: messages.ListBoards) -> Result:
    registry = client.registry
    return messages.Boards(registry.daemon, [board_record(board) for board in registry.boards.values()])


async def _subscribe(client: "ClientSession", request: messages.Subscribe) -> Result:
    return await client.subscribe(request)


async def _unsubscribe(client: "ClientSession", request: messages.Unsubscribe) -> Result:
    client.unsubscribe(client.registry.board(request.board), "unsubscribed")
    return messages.Done()


async def _take_writer(client: "ClientSession", request: messages.TakeWriter) -> Result:
    client.registry.board(request.board).lease.take(client.id, client.who, steal=request.steal)
    return messages.Done()


async def _release_writer(client: "ClientSession", request: messages.ReleaseWriter) -> Result:
    client.registry.board(request.board).lease.release(client.id)
    return messages.Done()


async def _send(client: "ClientSession", request: messages.Send) -> Result:
    await client.registry.board(request.board).send(request.data, client.id, client.who)
    return messages.Done()


async def _reset(client: "ClientSession", request: messages.Reset) -> Result:
    board = client.registry.board(request.board)
    board.lease.check_may_send(client.id)
    await board.reset(client.who, bootloader=request.bootloader)
    return messages.Done()


async def _break(client: "ClientSession", request: messages.Break) -> Result:
    board = client.registry.board(request.board)
    board.lease.check_may_send(client.id)
    await board.send_break(client.who, request.duration_s)
    return messages.Done()


async def _add_note(client: "ClientSession", request: messages.AddNote) -> Result:
    client.registry.board(request.board).add_note(request.text, client.who)
    return messages.Done()


async def _list_coredumps(client: "ClientSession", request: messages.ListCoredumps) -> Result:
    registry = client.registry
    if request.board is not None:
        registry.board(request.board)
    own = [record for record in registry.store.records(request.board) if record.board in registry.boards]
    return messages.Coredumps(own)


async def _coredump_info(client: "ClientSession", request: messages.CoredumpInfo) -> Result:
    record, _ = client.registry.coredump(request.id)
    folder = client.registry.store.folder(record.id)
    files, report = await trio.to_thread.run_sync(_look_into, folder, limiter=client.registry.readers)
    return messages.CoredumpDetails(record, files, report)


def _look_into(folder: Path) -> tuple[list[messages.CoredumpFile], str | None]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return [], None
    files = [
        messages.CoredumpFile(entry.name, entry.stat(follow_symlinks=False).st_size)
        for entry in entries
        if entry.is_file(follow_symlinks=False)
    ]
    has_report = any(file.name == REPORT_NAME and file.size_bytes <= _MAX_REPORT_BYTES for file in files)
    return files, (folder / REPORT_NAME).read_text("utf-8") if has_report else None


async def _read_coredump_file(client: "ClientSession", request: messages.ReadCoredumpFile) -> Result:
    record, _ = client.registry.coredump(request.id)
    # The name never reaches the file system unless it is one that the folder's own listing gives.
    folder = client.registry.store.folder(record.id)
    files, _ = await trio.to_thread.run_sync(_look_into, folder, limiter=client.registry.readers)
    if request.name not in {file.name for file in files}:
        raise CommandError("bad_request", f"core dump {record.id} has no file {request.name!r}")
    data, is_last = await trio.to_thread.run_sync(
        _read_part, folder / request.name, max(request.offset, 0), limiter=client.registry.readers
    )
    return messages.FileData(data, is_last)


def _read_part(path: Path, offset: int) -> tuple[bytes, bool]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, _FILE_PART_BYTES, offset)
        return data, offset + len(data) >= os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


async def _abort_capture(client: "ClientSession", request: messages.AbortCapture) -> Result:
    client.registry.board(request.board).abort_capture(client.who)
    return messages.Done()


async def _pin_coredump(client: "ClientSession", request: messages.PinCoredump) -> Result:
    record, board = client.registry.coredump(request.id)
    record.pinned = request.pinned
    board.captures.save(record)
    return messages.Done()


async def _remove_coredump(client: "ClientSession", request: messages.RemoveCoredump) -> Result:
    record, board = client.registry.coredump(request.id)
    if record.capture == "capturing":
        raise CommandError("capturing", f"core dump {record.id} is arriving", "`esperctl coredumps abort` ends it")
    if record.pinned and not request.force:
        raise CommandError("failed", f"core dump {record.id} is pinned", "unpin it first, or use --force")
    board.captures.remove(record.id)
    return messages.Done()


async def _prune_coredumps(client: "ClientSession", request: messages.PruneCoredumps) -> Result:
    if request.keep is not None and request.keep < 0:
        raise CommandError("bad_request", "the number to keep can't be negative")
    registry = client.registry
    boards = [registry.board(request.board)] if request.board is not None else list(registry.boards.values())
    removed: list[str] = []
    for board in boards:
        for record in registry.store.over_limit(board.name, request.keep):
            board.captures.remove(record.id)
            removed.append(record.id)
    return messages.Removed(removed)


_Body = TypeVar("_Body", bound=RequestBody)
_Handler = Callable[["ClientSession", _Body], Awaitable[Result]]
_TABLE: dict[type[msgspec.Struct], Callable[..., Awaitable[Result]]] = {}


def _register(kind: type[_Body], handler: _Handler[_Body]) -> None:
    _TABLE[kind] = handler


_register(messages.ListBoards, _list_boards)
_register(messages.Subscribe, _subscribe)
_register(messages.Unsubscribe, _unsubscribe)
_register(messages.TakeWriter, _take_writer)
_register(messages.ReleaseWriter, _release_writer)
_register(messages.Send, _send)
_register(messages.Reset, _reset)
_register(messages.Break, _break)
_register(messages.AddNote, _add_note)
_register(messages.ListCoredumps, _list_coredumps)
_register(messages.CoredumpInfo, _coredump_info)
_register(messages.ReadCoredumpFile, _read_coredump_file)
_register(messages.AbortCapture, _abort_capture)
_register(messages.PinCoredump, _pin_coredump)
_register(messages.RemoveCoredump, _remove_coredump)
_register(messages.PruneCoredumps, _prune_coredumps)


async def handle(client: "ClientSession", body: RequestBody) -> Result:
    """Does what was asked.

    Raises:
        CommandError: it can't be done; its code and text go to the client.
    """
    return await _TABLE[type(body)](client, body)
