"""The memory that a dump holds: segments by address, which may nest and overlap."""

import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes at an address; ``flags`` as in an ELF program header (4 read, 2 write, 1 execute)."""

    address: int
    data: bytes
    flags: int = 6

    @property
    def end(self) -> int:
        """The address after its last byte."""
        return self.address + len(self.data)


class Memory:
    """Reads from the first segment that holds all of what is asked for."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments = segments

    def read(self, address: int, size: int) -> bytes | None:
        """Exactly *size* bytes, or None."""
        if size < 0:
            return None
        for segment in self.segments:
            if segment.address <= address and address + size <= segment.end:
                start = address - segment.address
                return segment.data[start : start + size]
        return None

    def word(self, address: int) -> int | None:
        """The little-endian 32-bit word at *address*, or None."""
        data = self.read(address & 0xFFFFFFFF, 4)
        return None if data is None else int(struct.unpack("<I", data)[0])

    def segment_at(self, address: int) -> Segment | None:
        """The first segment that holds *address*."""
        for segment in self.segments:
            if segment.address <= address < segment.end:
                return segment
        return None
