"""What the pure part wants done about core dumps, carried out: records in memory, files through the disk writer."""

import functools
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from esper_protocol.events import CaptureEndReason, CoredumpEnded
from esper_protocol.records import CoredumpRecord
from esperd.board.publisher import Publisher
from esperd.clock import rfc3339, wall_ns
from esperd.core.capture import CapturedBytes, CaptureEnding
from esperd.core.pipeline import CaptureOpened
from esperd.storage.coredumps import CORE_NAME, RAW_NAME, CoredumpStore
from esperd.storage.disk_writer import DiskWriter

_log: Final = logging.getLogger(__name__)


class Captures:
    """Keeps the records of one board's dumps in step with what arrives.

    Args:
        end_capture: Called when the disk takes no more of the dump that is arriving.
    """

    def __init__(
        self,
        publisher: Publisher,
        store: CoredumpStore,
        disk: DiskWriter,
        end_capture: Callable[[CaptureEndReason], None],
    ) -> None:
        self._publisher = publisher
        self._store = store
        self._disk = disk
        self._end_capture = end_capture
        self._unsaved: set[str] = set()

    def apply(self, effect: CaptureOpened | CapturedBytes | CaptureEnding) -> None:
        """Carries out one effect."""
        match effect:
            case CaptureOpened():
                self._open(effect)
            case CapturedBytes():
                self._count(effect)
                append = functools.partial(
                    self._store.append_files, effect.id, effect.text, effect.decoded, effect.rejected
                )
                self._disk.submit(append, functools.partial(self._on_write_error, effect.id))
            case CaptureEnding():
                self._finish(effect)

    def with_path(self, ended: CoredumpEnded) -> CoredumpEnded:
        """The event, with where the dump is."""
        return msgspec.structs.replace(ended, path=str(self._store.folder(ended.id)))

    def save(self, record: CoredumpRecord) -> None:
        """Writes a record that was changed."""
        write = functools.partial(self._store.write_record_files, record.id, msgspec.json.encode(record))
        self._disk.submit(write, functools.partial(self._on_record_error, record.id))

    def save_again(self) -> None:
        """The disk takes again: writes the records that it refused."""
        unsaved, self._unsaved = self._unsaved, set()
        for coredump_id in unsaved:
            if record := self._store.get(coredump_id):
                self.save(record)

    def remove(self, coredump_id: str) -> None:
        """Removes a dump, record and files."""
        self._store.forget(coredump_id)
        remove = functools.partial(self._store.remove_files, coredump_id)
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
        create = functools.partial(self._store.create_files, opened.id, msgspec.json.encode(record), opened.context)
        self._disk.submit(create, functools.partial(self._on_write_error, opened.id))

    def _count(self, captured: CapturedBytes) -> None:
        """Keeps the record in memory true while the dump arrives; on disk it is written at the end."""
        if record := self._store.get(captured.id):
            record.raw_bytes += len(captured.text)
            record.raw_lines += captured.text.count(b"\n")
            record.rejected_lines += captured.rejected.count(b"\n")
            record.decoded_bytes += len(captured.decoded)

    def _finish(self, ending: CaptureEnding) -> None:
        ended = ending.event
        record = self._store.get(ended.id)
        if record is None:
            return
        record.ended_at = rfc3339(wall_ns())
        record.capture, record.end_reason = ended.capture, ended.end_reason
        record.raw_bytes, record.raw_lines = ended.raw_bytes, ended.raw_lines
        record.rejected_lines, record.decoded_bytes = ended.rejected_lines, ended.decoded_bytes
        record.expected_bytes, record.checksum = ended.expected_bytes, ended.checksum
        record.last_seq = ended.last_seq
        if ending.header is not None:
            record.chip, record.format = ending.header.chip, ending.header.format
        finish = functools.partial(self._store.finish_files, record.id, msgspec.json.encode(record))
        self._disk.submit(finish, functools.partial(self._on_record_error, record.id))
        for old in self._store.over_limit(self._publisher.board):
            self.remove(old.id)

    def _on_write_error(self, coredump_id: str, error: OSError) -> None:
        _log.error("core dump not written board=%s coredump=%s error=%s", self._publisher.board, coredump_id, error)
        if record := self._store.get(coredump_id):
            record.note = f"the disk refused a part of it: {error.strerror}"
            if record.capture == "capturing":
                self._end_capture("disk_full")

    def _on_record_error(self, coredump_id: str, error: OSError) -> None:
        _log.error("record not written board=%s coredump=%s error=%s", self._publisher.board, coredump_id, error)
        self._unsaved.add(coredump_id)
