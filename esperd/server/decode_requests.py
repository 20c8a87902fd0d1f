"""What clients can ask about decoding: decode a stored dump anew, and the ELF store."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from esper_protocol import messages
from esper_protocol.messages import Result
from esper_protocol.records import CoredumpRecord, ElfRecord
from esperd.decode.decoder_process import DecodeOptions
from esperd.decode.elf_store import is_sha256
from esperd.decode.elf_upload import MAX_PART_BYTES, Upload
from esperd.decode.program import ProgramError
from esperd.decode.request import BACKENDS
from esperd.errors import CommandError
from esperd.server.handlers import bind

if TYPE_CHECKING:
    from esperd.server.client import ClientSession

_log: Final = logging.getLogger(__name__)

# At one time; more than a user's builds that end together.
_UPLOADS_OF_USER: Final = 4


async def _decode_coredump(client: "ClientSession", request: messages.DecodeCoredump) -> Result:
    if request.backend not in BACKENDS:
        raise CommandError("bad_request", f"there is no backend {request.backend!r}", f"known: {', '.join(BACKENDS)}")
    if request.timeout_s is not None and not request.timeout_s > 0:
        raise CommandError("bad_request", f"a timeout is more than 0 s, not {request.timeout_s:g} s")
    elf = None if request.elf_sha256 is None else await _elf_path(client, request.elf_sha256)
    options = DecodeOptions(request.backend, elf, request.timeout_s, request.force, request.locals)
    # Last, without a wait behind it: the board and the dump may go while the store is asked.
    record = await _decodable(client, request.id)
    return messages.DecodeJob(client.registry.decoding.jobs.queue(record, options))


async def _decodable(client: "ClientSession", coredump_id: str) -> CoredumpRecord:
    record, board = await client.registry.coredump(coredump_id)
    if board is None or not client.registry.decoding.jobs.is_attached(record.board):
        raise CommandError(
            "absent",
            f"no daemon runs {record.board}, the board of core dump {record.id}",
            "start one for it, or decode a file: `esperctl coredumps export` makes one",
        )
    if record.capture == "capturing":
        raise CommandError("capturing", f"core dump {record.id} is arriving", "wait for its end")
    return record


async def _elf_path(client: "ClientSession", prefix: str) -> Path:
    decoding = client.registry.decoding
    elf = await trio.to_thread.run_sync(decoding.elfs.find, prefix, limiter=decoding.limiter)
    return decoding.elfs.path(elf.sha256)


async def _cancel_decode(client: "ClientSession", request: messages.CancelDecode) -> Result:
    record, _ = await client.registry.coredump(request.id)
    if not client.registry.decoding.jobs.cancel(record.id, f"by {client.who}"):
        raise CommandError("failed", f"core dump {record.id} is not being decoded")
    return messages.Done()


# The ELF store --------------------------------------------------------------------------------------------


async def _add_elf(client: "ClientSession", request: messages.AddElf) -> Result:
    decoding = client.registry.decoding
    await client.drop_upload()
    if not is_sha256(request.sha256):
        raise CommandError("bad_request", f"{request.sha256!r} is no SHA-256 of 64 lower-case hexadecimal digits")
    known = await trio.to_thread.run_sync(decoding.elfs.get, request.sha256, limiter=decoding.limiter)
    if known is not None:
        return messages.ElfStored(known, decoding.elf_added(known))
    client.upload = await trio.to_thread.run_sync(
        Upload, decoding.elfs, request.sha256, request.size_bytes, request.path, limiter=decoding.limiter
    )
    # Not before it: several may have been waiting for their turn.
    if _count_uploads(client) > _UPLOADS_OF_USER:
        await client.drop_upload()
        text = f"{client.who} sends {_UPLOADS_OF_USER} other ELF files at this time"
        raise CommandError("limit", text, "add it again when one of them has arrived")
    return messages.ElfStored(None)


def _count_uploads(client: "ClientSession") -> int:
    sessions = client.registry.sessions
    return sum(session.upload is not None and session.peer.user == client.peer.user for session in sessions)


async def _add_elf_part(client: "ClientSession", request: messages.AddElfPart) -> Result:
    upload = client.upload
    if upload is None:
        raise CommandError("bad_request", "no ELF file was offered that this could be a part of")
    if request.offset != upload.received_bytes or len(request.data) > MAX_PART_BYTES:
        raise CommandError(
            "bad_request", f"the next part begins at {upload.received_bytes} and has up to {MAX_PART_BYTES} bytes"
        )
    record = await _write(client, upload, request.data)
    if record is None:
        return messages.ElfStored(None)
    await client.drop_upload()
    return messages.ElfStored(record, client.registry.decoding.elf_added(record))


async def _write(client: "ClientSession", upload: Upload, data: bytes) -> ElfRecord | None:
    try:
        return await trio.to_thread.run_sync(upload.write, data, limiter=client.registry.decoding.limiter)
    except (ProgramError, CommandError, OSError) as error:
        await client.drop_upload()
        if isinstance(error, ProgramError):
            # It names the temporary file, which says nothing to the client.
            text = str(error).replace(str(upload.path), upload.origin)
            raise CommandError("bad_request", text, "an ELF file of a program for an ESP chip is wanted") from error
        raise


async def _list_elfs(client: "ClientSession", _: messages.ListElfs) -> Result:
    decoding = client.registry.decoding
    records = await trio.to_thread.run_sync(decoding.elfs.records, limiter=decoding.limiter)
    return messages.Elfs(records, decoding.elfs.limit_bytes)


async def _remove_elf(client: "ClientSession", request: messages.RemoveElf) -> Result:
    decoding = client.registry.decoding
    record = await trio.to_thread.run_sync(decoding.elfs.find, request.sha256, limiter=decoding.limiter)
    await trio.to_thread.run_sync(decoding.elfs.remove, record.sha256, limiter=decoding.limiter)
    client.registry.note_everywhere(f"deleted ELF file {record.sha256} ({record.name})", client.who)
    _log.info("ELF file removed sha256=%s who=%s", record.sha256, client.who)
    return messages.ElfStored(record)


DECODE_HANDLERS: Final = (
    bind(messages.DecodeCoredump, _decode_coredump),
    bind(messages.CancelDecode, _cancel_decode),
    bind(messages.AddElf, _add_elf),
    bind(messages.AddElfPart, _add_elf_part),
    bind(messages.ListElfs, _list_elfs),
    bind(messages.RemoveElf, _remove_elf),
)
