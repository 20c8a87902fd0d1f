"""The header of Espressif's core dump container: how long the dump is, and how it is protected.

Source: esp-idf components/espcoredump/include_core_dump/esp_core_dump_types.h. Little-endian u32s: total length
(header, data and checksum), then ``chip_id << 16 | major << 8 | minor`` (major 0: binary, 1: ELF). Up to ESP-IDF 3.2
there was no version: length, number of tasks, size of a task control block. The first base64 line of a dump is the
header alone, so its length says which of the two it is.
"""

import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Final, Literal

from esper_protocol.events import ChecksumVerdict

ChecksumKind = Literal["none", "crc32", "sha256"]

CHIP_NAMES: Final = {
    0: "esp32",
    2: "esp32s2",
    5: "esp32c3",
    9: "esp32s3",
    12: "esp32c2",
    13: "esp32c6",
    16: "esp32h2",
    18: "esp32p4",
    20: "esp32c61",
    23: "esp32c5",
    25: "esp32h21",
    28: "esp32h4",
    32: "esp32s31",
}
# Low half of the version word: size of the header in bytes, kind of the checksum.
VERSIONS: Final[dict[int, tuple[int, ChecksumKind]]] = {
    0x0001: (16, "none"),
    0x0002: (20, "crc32"),
    0x0003: (24, "crc32"),
    0x0100: (20, "crc32"),
    0x0101: (20, "sha256"),
    0x0102: (24, "crc32"),
    0x0103: (24, "sha256"),
    0x0104: (12, "sha256"),
}
_CHECKSUM_BYTES: Final = {"none": 0, "crc32": 4, "sha256": 32}
_UNVERSIONED_HEADER_BYTES: Final = 12
_PREFIX: Final = struct.Struct("<II")
# The largest chips have 32 MiB of external RAM; a header that announces more was damaged on the way.
_PLAUSIBLE_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ContainerHeader:
    """What the header announces; ``chip`` and ``format`` are null where it does not say or is not known."""

    total_bytes: int
    chip: str | None
    format: str
    checksum_kind: ChecksumKind

    @property
    def checksum_bytes(self) -> int:
        """The size of the checksum at the end of the container."""
        return _CHECKSUM_BYTES[self.checksum_kind]


def parse_header(first_line: bytes) -> ContainerHeader | None:
    """Reads the decoded first line of a dump; None when it cannot be a header."""
    if len(first_line) < _UNVERSIONED_HEADER_BYTES:
        return None
    total_bytes, version = _PREFIX.unpack_from(first_line)
    if not len(first_line) <= total_bytes <= _PLAUSIBLE_BYTES:
        return None
    known = VERSIONS.get(version & 0xFFFF)
    if known is not None and len(first_line) >= known[0]:
        major, minor = version >> 8 & 0xFF, version & 0xFF
        return ContainerHeader(
            total_bytes, CHIP_NAMES.get(version >> 16), f"{'elf' if major else 'bin'} {major}.{minor}", known[1]
        )
    if len(first_line) == _UNVERSIONED_HEADER_BYTES:
        return ContainerHeader(total_bytes, "esp32", "bin", "none")
    return ContainerHeader(total_bytes, CHIP_NAMES.get(version >> 16), "unknown", "none")


class ContainerVerifier:
    """Follows a container as it arrives: its header, its length and its checksum, in constant memory."""

    def __init__(self) -> None:
        self.header: ContainerHeader | None = None
        self.received_bytes = 0
        self._crc = 0
        self._sha = hashlib.sha256()
        self._checked_bytes = 0
        self._trailer = bytearray()

    @property
    def is_complete(self) -> bool:
        """Whether as much arrived as the header announces."""
        return self.header is not None and self.received_bytes >= self.header.total_bytes

    def receive(self, data: bytes) -> None:
        """Takes the decoded bytes of one line."""
        if self.received_bytes == 0:
            self.header = parse_header(data)
        self.received_bytes += len(data)
        header = self.header
        if header is None:
            return
        body_left = header.total_bytes - header.checksum_bytes - self._checked_bytes
        body = data[: max(body_left, 0)]
        self._checked_bytes += len(body)
        if header.checksum_kind == "crc32":
            self._crc = binascii.crc32(body, self._crc)
        elif header.checksum_kind == "sha256":
            self._sha.update(body)
        room = header.checksum_bytes - len(self._trailer)
        self._trailer += data[len(body) : len(body) + room]

    def verdict(self) -> ChecksumVerdict:
        """Whether the checksum at the end fits what came before it; absent when there is none."""
        header = self.header
        if header is None or header.checksum_kind == "none" or not self.is_complete:
            return "absent"
        expected = struct.pack("<I", self._crc) if header.checksum_kind == "crc32" else self._sha.digest()
        return "ok" if bytes(self._trailer) == expected else "bad"
