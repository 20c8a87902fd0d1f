"""What a start does with the folder of a dump that a run left unfinished, or whose record can't be read."""

import binascii
import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.records import CoredumpRecord
from esperd.core.container import ContainerVerifier
from esperd.storage.coredump_files import CORE_NAME, RAW_NAME, RECORD_NAME, REFUSED_NAME, CoredumpFiles, split_id
from esperd.storage.files import TEMPORARY_SUFFIX
from esperd.system.clock import rfc3339

_log: Final = logging.getLogger(__name__)

_DAMAGED_SUFFIX: Final = ".damaged"


@dataclass(slots=True)
class StoreRecovery:
    """What a start found unfinished: dumps that were being captured, decodes that ran, files left half written."""

    captures_closed: list[str] = field(default_factory=list[str])
    decodes_queued: list[str] = field(default_factory=list[str])
    temporary_files_removed: int = 0


def load_record(files: CoredumpFiles, folder: Path) -> CoredumpRecord:
    """The record of a folder; where it can't be read, what the files themselves say, as of a cut capture."""
    if record := files.read_record(folder):
        return record
    known, began, note = split_id(folder.name), folder, "its record could not be read; this one was made from its files"
    if (folder / REFUSED_NAME).exists() and not (folder / RECORD_NAME).exists():
        began, note = folder / REFUSED_NAME, "esperd ended before the disk took its record, so its session is not known"
    return CoredumpRecord(
        id=folder.name,
        board=folder.name if known is None else known[0],
        generation=0,
        boot=0,
        started_at=rfc3339(began.stat().st_mtime_ns),
        raw_path=str(folder / RAW_NAME),
        core_path=str(folder / CORE_NAME),
        first_seq=0,
        last_seq=0,
        note=note,
    )


def close_cut_capture(record: CoredumpRecord, folder: Path, ended_at: str, *, was_killed: bool) -> bytes:
    """Ends the record of a capture that was cut, by what is on disk; returns the decoding.

    The decoding is made again, because a kill may have come between two files. A run that was not killed, or whose disk
    refused the record, had ended the capture in order.

    Raises:
        OSError: the text can't be read; the record is ended all the same.
    """
    record.capture, record.end_reason, record.ended_at = "partial", "daemon_stopped", ended_at
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
    why: str | None = "esperd was killed while it arrived" if was_killed else None
    if (folder / REFUSED_NAME).exists():
        what = "a part of it" if text else "all of its text, which is lost unless the journal has it,"
        record.end_reason, why = "disk_full", f"the disk still refused {what} when esperd ended"
        # It went on in memory, and nothing says until when.
        record.ended_at = None
    if verifier.is_complete:
        record.capture, record.end_reason, why = "captured", "complete", None
    record.note = "; ".join(filter(None, (record.note, why))) or None
    record.checksum = verifier.verdict()
    record.raw_bytes, record.raw_lines = len(text), len(lines)
    record.decoded_bytes = verifier.received_bytes
    if verifier.header is not None:
        record.expected_bytes = verifier.header.total_bytes
        record.chip, record.format = verifier.header.chip, verifier.header.format
    return b"".join(core)


def repair(
    files: CoredumpFiles, folder: Path, recovery: StoreRecovery, ended_at: str, *, was_killed: bool
) -> CoredumpRecord:
    """The record of a dump of our own, brought in order; in memory only, where a full disk lets us do no more.

    Raises:
        OSError: the folder is gone.
    """
    record = load_record(files, folder)
    leftovers = list(folder.glob(f"*{TEMPORARY_SUFFIX}"))
    try:
        was_capturing, was_decoding = record.capture == "capturing", record.decode.state == "running"
        if was_decoding:
            record.decode.state = "queued"
            recovery.decodes_queued.append(record.id)
        if was_capturing:
            recovery.captures_closed.append(record.id)
            files.replace_core(record.id, close_cut_capture(record, folder, ended_at, was_killed=was_killed))
        if was_capturing or was_decoding:
            _keep_damaged_record(files, folder)
            files.write_record(record.id, msgspec.json.encode(record))
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
            recovery.temporary_files_removed += 1
    except OSError as error:
        _log.error("core dump not repaired, the next start tries again coredump=%s error=%s", record.id, error)
    return record


def _keep_damaged_record(files: CoredumpFiles, folder: Path) -> None:
    path = folder / RECORD_NAME
    if path.exists() and files.read_record(folder) is None:
        path.rename(path.with_name(path.name + _DAMAGED_SUFFIX))
