"""A driver that does what the daemon's session does with a pipeline, and a maker of core dumps."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from esper_protocol.events import CaptureEndReason, CoredumpProgress, Line, seq_count, split_lines
from esperd.core.capture import CapturedBytes, CaptureEnding
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import CaptureOpened, Effect, Output, Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


@dataclass(frozen=True)
class Observed:
    """What came out, without what chunking may change: how lines were bundled, how captured bytes were."""

    lines: dict[int, bytes]
    others: list[tuple[int, Output]]
    captured: dict[str, CapturedBytes]


class Driver:
    """Feeds a pipeline, calls it at its deadlines, and gives every event its position."""

    def __init__(self, limits: CoreLimits | None = None, next_coredump: int = 1) -> None:
        self.pipeline = Pipeline("bench", limits or CoreLimits(), next_coredump)
        self.now = 0.0
        self.seq = 1
        self.outputs: list[tuple[int, Output]] = []

    def send(self, *chunks: bytes) -> list[Output]:
        first = len(self.outputs)
        for chunk in chunks:
            self._take(self.pipeline.receive_data(chunk, self.now, self.seq))
        return [output for _, output in self.outputs[first:]]

    def wait(self, seconds: float) -> list[Output]:
        first, until = len(self.outputs), self.now + seconds
        while (deadline := self.pipeline.deadline) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self._take(self.pipeline.on_deadline(self.now, self.seq))
        self.now = until
        return [output for _, output in self.outputs[first:]]

    def hang_up(self, reason: CaptureEndReason = "port_lost") -> list[Output]:
        first = len(self.outputs)
        self._take(self.pipeline.receive_hangup(reason, self.now, self.seq))
        return [output for _, output in self.outputs[first:]]

    def end_capture(self, reason: CaptureEndReason) -> list[Output]:
        first = len(self.outputs)
        self._take(self.pipeline.end_capture(reason, self.now, self.seq))
        return [output for _, output in self.outputs[first:]]

    def all(self, kind: type[T]) -> list[T]:
        return [output for _, output in self.outputs if isinstance(output, kind)]

    def one(self, kind: type[T]) -> T:
        (output,) = self.all(kind)
        return output

    def text(self) -> bytes:
        return b"".join(line.data for line in self.all(Line))

    def lines(self) -> dict[int, bytes]:
        return {
            seq + index: data
            for seq, output in self.outputs
            if isinstance(output, Line)
            for index, data in enumerate(split_lines(output))
        }

    def captured(self) -> dict[str, CapturedBytes]:
        joined: dict[str, CapturedBytes] = {}
        for opened in self.all(CaptureOpened):
            parts = [part for part in self.all(CapturedBytes) if part.id == opened.id]
            joined[opened.id] = CapturedBytes(
                opened.id,
                b"".join(part.text for part in parts),
                b"".join(part.decoded for part in parts),
                b"".join(part.rejected for part in parts),
            )
        return joined

    def observed(self) -> Observed:
        ignored = (Line, CapturedBytes, CoredumpProgress)
        others: list[tuple[int, Output]] = [
            (seq, output) for seq, output in self.outputs if not isinstance(output, ignored)
        ]
        return Observed(self.lines(), others, self.captured())

    def ending(self) -> CaptureEnding:
        return self.one(CaptureEnding)

    def _take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self.outputs.append((self.seq, output))
            if not isinstance(output, Effect):
                self.seq += seq_count(output)


class DumpMaker:
    """Builds containers, and the text in which the firmware prints them."""

    start = b"================= CORE DUMP START =================\r\n"
    end = b"================= CORE DUMP END =================\r\n"

    @staticmethod
    def container(version: int, header_bytes: int, checksum: str, payload: bytes, chip_id: int = 0) -> bytes:
        checksum_bytes = {"none": 0, "crc32": 4, "sha256": 32}[checksum]
        total = header_bytes + len(payload) + checksum_bytes
        header = struct.pack("<II", total, chip_id << 16 | version).ljust(header_bytes, b"\x01")
        body = header + payload
        if checksum == "crc32":
            return body + struct.pack("<I", binascii.crc32(body))
        return body + hashlib.sha256(body).digest() if checksum == "sha256" else body

    @staticmethod
    def base64_lines(container: bytes, header_bytes: int) -> list[bytes]:
        pieces = [container[:header_bytes]]
        pieces += [container[at : at + 48] for at in range(header_bytes, len(container), 48)]
        return [base64.b64encode(piece) + b"\r\n" for piece in pieces]

    def lines(self, payload_bytes: int = 200) -> list[bytes]:
        """The base64 lines of an ELF 1.2 dump."""
        payload = bytes(index * 7 % 256 for index in range(payload_bytes))
        return self.base64_lines(self.container(0x0102, 24, "crc32", payload), 24)

    def text(self, payload_bytes: int = 200) -> bytes:
        return self.start + b"".join(self.lines(payload_bytes)) + self.end


@pytest.fixture(scope="session")
def make_driver() -> type[Driver]:
    return Driver


@pytest.fixture(scope="session")
def dumps() -> DumpMaker:
    return DumpMaker()


@pytest.fixture(scope="session")
def corpus() -> Path:
    folder = os.environ.get("ESPER_CORPUS")
    if not folder:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with recorded transcripts and dumps")
    return Path(folder)
