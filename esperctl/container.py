"""The container of a core dump (header, ELF, checksum) without its header and checksum. Pure.

Source: esp-idf components/espcoredump/include_core_dump/esp_core_dump_types.h: the first word is the length of it
all, the second ``chip << 16 | major << 8 | minor``; major 1 is ELF.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_WORDS: Final = struct.Struct("<II")
_SHA256_BYTES: Final = 32
_CRC32_BYTES: Final = 4


class _Layout(NamedTuple):
    header_bytes: int
    checksum_bytes: int


_LAYOUTS: Final = {
    0x0100: _Layout(20, _CRC32_BYTES),
    0x0101: _Layout(20, _SHA256_BYTES),
    0x0102: _Layout(24, _CRC32_BYTES),
    0x0103: _Layout(24, _SHA256_BYTES),
    0x0104: _Layout(12, _SHA256_BYTES),
}


class NotElfError(ValueError):
    """The container is none of ours, too short, or not of the ELF kind; the message says which."""


def elf_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The ELF file in a container, which may be cut short: then the ELF file is, too.

    Raises:
        NotElfError: there is no ELF file in it.
    """
    source = iter(chunks)
    head = b""
    while len(head) < _WORDS.size and (chunk := next(source, b"")):
        head += chunk
    layout, left = _read_head(head)
    skip = layout.header_bytes
    chunk = head
    while chunk:
        part = chunk[skip:][:left]
        skip = max(skip - len(chunk), 0)
        left -= len(part)
        if part:
            yield part
        chunk = next(source, b"")


def _read_head(head: bytes) -> tuple[_Layout, int]:
    if len(head) < _WORDS.size:
        raise NotElfError("it ends inside its header")
    length, version = _WORDS.unpack_from(head)
    version &= 0xFFFF
    if version >> 8 == 0:
        raise NotElfError(f"its format is binary 0.{version & 0xFF}, which has no ELF file in it")
    layout = _LAYOUTS.get(version)
    if layout is None:
        raise NotElfError(f"its format {version >> 8}.{version & 0xFF} is unknown")
    left = length - layout.header_bytes - layout.checksum_bytes
    if left <= 0:
        raise NotElfError(f"its header announces {length} bytes in all, which leaves nothing for an ELF file")
    return layout, left
