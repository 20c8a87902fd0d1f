"""The cost of the journal alone, CPU ms per MB of a board's bytes; a process of its own, which imports the daemon.

Prints: append (encoding, checksum and file), a plain os.write of the same bytes, replay of frames as a viewer gets
them, replay decoded to lines.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.corpus import log_corpus
from esper_protocol.codec import decode_event, encode_message
from esper_protocol.events import Event, Line, split_lines
from esper_protocol.framing import scan_frames
from esperd.storage.files import Access
from esperd.storage.journal import Journal, JournalLimits
from esperd.storage.journal_reader import JournalReader

_MEGABYTE: Final = 1_000_000
_SIZE_BYTES: Final = 8 * _MEGABYTE
# What one read of a pseudo-terminal gives; and how many of them the disk writer finds at a time.
_CHUNK_BYTES: Final = 4095
_BATCH: Final = 64


def main() -> None:
    """Runs the four, each on the same bytes."""
    data = log_corpus(_SIZE_BYTES).data
    chunks = [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]
    with tempfile.TemporaryDirectory() as scratch:
        limits = JournalLimits(16 * 1024 * 1024, 1024 * 1024 * 1024, 0)
        journal = Journal(Path(scratch) / "journal", limits, Access())
        journal.open()
        costs = [
            _cost(lambda: _append(journal, chunks)),
            _cost(lambda: _write(Path(scratch) / "plain", chunks)),
            _cost(lambda: _replay(journal)),
            _cost(lambda: _decode(journal)),
        ]
        journal.close()
    print(*(f"{cost:.3f}" for cost in costs))


def _cost(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000 / (_SIZE_BYTES / _MEGABYTE)


def _append(journal: Journal, chunks: list[bytes]) -> None:
    seq = 1
    for start in range(0, len(chunks), _BATCH):
        first_seq = seq
        frames: list[bytes] = []
        for chunk in chunks[start : start + _BATCH]:
            count = chunk.count(b"\n")
            frames.append(encode_message(Event(seq, 0, "board0", 1, 1, Line(chunk, count))))
            seq += count
        journal.append(frames, first_seq, 0)


def _write(path: Path, chunks: list[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for chunk in chunks:
            os.write(descriptor, chunk)
    finally:
        os.close(descriptor)


def _replay(journal: Journal) -> None:
    reader = JournalReader(journal)
    seq = 1
    while stretch := reader.read(seq):
        seq = stretch.next_seq


def _decode(journal: Journal) -> None:
    for segment in journal.segments:
        for _, _, payload in scan_frames(segment.path.read_bytes()):
            event = decode_event(payload)
            if isinstance(event.body, Line):
                split_lines(event.body)


if __name__ == "__main__":
    main()
