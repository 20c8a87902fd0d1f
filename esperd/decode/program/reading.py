"""The smallest pieces of ELF and DWARF: variable-length numbers and strings (DWARF 5, 7.6).

Reads past the end raise IndexError or struct.error as Python does; `Program` is where those become "unknown".
"""

import struct
from typing import Final

from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_STRING_BYTES

U16: Final = struct.Struct("<H")
U32: Final = struct.Struct("<I")
U64: Final = struct.Struct("<Q")

# The largest numbers in DWARF have 64 bits, 10 bytes of LEB128; assemblers that relax code pad by a few more.
_LEB128_BITS: Final = 7 * 16


def read_uleb(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned LEB128 number and the position after it."""
    byte = data[position]
    position += 1
    if byte < 0x80:
        return byte, position
    value = byte & 0x7F
    shift = 7
    while shift < _LEB128_BITS:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise DamagedProgramError("a LEB128 number has no end")


def read_sleb(data: bytes, position: int) -> tuple[int, int]:
    """A signed LEB128 number and the position after it."""
    start = position
    value, position = read_uleb(data, position)
    if data[position - 1] & 0x40:
        value -= 1 << 7 * (position - start)
    return value, position


def read_string(data: bytes, position: int) -> tuple[str, int]:
    """A NUL-terminated string and the position after its NUL."""
    end = data.find(0, position, position + MAX_STRING_BYTES)
    if end < 0:
        raise DamagedProgramError("a string has no end")
    return data[position:end].decode("utf-8", "replace"), end + 1


def signed(value: int, size_bytes: int) -> int:
    """*value* read as two's complement of *size_bytes*."""
    bits = 8 * size_bytes
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
