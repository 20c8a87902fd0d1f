"""What clients can ask about stored core dumps: those of this daemon's boards, and those that nobody owns."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from esper_protocol import messages
from esper_protocol.messages import Result
from esper_protocol.records import CoredumpRecord
from esperd.errors import CommandError
from esperd.server.handlers import bind
from esperd.server.registry import Registry, unknown_coredump
from esperd.storage.coredump_files import REPORT_NAME
from esperd.storage.coredumps import age, over_limit
from esperd.storage.files import TEMPORARY_SUFFIX

if TYPE_CHECKING:
    from esperd.server.client import ClientSession

_log: Final = logging.getLogger(__name__)

# Part of a file in one answer: well under the limit of a message.
_FILE_PART_BYTES: Final = 256 * 1024
# Records in one answer: under the limit of a message, too, even if one record is large.
_LIST_BYTES: Final = 512 * 1024
# More is no offset to the system; no file is as large.
_MOST_OFFSET: Final = 2**62
# A report that is larger stays in its file, where `coredumps export` fetches it.
_MAX_REPORT_BYTES: Final = 512 * 1024


async def _list_coredumps(client: "ClientSession", request: messages.ListCoredumps) -> Result:
    records = await _records(client.registry, request.board)
    if request.after is not None:
        after = _age_named(request.after)
        records = [record for record in records if age(record) > after]
    room_bytes = _LIST_BYTES
    for index, record in enumerate(records):
        room_bytes -= len(msgspec.msgpack.encode(record))
        if room_bytes < 0 and index > 0:
            return messages.Coredumps(records[:index], msgspec.json.encode(age(records[index - 1])).decode())
    return messages.Coredumps(records)


def _age_named(text: str) -> tuple[str, int, str]:
    """What an answer gave as ``next``: the age of its last record, because the record itself may be gone by then."""
    try:
        return msgspec.json.decode(text, type=tuple[str, int, str])
    except msgspec.DecodeError as error:
        raise CommandError("bad_request", "`after` is not what an answer gave as `next`") from error


async def _records(registry: Registry, board: str | None) -> list[CoredumpRecord]:
    """The records of one board, or of all, oldest first, whether this daemon owns them or nobody does."""
    if board in registry.boards:
        return registry.store.records(board)
    orphans = await trio.to_thread.run_sync(registry.orphans.records, board, limiter=registry.readers)
    if board is not None and not orphans:
        registry.board(board)
    own = registry.store.records() if board is None else []
    return sorted([*own, *orphans], key=age)


async def _coredump_info(client: "ClientSession", request: messages.CoredumpInfo) -> Result:
    registry = client.registry
    record, _ = await registry.coredump(request.id)
    folder = registry.store.folder(record.id)
    files, report = await trio.to_thread.run_sync(_look_into, folder, limiter=registry.readers)
    return messages.CoredumpDetails(record, files, report)


def _look_into(folder: Path) -> tuple[list[messages.CoredumpFile], str | None]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return [], None
    files = [file for entry in entries if (file := _file_of(entry)) is not None]
    has_report = any(file.name == REPORT_NAME and file.size_bytes <= _MAX_REPORT_BYTES for file in files)
    return files, (folder / REPORT_NAME).read_text("utf-8", "replace") if has_report else None


def _file_of(entry: os.DirEntry[str]) -> messages.CoredumpFile | None:
    """None for what is no file, or is gone again: a file that is being replaced has a temporary one beside it."""
    try:
        if entry.is_file(follow_symlinks=False) and not entry.name.endswith(TEMPORARY_SUFFIX):
            return messages.CoredumpFile(entry.name, entry.stat(follow_symlinks=False).st_size)
    except FileNotFoundError:
        pass
    return None


async def _read_coredump_file(client: "ClientSession", request: messages.ReadCoredumpFile) -> Result:
    registry = client.registry
    record, _ = await registry.coredump(request.id)
    # The name never reaches the file system unless it is one that the folder's own listing gives.
    folder = registry.store.folder(record.id)
    files, _ = await trio.to_thread.run_sync(_look_into, folder, limiter=registry.readers)
    if request.name not in {file.name for file in files}:
        raise CommandError("bad_request", f"core dump {record.id} has no file {request.name!r}")
    data, is_last = await trio.to_thread.run_sync(
        _read_part, folder / request.name, min(max(request.offset, 0), _MOST_OFFSET), limiter=registry.readers
    )
    return messages.FileData(data, is_last)


def _read_part(path: Path, offset: int) -> tuple[bytes, bool]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, _FILE_PART_BYTES, offset)
        return data, offset + len(data) >= os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


async def _pin_coredump(client: "ClientSession", request: messages.PinCoredump) -> Result:
    registry = client.registry
    record, board = await registry.coredump(request.id)
    if board is not None:
        record.pinned = request.pinned
        board.captures.save(record)
    elif not await trio.to_thread.run_sync(_pin_orphan, client, request, limiter=registry.readers):
        raise unknown_coredump(request.id)
    return messages.Done()


def _pin_orphan(client: "ClientSession", request: messages.PinCoredump) -> bool:
    return client.registry.orphans.set_pinned(request.id, pinned=request.pinned)


async def _remove_coredump(client: "ClientSession", request: messages.RemoveCoredump) -> Result:
    registry = client.registry
    record, _ = await registry.coredump(request.id)
    _check_removable(record, request)
    if not await _remove(client, record):
        raise unknown_coredump(request.id)
    return messages.Done()


def _check_removable(record: CoredumpRecord, request: messages.RemoveCoredump) -> None:
    if record.capture == "capturing":
        raise CommandError("capturing", f"core dump {record.id} is arriving", "`esperctl coredumps abort` ends it")
    if record.pinned and not request.force:
        raise CommandError("failed", f"core dump {record.id} is pinned", "unpin it first, or use --force")


async def _prune_coredumps(client: "ClientSession", request: messages.PruneCoredumps) -> Result:
    if request.keep is not None and request.keep < 0:
        raise CommandError("bad_request", "the number to keep can't be negative")
    registry = client.registry
    records = await _records(registry, request.board)
    removed: list[str] = []
    for board in sorted({record.board for record in records}):
        mine = [record for record in records if record.board == board]
        chosen = over_limit(mine, registry.store.limits, request.keep)
        removed += [record.id for record in chosen if await _remove(client, record)]
    return messages.Removed(removed)


async def _remove(client: "ClientSession", record: CoredumpRecord) -> bool:
    """Deletes a dump; False when it is gone, or its board belongs to somebody now."""
    registry = client.registry
    if board := registry.boards.get(record.board):
        board.captures.remove(record.id)
        board.add_note(f"deleted core dump {record.id}", client.who)
    elif await trio.to_thread.run_sync(registry.orphans.remove, record.id, limiter=registry.readers):
        registry.note_everywhere(f"deleted core dump {record.id}", client.who)
    else:
        return False
    _log.info("core dump removed coredump=%s who=%s", record.id, client.who)
    return True


COREDUMP_HANDLERS: Final = (
    bind(messages.ListCoredumps, _list_coredumps),
    bind(messages.CoredumpInfo, _coredump_info),
    bind(messages.ReadCoredumpFile, _read_coredump_file),
    bind(messages.PinCoredump, _pin_coredump),
    bind(messages.RemoveCoredump, _remove_coredump),
    bind(messages.PruneCoredumps, _prune_coredumps),
)
