"""The bytes of a value, gathered from where its location says they are, with a mark on those that are not known."""

from dataclasses import dataclass
from typing import Protocol, Self

from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_VALUE_BYTES
from esperd.decode.program.places import Computed, InMemory, InRegister, Nowhere, Piece, Place, PointsTo

_REGISTER_BYTES = 4


class ValueSource(Protocol):
    """Where values come from."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes; raises NotAvailableError."""
        ...

    def saved_register(self, number: int) -> int | None:
        """A register of the frame, None when it was not saved."""
        ...


@dataclass(frozen=True, slots=True)
class Contents:
    """A value's bytes; ``missing`` has a set bit for every bit that was optimised out."""

    data: bytes
    missing: int = 0
    address: int | None = None
    pointee: PointsTo | None = None

    @property
    def is_missing(self) -> bool:
        """Whether nothing of the value is known."""
        return bool(self.data) and self.missing == (1 << 8 * len(self.data)) - 1

    def part(self, offset: int, size: int) -> Self:
        """The bytes of a member; those beyond the end count as missing."""
        _check_size(size)
        data = self.data[offset : offset + size]
        missing = self.missing >> 8 * offset & ((1 << 8 * size) - 1)
        if len(data) < size:
            missing |= ((1 << 8 * (size - len(data))) - 1) << 8 * len(data)
            data = data.ljust(size, b"\0")
        address = None if self.address is None else self.address + offset
        return type(self)(data, missing, address, self.pointee if offset == 0 else None)


def gather(pieces: list[Piece], size: int, source: ValueSource) -> Contents:
    """The value of *size* bytes that *pieces* describe; raises NotAvailableError when memory is not known."""
    _check_size(size)
    if len(pieces) == 1 and pieces[0].bits is None:
        return _from_place(pieces[0].place, size, source)
    value, missing, position = 0, 0, 0
    for piece in pieces:
        bits = min(piece.bits or 0, 8 * size - position)
        if bits <= 0:
            break
        part = _from_place(piece.place, (piece.bit_offset + bits + 7) // 8, source)
        mask = (1 << bits) - 1
        value |= (int.from_bytes(part.data, "little") >> piece.bit_offset & mask) << position
        missing |= (part.missing >> piece.bit_offset & mask) << position
        position += bits
    missing |= ((1 << 8 * size) - 1) >> position << position
    return Contents(value.to_bytes(size, "little"), missing)


def _check_size(size: int) -> None:
    if size > MAX_VALUE_BYTES:
        raise DamagedProgramError(f"value requires {size} bytes, which is more than max-value-size")


def _from_place(place: Place, size: int, source: ValueSource) -> Contents:
    _check_size(size)
    match place:
        case InMemory(address):
            return Contents(source.read_memory(address, size), 0, address)
        case InRegister(number):
            return _from_registers(number, size, source)
        case Computed(contents):
            return Contents(contents[:size].ljust(size, b"\0"))
        case PointsTo():
            return Contents(bytes(size), 0, None, place)
        case Nowhere():
            return Contents(bytes(size), (1 << 8 * size) - 1)


def _from_registers(number: int, size: int, source: ValueSource) -> Contents:
    """Values larger than a register go on in the next ones."""
    data, missing = b"", 0
    while len(data) < size:
        value = source.saved_register(number)
        if value is None:
            missing |= 0xFFFFFFFF << 8 * len(data)
        data += (value or 0).to_bytes(_REGISTER_BYTES, "little")
        number += 1
    return Contents(data[:size], missing & ((1 << 8 * size) - 1))
