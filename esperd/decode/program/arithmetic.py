"""Typed numbers of DWARF expressions (DWARF 5, 2.5.1: a base type, or the generic type of an address's size)."""

import math
import operator
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from esperd.decode.program.constants import ATE_FLOAT, ATE_SIGNED, ATE_SIGNED_CHAR, ATE_UNSIGNED
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.reading import signed


class BaseType(NamedTuple):
    """A base type: bytes and DWARF encoding."""

    size: int
    encoding: int


class Typed(NamedTuple):
    """An entry of the stack."""

    number: int | float
    base: BaseType


GENERIC: Final = BaseType(4, ATE_UNSIGNED)
_FLOATS: Final = {4: struct.Struct("<f"), 8: struct.Struct("<d")}
_SIGNED_ENCODINGS: Final = (ATE_SIGNED, ATE_SIGNED_CHAR)
# Shifts by more than the number has bits give 0; a hostile distance would make a number of that many bits.
_MAX_SHIFT: Final = 128


def convert(value: Typed, base: BaseType) -> Typed:
    """*value* as a number of type *base*, cut to its size."""
    number = value.number
    if base.encoding == ATE_FLOAT:
        if not isinstance(number, float) and value.base.encoding == ATE_FLOAT:
            number = float(number)
        return Typed(float(number), base)
    if isinstance(number, float) and (not math.isfinite(number) or abs(number) > 1e30):
        raise DamagedProgramError("a floating-point number does not fit an integer")
    if value.base == GENERIC and base.encoding in _SIGNED_ENCODINGS and base.size > GENERIC.size:
        return Typed(int(number), base)
    return Typed(_cut(int(number), base), base)


def _cut(number: int, base: BaseType) -> int:
    if base.encoding in _SIGNED_ENCODINGS:
        return signed(number, base.size)
    return number & ((1 << 8 * base.size) - 1)


def from_bytes(contents: bytes, base: BaseType) -> Typed:
    """The number that *contents* are, little-endian; too short ones are filled up with zeros."""
    contents = contents[: base.size].ljust(base.size, b"\0")
    if base.encoding == ATE_FLOAT:
        layout = _FLOATS.get(base.size)
        if layout is None:
            raise DamagedProgramError(f"floating-point numbers of {base.size} bytes are not known")
        return Typed(float(layout.unpack(contents)[0]), base)
    return Typed(_cut(int.from_bytes(contents, "little"), base), base)


def to_bytes(value: Typed) -> bytes:
    """The bytes of a number, little-endian."""
    if isinstance(value.number, float):
        layout = _FLOATS.get(value.base.size)
        if layout is None:
            raise DamagedProgramError(f"floating-point numbers of {value.base.size} bytes are not known")
        return layout.pack(value.number)
    size = value.base.size
    return (value.number & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _comparable(value: Typed) -> int | float:
    # Generic numbers are compared as signed ones (DWARF 5, 2.5.1.5).
    return signed(int(value.number), GENERIC.size) if value.base == GENERIC else value.number


def _arithmetic(apply: Callable[[int | float, int | float], int | float]) -> Callable[[Typed, Typed], Typed]:
    return lambda left, right: convert(Typed(apply(left.number, right.number), left.base), left.base)


def _integers(apply: Callable[[int, int], int]) -> Callable[[Typed, Typed], Typed]:
    return lambda left, right: convert(Typed(apply(int(left.number), int(right.number)), left.base), left.base)


def _divide(left: Typed, right: Typed) -> Typed:
    dividend, divisor = _comparable(left), _comparable(right)
    if not divisor:
        raise DamagedProgramError("an expression divides by zero")
    if isinstance(dividend, float) or isinstance(divisor, float):
        return convert(Typed(dividend / divisor, left.base), left.base)
    quotient = abs(dividend) // abs(divisor)
    return convert(Typed(quotient if (dividend < 0) == (divisor < 0) else -quotient, left.base), left.base)


def _modulo(left: Typed, right: Typed) -> Typed:
    divisor = int(right.number)
    if not divisor:
        raise DamagedProgramError("an expression divides by zero")
    return convert(Typed(int(left.number) % divisor, left.base), left.base)


def _shift_right_signed(left: Typed, right: Typed) -> Typed:
    number = signed(int(left.number), left.base.size)
    return convert(Typed(number >> _distance(int(right.number)), left.base), left.base)


def _shift_right(left: int, distance: int) -> int:
    return left >> _distance(distance)


def _shift_left(left: int, distance: int) -> int:
    return left << _distance(distance)


def _distance(number: int) -> int:
    return number if 0 <= number <= _MAX_SHIFT else _MAX_SHIFT


BINARY: Final[dict[int, Callable[[Typed, Typed], Typed]]] = {
    0x1A: _integers(int.__and__),
    0x1B: _divide,
    0x1C: _arithmetic(operator.sub),
    0x1D: _modulo,
    0x1E: _arithmetic(operator.mul),
    0x21: _integers(int.__or__),
    0x22: _arithmetic(operator.add),
    0x24: _integers(_shift_left),
    0x25: _integers(_shift_right),
    0x26: _shift_right_signed,
    0x27: _integers(int.__xor__),
}
COMPARISONS: Final[dict[int, Callable[[Typed, Typed], bool]]] = {
    0x29: lambda left, right: _comparable(left) == _comparable(right),
    0x2A: lambda left, right: _comparable(left) >= _comparable(right),
    0x2B: lambda left, right: _comparable(left) > _comparable(right),
    0x2C: lambda left, right: _comparable(left) <= _comparable(right),
    0x2D: lambda left, right: _comparable(left) < _comparable(right),
    0x2E: lambda left, right: _comparable(left) != _comparable(right),
}
