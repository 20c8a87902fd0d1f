"""The process that plays the boards: writes a corpus into pseudo-terminals, as fast as taken or at a baud rate.

Its own process, so that its timing depends neither on the drains nor on what is measured. It starts at the first line
on its standard input, and says on its standard output, as one JSON object, what the kernel took of it.
"""

import argparse
import json
import mmap
import os
import select
import sys
import time
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

# A USB full-speed frame: how often a serial adapter delivers.
_TICK_S: Final = 0.001
_BLOCK_BYTES: Final = 4096


@dataclass(slots=True)
class Written:
    """What became of the bytes for one port."""

    accepted_bytes: int = 0
    refused_bytes: int = 0
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Of a whole run; ``late_ms`` is by how much the worst tick came too late."""

    ports: list[Written]
    seconds: float
    late_ms: float
    tags: int


class _Times(Protocol):
    """Where the moments of tags are put, for the harness to read."""

    def __setitem__(self, tag: int, moment: float, /) -> None: ...


class _Port:
    """One pseudo-terminal, and when each tagged line was given to it."""

    def __init__(self, descriptor: int, data: bytes, tag_ends: Sequence[int], times: _Times) -> None:
        self.written = Written()
        self._descriptor = descriptor
        self._data = memoryview(data)
        self._tag_ends = tag_ends
        self._times = times
        self._tag = 0
        self._position = 0

    def write_until(self, position: int) -> None:
        """Writes up to *position*; what the kernel refuses is lost, as in a UART that is not read."""
        block = self._data[self._position : position]
        if not block:
            return
        self._note_tags(position)
        try:
            taken = os.write(self._descriptor, block)
        except BlockingIOError:
            taken = 0
        written = self.written
        written.crc = zlib.crc32(block[:taken], written.crc)
        written.accepted_bytes += taken
        written.refused_bytes += len(block) - taken
        self._position = position

    def write_all(self) -> None:
        """Writes everything, waiting for the reader."""
        while self._position < len(self._data):
            end = min(self._position + _BLOCK_BYTES, len(self._data))
            self._note_tags(end)
            taken = os.write(self._descriptor, self._data[self._position : end])
            self._position += taken
        self.written = Written(len(self._data), 0, zlib.crc32(self._data))

    @property
    def tags(self) -> int:
        """How many tagged lines were written whole, or would have been."""
        return self._tag

    def _note_tags(self, position: int) -> None:
        now = time.monotonic()
        ends, tag = self._tag_ends, self._tag
        while tag < len(ends) and ends[tag] <= position:
            self._times[tag] = now
            tag += 1
        self._tag = tag


def _write_paced(ports: list[_Port], bytes_per_s: float, size_bytes: int) -> float:
    """Writes the bytes that are due, each millisecond; returns the worst delay of a tick (ms)."""
    started = time.monotonic()
    tick = 0
    late_s = 0.0
    due = 0
    while due < size_bytes:
        tick += 1
        pause_s = started + tick * _TICK_S - time.monotonic()
        if pause_s > 0:
            select.select([], [], [], pause_s)
        now = time.monotonic()
        late_s = max(late_s, now - started - tick * _TICK_S)
        due = min(int((now - started) * bytes_per_s), size_bytes)
        for port in ports:
            port.write_until(due)
        # After a delay go on from here: a UART does not make up for time either.
        tick = max(tick, int((now - started) / _TICK_S))
    return late_s * 1000


def _be_punctual() -> None:
    # Only a privileged user may; without it the lateness says how good a round was.
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return


def main() -> None:
    """Runs the writer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, action="append", required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--tag-ends", type=Path, required=True)
    parser.add_argument("--times", type=Path, required=True)
    parser.add_argument("--size-bytes", type=int, required=True)
    parser.add_argument("--bytes-per-s", type=float)
    arguments = parser.parse_args()
    data = arguments.corpus.read_bytes()[: arguments.size_bytes]
    tag_ends = array("Q", arguments.tag_ends.read_bytes())
    with arguments.times.open("r+b") as file:
        # Never closed: the ports look into it to the end.
        times = memoryview(mmap.mmap(file.fileno(), 0)).cast("d")
    ports = [
        _Port(descriptor, data, tag_ends, times[index * len(tag_ends) : (index + 1) * len(tag_ends)])
        for index, descriptor in enumerate(arguments.descriptor)
    ]
    for descriptor in arguments.descriptor:
        os.set_blocking(descriptor, arguments.bytes_per_s is None)
    sys.stdin.readline()
    started = time.monotonic()
    late_ms = 0.0
    if arguments.bytes_per_s is None:
        for port in ports:
            port.write_all()
    else:
        _be_punctual()
        late_ms = _write_paced(ports, arguments.bytes_per_s, len(data))
    seconds = time.monotonic() - started
    report = Report([port.written for port in ports], seconds, late_ms, ports[0].tags)
    print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    main()
