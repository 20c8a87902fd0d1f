"""Numbers, enumerations and floating-point values as GDB prints them."""

import math
import struct
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.dies import Die
from esperd.decode.program.reading import signed
from esperd.decode.program.texts import character
from esperd.decode.program.types import enumerators

_SIGNED: Final = (dw.ATE_SIGNED, dw.ATE_SIGNED_CHAR)
_CHARACTERS: Final = (dw.ATE_SIGNED, dw.ATE_UNSIGNED, dw.ATE_SIGNED_CHAR, dw.ATE_UNSIGNED_CHAR)


def base_value(die: Die, number: int, size: int) -> str:
    """A value of a base type; *number* is its bytes read as an unsigned one."""
    encoding = die.number(dw.AT_ENCODING)
    if encoding == dw.ATE_FLOAT:
        return float_value(number, size)
    if encoding == dw.ATE_BOOLEAN:
        return {0: "false", 1: "true"}.get(number, str(number))
    value = signed(number, size) if encoding in _SIGNED else number
    if size == 1 and encoding in _CHARACTERS:
        return f"{value} {character(number)}"
    return str(value)


def float_value(number: int, size: int) -> str:
    """A floating-point number from its bits, with as many digits as tell it from its neighbours."""
    if size not in (4, 8):
        return "<invalid float value>"
    value = float(struct.unpack("<f" if size == 4 else "<d", number.to_bytes(size, "little"))[0])
    if math.isnan(value):
        mantissa = number & ((1 << (23 if size == 4 else 52)) - 1)
        return f"{'-' if number >> (8 * size - 1) else ''}nan({mantissa:#x})"
    return f"{value:.{9 if size == 4 else 17}g}"


def enumeration_value(die: Die, number: int, size: int) -> str:
    """The enumerator's name, flags joined by `|`, or the number."""
    names = enumerators(die)
    is_unsigned = all(value >= 0 for _, value in names)
    value = number if is_unsigned else signed(number, size)
    for name, known in names:
        if known == value:
            return name
    # Flags have one bit each (or none).
    if is_unsigned and all(known.bit_count() <= 1 for _, known in names):
        return _flags(names, value)
    return str(value)


def _flags(names: list[tuple[str, int]], value: int) -> str:
    if not value:
        return "0"
    parts: list[str] = []
    for name, flag in names:
        if value & flag:
            parts.append(name)
            value &= ~flag
    if value:
        parts.append(f"unknown: {value:#x}")
    return f"({' | '.join(parts)})"
