"""What the pure part wants done about core dumps, carried out: records in memory, files through the disk writer."""

import functools
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from esper_protocol.events import CaptureEndReason, CoredumpEnded, Failure
from esper_protocol.records import CoredumpRecord
from esperd.board.publisher import Publisher
from esperd.core.capture import CapturedBytes, CaptureEnding
from esperd.core.pipeline import CaptureOpened
from esperd.decode.job import BoardLink
from esperd.decode.jobs import DecodeJobs
from esperd.storage.coredump_files import CORE_NAME, RAW_NAME, Extent
from esperd.storage.coredumps import CoredumpStore
from esperd.storage.disk_writer import DiskWriter
from esperd.system.clock import rfc3339, wall_ns

_log: Final = logging.getLogger(__name__)


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
        # How far the dump that arrives goes; None once a part of it had no place: the next would be behind a hole.
        self._arrived: Extent | None = None
        # Of dumps that lack a part: how far they go.
        self._cut: dict[str, Extent] = {}
        self._newly_cut: list[str] = []
        # Dumps whose end is not on disk yet, those that are being removed, and records that had no place.
        self._unfinished: set[str] = set()
        self._removed: set[str] = set()
        self._unsaved: set[str] = set()
        # Whose trouble is in the log already.
        self._logged: set[str] = set()

    def apply(self, effect: CaptureOpened | CapturedBytes | CaptureEnding) -> None:
        """Carries out one effect."""
        match effect:
            case CaptureOpened():
                self._open(effect)
            case CapturedBytes():
                self._append(effect)
            case CaptureEnding():
                self._end(effect)

    def as_stored(self, ended: CoredumpEnded) -> CoredumpEnded:
        """The event, with where the dump is, and with what the disk took of it."""
        ended = msgspec.structs.replace(ended, path=str(self._store.folder(ended.id)))
        stored = self._cut.get(ended.id)
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
        record_json = msgspec.json.encode(record)
        write = functools.partial(self._store.files.write_record, record.id, record_json)
        if not self._submit(record.id, write, self._on_record_error, len(record_json)):
            self._unsaved.add(record.id)

    def save_again(self) -> None:
        """Writes the records that had no place while the disk took nothing."""
        self._logged.clear()
        unsaved, self._unsaved = self._unsaved, set()
        for record in filter(None, map(self._store.get, unsaved)):
            if record.id in self._unfinished:
                self._finish(record)
            else:
                self.save(record)

    def take_cut(self) -> list[str]:
        """The dumps that lost a part since the last call."""
        cut, self._newly_cut = self._newly_cut, []
        return cut

    def remove(self, coredump_id: str) -> None:
        """Removes a dump, record and files; a decode of it ends."""
        self._store.forget(coredump_id)
        self._cut.pop(coredump_id, None)
        self._unfinished.discard(coredump_id)
        self._decodes.cancel(coredump_id, "the core dump was removed")
        # What waits of it is not written any more.
        self._removed.add(coredump_id)
        remove = functools.partial(self._store.files.remove, coredump_id)
        self._disk.submit(
            remove,
            functools.partial(self._on_remove_error, coredump_id),
            functools.partial(self._removed.discard, coredump_id),
            coredump_id=coredump_id,
        )

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
        record_json = msgspec.json.encode(record)
        create = functools.partial(self._store.files.create, opened.id, record_json, opened.context)
        is_taken = self._submit_part(opened.id, create, Extent(), len(record_json) + len(opened.context))
        self._arrived = Extent(context_bytes=len(opened.context)) if is_taken else None

    def _append(self, captured: CapturedBytes) -> None:
        record, at = self._store.get(captured.id), self._arrived
        if record is None or at is None:
            return
        text, decoded, rejected = captured.text, captured.decoded, captured.rejected
        append = functools.partial(self._store.files.append, captured.id, at, text, decoded, rejected)
        if not self._submit_part(captured.id, append, at, len(text) + len(decoded) + len(rejected)):
            self._arrived = None
            return
        self._arrived = Extent(
            at.raw_bytes + len(text),
            at.raw_lines + text.count(b"\n"),
            at.decoded_bytes + len(decoded),
            at.context_bytes + len(rejected),
        )
        # The record in memory is true while the dump arrives; on disk it is written at the end.
        _note_extent(record, self._arrived)
        record.rejected_lines += rejected.count(b"\n")

    def _submit_part(self, coredump_id: str, run: Callable[[], None], at: Extent, data_bytes: int) -> bool:
        """Leaves what is to be written of the dump that arrives."""
        return self._submit(coredump_id, run, functools.partial(self._on_part_error, at), data_bytes)

    def _submit(
        self,
        coredump_id: str,
        run: Callable[[], None],
        on_error: Callable[[str, OSError], None],
        data_bytes: int,
        on_done: Callable[[], None] | None = None,
    ) -> bool:
        return self._disk.submit(
            functools.partial(self._run_unless_removed, coredump_id, run),
            functools.partial(on_error, coredump_id),
            on_done,
            data_bytes,
            coredump_id,
        )

    def _run_unless_removed(self, coredump_id: str, run: Callable[[], None]) -> None:
        """In the disk writer's thread."""
        if coredump_id not in self._removed:
            run()

    def _end(self, ending: CaptureEnding) -> None:
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
        self._finish(record)
        for old in self._store.over_limit(self._publisher.board):
            self.remove(old.id)

    def _finish(self, record: CoredumpRecord) -> None:
        self._unfinished.add(record.id)
        record_json = msgspec.json.encode(record)
        finish = functools.partial(self._store.files.finish, record.id, record_json)
        on_done = functools.partial(self._on_finished, record.id)
        if not self._submit(record.id, finish, self._on_finish_error, len(record_json), on_done):
            self._unsaved.add(record.id)

    def _on_finished(self, coredump_id: str) -> None:
        """All that there is of a dump is on disk."""
        self._unfinished.discard(coredump_id)
        record = self._store.get(coredump_id)
        # The disk may be done only when the board is gone; the next start queues it.
        if record is not None and record.decoded_bytes and self._decodes.is_attached(record.board):
            self._decodes.queue(record)

    def _on_finish_error(self, coredump_id: str, error: OSError) -> None:
        self._on_record_error(coredump_id, error)
        if coredump_id not in self._unsaved:
            # The text may be there all the same.
            self._on_finished(coredump_id)

    @staticmethod
    def _note_ended(record: CoredumpRecord, ended: CoredumpEnded) -> None:
        record.capture, record.end_reason = ended.capture, ended.end_reason
        record.raw_bytes, record.raw_lines = ended.raw_bytes, ended.raw_lines
        record.rejected_lines, record.decoded_bytes = ended.rejected_lines, ended.decoded_bytes
        record.expected_bytes, record.checksum = ended.expected_bytes, ended.checksum
        record.last_seq = ended.last_seq

    def _on_part_error(self, at: Extent, coredump_id: str, error: OSError) -> None:
        record, known = self._store.get(coredump_id), self._cut.get(coredump_id)
        # A part may have had no place, and then one before it, that waited for the disk, is refused.
        if record is None or (known is not None and known.raw_bytes <= at.raw_bytes):
            return
        self._cut[coredump_id] = at
        if known is None:
            self._log_once("core dump", coredump_id, error)
            record.note = f"the disk refused a part of it: {error.strerror}"
            self._newly_cut.append(coredump_id)
        if record.capture == "capturing":
            self._end_capture("disk_full")
            return
        record.capture, record.end_reason, record.checksum = "partial", "disk_full", "absent"
        _note_extent(record, at)
        if not at.decoded_bytes:
            record.decode.state = "none"
        self.save(record)
        if known is None:
            # The board was faster than the disk: all of it had arrived, and viewers were told so.
            what = f"core dump {coredump_id} is not whole on disk: {error.strerror}"
            self._publisher.publish(Failure("capture", what, f"{at.raw_bytes} bytes of its text are stored", None))

    def _on_record_error(self, coredump_id: str, error: OSError) -> None:
        self._log_once("record", coredump_id, error)

    def _log_once(self, what: str, coredump_id: str, error: OSError) -> None:
        """Each of the operations of a dump that wait may be refused in the end."""
        if coredump_id not in self._logged:
            self._logged.add(coredump_id)
            _log.error("%s not written board=%s coredump=%s error=%s", what, self._publisher.board, coredump_id, error)

    def _on_remove_error(self, coredump_id: str, error: OSError) -> None:
        self._removed.discard(coredump_id)
        _log.error("core dump not removed board=%s coredump=%s error=%s", self._publisher.board, coredump_id, error)


def _note_extent(record: CoredumpRecord, extent: Extent) -> None:
    record.raw_bytes, record.raw_lines = extent.raw_bytes, extent.raw_lines
    record.decoded_bytes = extent.decoded_bytes
