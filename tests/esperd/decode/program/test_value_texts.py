import struct

import pytest

from esperd.decode.program.errors import NotAvailableError
from esperd.decode.program.numbers import float_value
from esperd.decode.program.texts import character, string, string_at

_START = 0x3FFB_0000


class _Memory:
    def __init__(self, contents: bytes) -> None:
        self._contents = contents

    def read(self, address: int, size: int) -> bytes:
        offset = address - _START
        if not 0 <= offset <= offset + size <= len(self._contents):
            raise NotAvailableError(f"Cannot access memory at address {address:#x}")
        return self._contents[offset : offset + size]


# The expected texts are those of GDB 13.1 for the same bytes.
@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (b"abc\0", '"abc"'),
        (b"abcd", '"abcd"'),
        (b"abc\0\0\0\0\0", '"abc\\000\\000\\000\\000"'),
        (b"\0", '""'),
        (b"a" * 10 + b"\0", '"aaaaaaaaaa"'),
        (b"a" * 11 + b"\0", "'a' <repeats 11 times>"),
        (bytes(256), "'\\000' <repeats 255 times>"),
        (b"ab" + bytes(297) + b"c", "\"ab\", '\\000' <repeats 297 times>..."),
        (b"\0001\1772\033[0m\"'\\\200\0", '"\\0001\\1772\\033[0m\\"\'\\\\\\200"'),
        (b"\a\b\t\n\v\f\r\0", '"\\a\\b\\t\\n\\v\\f\\r"'),
        (b"\0\0a", '"\\000\\000a"'),
        (b"0123456789" * 25, '"' + "0123456789" * 20 + '"...'),
    ],
)
def test_arrays_of_characters_are_printed_as_gdb_does(contents: bytes, expected: str) -> None:
    assert string(contents) == expected


@pytest.mark.parametrize(
    ("contents", "offset", "expected"),
    [
        (b"hello\0rest", 0, '"hello"'),
        (b"\0", 0, '""'),
        (b"x" * 5 + b"abc", 5, f'"abc"...<error: Cannot access memory at address {_START + 5:#x}>'),
        (b"abc\0", 100, f"<error: Cannot access memory at address {_START + 100:#x}>"),
        (b"0123456789" * 25, 0, '"' + "0123456789" * 20 + '"...'),
    ],
)
def test_strings_behind_pointers_end_at_their_nul_or_where_memory_does(
    contents: bytes, offset: int, expected: str
) -> None:
    assert string_at(_START + offset, _Memory(contents).read) == expected


@pytest.mark.parametrize(
    ("code", "expected"), [(65, "'A'"), (0, "'\\000'"), (39, "'\\''"), (34, "'\"'"), (200, "'\\310'")]
)
def test_characters_are_escaped(code: int, expected: str) -> None:
    assert character(code) == expected


@pytest.mark.parametrize(
    ("layout", "value", "expected"),
    [
        ("<f", 0.1, "0.100000001"),
        ("<d", 0.1, "0.10000000000000001"),
        ("<f", 1.0, "1"),
        ("<f", 1e20, "1.00000002e+20"),
        ("<d", 100.0, "100"),
        ("<f", float("inf"), "inf"),
        ("<f", float("nan"), "nan(0x400000)"),
    ],
)
def test_floating_point_numbers_have_gdbs_digits(layout: str, value: float, expected: str) -> None:
    contents = struct.pack(layout, value)

    assert float_value(int.from_bytes(contents, "little"), len(contents)) == expected
