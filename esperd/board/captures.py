"""What the pure part wants done about core dumps, carried out: records in memory, files through the disk writer."""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from esper_protocol.events import CaptureEndReason, CoredumpEnded, Failure
from esper_protocol.records import CoredumpRecord
from esperd.board.publisher import Publisher
from esperd.clock import rfc3339, wall_ns
from esperd.core.capture import CapturedBytes, CaptureEnding
from esperd.core.pipeline import CaptureOpened
from esperd.decode.job import BoardLink
from esperd.decode.jobs import DecodeJobs
from esperd.storage.coredump_files import CORE_NAME, RAW_NAME
from esperd.storage.coredumps import CoredumpStore
from esperd.storage.disk_writer import DiskWriter

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is on disk of a dump that the disk refused a part of."""

    raw_bytes: int = 0
    raw_lines: int = 0
    decoded_bytes: int = 0


class Captures:
    """Keeps the records of one board's dumps in step with what arrives.

    Args:
        end_capture: Called when the disk takes no more of the dump that is arriving.
        decodes: Gets each dump that is on disk.
    """

    def __init__(
        self,
        publisher: Publisher,
        store: CoredumpStore,
        disk: DiskWriter,
        end_capture: Callable[[CaptureEndReason], None],
        decodes: DecodeJobs,
    ) -> None:
        self._publisher = publisher
        self._store = store
        self._disk = disk
        self._end_capture = end_capture
        self._decodes = decodes
        decodes.attach(publisher.board, BoardLink(publisher.publish, disk.submit, self.save))
        self._unsaved: set[str] = set()
        self._stored: dict[str, _Stored] = {}
        # Dumps that the disk writer had no room for a part of: what comes after it would be behind a hole.
        self._cut: set[str] = set()

    def apply(self, effect: CaptureOpened | CapturedBytes | CaptureEnding) -> None:
        """Carries out one effect."""
        match effect:
            case CaptureOpened():
                self._open(effect)
            case CapturedBytes():
                self._append(effect)
            case CaptureEnding():
                self._finish(effect)

    def as_stored(self, ended: CoredumpEnded) -> CoredumpEnded:
        """The event, with where the dump is, and with what the disk took of it."""
        ended = msgspec.structs.replace(ended, path=str(self._store.folder(ended.id)))
        stored = self._stored.get(ended.id)
        if stored is None:
            return ended
        return msgspec.structs.replace(
            ended,
            capture="partial",
            end_reason="disk_full",
            checksum="absent",
            raw_bytes=stored.raw_bytes,
            raw_lines=stored.raw_lines,
            decoded_bytes=stored.decoded_bytes,
        )

    def save(self, record: CoredumpRecord) -> None:
        """Writes a record that was changed; nothing of one that was removed meanwhile."""
        if self._store.get(record.id) is None:
            return
        write = functools.partial(self._store.files.write_record, record.id, msgspec.json.encode(record))
        self._disk.submit(write, functools.partial(self._on_record_error, record.id))

    def save_again(self) -> None:
        """Writes the records that the disk refused."""
        unsaved, self._unsaved = self._unsaved, set()
        for coredump_id in unsaved:
            if record := self._store.get(coredump_id):
                self.save(record)

    def remove(self, coredump_id: str) -> None:
        """Removes a dump, record and files; a decode of it ends."""
        self._store.forget(coredump_id)
        self._stored.pop(coredump_id, None)
        self._cut.discard(coredump_id)
        self._decodes.cancel(coredump_id, "the core dump was removed")
        remove = functools.partial(self._store.files.remove, coredump_id)
        self._disk.submit(remove, functools.partial(self._on_record_error, coredump_id))

    def _open(self, opened: CaptureOpened) -> None:
        publisher = self._publisher
        folder = self._store.folder(opened.id)
        record = CoredumpRecord(
            id=opened.id,
            board=publisher.board,
            generation=publisher.generation,
            boot=publisher.boot,
            started_at=rfc3339(wall_ns()),
            app_sha256=opened.app_sha256,
            reason=opened.reason,
            task=opened.task,
            raw_path=str(folder / RAW_NAME),
            core_path=str(folder / CORE_NAME),
            first_seq=opened.first_seq,
            last_seq=opened.first_seq,
        )
        self._store.add(record)
        create = functools.partial(self._store.files.create, opened.id, msgspec.json.encode(record), opened.context)
        self._submit(opened.id, create, _Stored(), len(opened.context))

    def _append(self, captured: CapturedBytes) -> None:
        before = self._count(captured)
        if captured.id in self._cut:
            return
        append = functools.partial(
            self._store.files.append, captured.id, captured.text, captured.decoded, captured.rejected
        )
        self._submit(captured.id, append, before, len(captured.text) + len(captured.decoded) + len(captured.rejected))

    def _submit(self, coredump_id: str, run: Callable[[], None], before: _Stored, data_bytes: int) -> None:
        on_error = functools.partial(self._on_write_error, coredump_id, before)
        if not self._disk.submit(run, on_error, data_bytes=data_bytes):
            self._cut.add(coredump_id)

    def _count(self, captured: CapturedBytes) -> _Stored:
        """Keeps the record in memory true while the dump arrives, on disk it is written at the end; gives what was."""
        record = self._store.get(captured.id)
        if record is None:
            return _Stored()
        before = _Stored(record.raw_bytes, record.raw_lines, record.decoded_bytes)
        record.raw_bytes += len(captured.text)
        record.raw_lines += captured.text.count(b"\n")
        record.rejected_lines += captured.rejected.count(b"\n")
        record.decoded_bytes += len(captured.decoded)
        return before

    def _finish(self, ending: CaptureEnding) -> None:
        record = self._store.get(ending.event.id)
        if record is None:
            return
        record.ended_at = rfc3339(wall_ns())
        self._note_ended(record, self.as_stored(ending.event))
        if ending.header is not None:
            record.chip, record.format = ending.header.chip, ending.header.format
        if record.decoded_bytes:
            # On disk together with the end of the capture: a kill that comes now leaves a dump that is to be decoded.
            record.decode.state = "queued"
        finish = functools.partial(self._store.files.finish, record.id, msgspec.json.encode(record))
        self._disk.submit(
            finish,
            functools.partial(self._on_finish_error, record.id),
            functools.partial(self._queue_decode, record.id),
        )
        self.save_again()
        for old in self._store.over_limit(self._publisher.board):
            self.remove(old.id)

    def _queue_decode(self, coredump_id: str) -> None:
        record = self._store.get(coredump_id)
        # The disk may be done only when the board is gone; the next start queues it.
        is_wanted = record is not None and self._decodes.is_attached(record.board)
        if record is not None and is_wanted and record.decode.state == "queued":
            self._decodes.queue(record)

    def _on_finish_error(self, coredump_id: str, error: OSError) -> None:
        self._on_record_error(coredump_id, error)
        # The text may be there all the same.
        self._queue_decode(coredump_id)

    @staticmethod
    def _note_ended(record: CoredumpRecord, ended: CoredumpEnded) -> None:
        record.capture, record.end_reason = ended.capture, ended.end_reason
        record.raw_bytes, record.raw_lines = ended.raw_bytes, ended.raw_lines
        record.rejected_lines, record.decoded_bytes = ended.rejected_lines, ended.decoded_bytes
        record.expected_bytes, record.checksum = ended.expected_bytes, ended.checksum
        record.last_seq = ended.last_seq

    def _on_write_error(self, coredump_id: str, stored: _Stored, error: OSError) -> None:
        record = self._store.get(coredump_id)
        known = self._stored.get(coredump_id)
        if known is not None and stored.raw_bytes < known.raw_bytes:
            self._note_less(record, coredump_id, stored)
        if record is None or known is not None:
            return
        board = self._publisher.board
        _log.error("core dump not written board=%s coredump=%s error=%s", board, coredump_id, error)
        self._stored[coredump_id] = stored
        record.note = f"the disk refused a part of it: {error.strerror}"
        if record.capture == "capturing":
            self._end_capture("disk_full")
            return
        # The board was faster than the disk: all of it had arrived, and viewers were told so.
        record.capture, record.end_reason, record.checksum = "partial", "disk_full", "absent"
        record.raw_bytes, record.raw_lines, record.decoded_bytes = (
            stored.raw_bytes,
            stored.raw_lines,
            stored.decoded_bytes,
        )
        self.save(record)
        what = f"core dump {coredump_id} is not whole on disk: {error.strerror}"
        self._publisher.publish(Failure("capture", what, f"{stored.raw_bytes} bytes of its text are stored", None))

    def _note_less(self, record: CoredumpRecord | None, coredump_id: str, stored: _Stored) -> None:
        """A part had no room, and then one before it, that waited for the disk, was refused."""
        self._stored[coredump_id] = stored
        if record is not None and record.capture == "partial":
            record.raw_bytes, record.raw_lines = stored.raw_bytes, stored.raw_lines
            record.decoded_bytes = stored.decoded_bytes
            self.save(record)

    def _on_record_error(self, coredump_id: str, error: OSError) -> None:
        _log.error("record not written board=%s coredump=%s error=%s", self._publisher.board, coredump_id, error)
        self._unsaved.add(coredump_id)
