from __future__ import annotations

import base64
import re
import zlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MARKED = re.compile(
    rb"=+ CORE DUMP START =+\r\n((?:[A-Za-z0-9+/]{2,64}={0,2}\r\n)+)=+ CORE DUMP END =+\r\n"
    rb"Coredump checksum='([0-9a-f]{8})'"
)


def valid_dumps(transcript: bytes) -> list[bytes]:
    """The whole core dumps of a transcript, header and checksum included, each found to be what it announces."""
    images: list[bytes] = []
    for match in MARKED.finditer(transcript):
        image = b"".join(base64.b64decode(line, validate=True) for line in match[1].splitlines())
        crc = zlib.crc32(image[:-4])
        assert int.from_bytes(image[:4], "little") == len(image)
        assert int.from_bytes(image[4:8], "little") == 5 << 16 | 0x0102
        assert image[24:28] == b"\x7fELF"
        assert image[-4:] == crc.to_bytes(4, "little")
        assert match[2] == b"%08x" % crc
        images.append(image)
    return images


@pytest.fixture
def core_dumps() -> Callable[[bytes], list[bytes]]:
    """Finds the core dumps in a transcript; see ``valid_dumps``."""
    return valid_dumps
