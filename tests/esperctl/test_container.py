import struct

import pytest
from hypothesis import given, strategies as st

from esperctl.container import NotElfError, elf_of

ELF = b"\x7fELF" + bytes(range(200))
LAYOUTS = {0x0100: (20, 4), 0x0101: (20, 32), 0x0102: (24, 4), 0x0103: (24, 32), 0x0104: (12, 32)}


def container(version: int, chip: int = 5) -> bytes:
    header_bytes, checksum_bytes = LAYOUTS[version]
    length = header_bytes + len(ELF) + checksum_bytes
    return struct.pack("<II", length, chip << 16 | version).ljust(header_bytes, b"\x00") + ELF + b"c" * checksum_bytes


@given(st.sampled_from(sorted(LAYOUTS)), st.integers(1, 300))
def test_the_elf_file_is_cut_out_in_any_chunking(version: int, size: int) -> None:
    data = container(version)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert b"".join(elf_of(chunks)) == ELF


def test_a_dump_that_was_cut_short_gives_what_there_is() -> None:
    assert b"".join(elf_of([container(0x0102)[:100]])) == ELF[:76]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "inside its header"),
        (b"\x01\x02\x03", "inside its header"),
        (struct.pack("<II", 500, 3), "binary 0.3"),
        (struct.pack("<II", 500, 0x0209), "2.9 is unknown"),
        (struct.pack("<II", 10, 0x0102), "announces 10 bytes"),
    ],
)
def test_what_has_no_elf_file_is_refused_with_the_reason(data: bytes, expected: str) -> None:
    with pytest.raises(NotElfError, match=expected):
        list(elf_of([data]))
