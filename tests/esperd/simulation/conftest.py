from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

MARKED = re.compile(
    rb"=+ CORE DUMP START =+\r\n((?:[A-Za-z0-9+/]{2,64}={0,2}\r\n)+)=+ CORE DUMP END =+\r\n"
    rb"Coredump checksum='([0-9a-f]{8})'"
)


@dataclass(frozen=True)
class WireDump:
    """A core dump as it came, decoded line by line."""

    image: bytes
    printed_checksum: bytes

    @property
    def announced_bytes(self) -> int:
        return int.from_bytes(self.image[:4], "little")

    @property
    def version(self) -> int:
        return int.from_bytes(self.image[4:8], "little")

    @property
    def checksum_is_right(self) -> bool:
        crc = zlib.crc32(self.image[:-4])
        return crc.to_bytes(4, "little") == self.image[-4:] and b"%08x" % crc == self.printed_checksum


def find_dumps(transcript: bytes) -> list[WireDump]:
    """Whole core dumps of a transcript."""
    dumps: list[WireDump] = []
    for match in MARKED.finditer(transcript):
        image = b"".join(base64.b64decode(line, validate=True) for line in match[1].splitlines())
        dumps.append(WireDump(image, match[2]))
    return dumps


@pytest.fixture
def core_dumps() -> Callable[[bytes], list[WireDump]]:
    return find_dumps
