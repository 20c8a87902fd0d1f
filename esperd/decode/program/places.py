"""Where a value is, and what an expression may ask for to find out (DWARF 5, 2.6)."""

from dataclasses import dataclass
from typing import Protocol

from esperd.decode.program.arithmetic import BaseType


@dataclass(frozen=True, slots=True)
class InMemory:
    """The value is at this address."""

    address: int


@dataclass(frozen=True, slots=True)
class InRegister:
    """The value is in this register."""

    number: int


@dataclass(frozen=True, slots=True)
class Computed:
    """The value was computed, or is a constant; ``contents`` are its bytes."""

    contents: bytes


@dataclass(frozen=True, slots=True)
class PointsTo:
    """The value is a pointer that does not exist, to a variable (by its DIE) that may be known."""

    die_offset: int
    byte_offset: int


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The value was optimised out."""


Place = InMemory | InRegister | Computed | PointsTo | Nowhere


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a value; ``bits`` is None where the place holds all of it, ``bit_offset`` counts inside the place."""

    place: Place
    bits: int | None = None
    bit_offset: int = 0


class ExpressionContext(Protocol):
    """What an expression may ask for; each method raises a DamagedProgramError where the answer is not known."""

    def spend(self, steps: int) -> None:
        """Accounts for work; raises where there was too much of it."""
        ...

    def register(self, number: int) -> int:
        """A register of the frame."""
        ...

    def read_memory(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes."""
        ...

    def frame_base(self) -> int:
        """The address that DW_OP_fbreg counts from."""
        ...

    def cfa(self) -> int:
        """The canonical frame address."""
        ...

    def entry_value(self, block: bytes) -> int:
        """What the expression *block* (a register) gave when the function was entered."""
        ...

    def parameter_value(self, offset: int) -> int:
        """What the caller passed for the parameter whose DIE is at *offset* of the unit."""
        ...

    def base_type(self, offset: int) -> BaseType:
        """The base type whose DIE is at *offset* of the unit; 0 is the generic type."""
        ...

    def address_at(self, index: int) -> int:
        """An entry of the unit's part of .debug_addr."""
        ...
