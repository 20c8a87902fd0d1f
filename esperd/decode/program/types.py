"""Types as their DIEs describe them; None stands for void."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.dies import Die
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_TYPE_HOPS, MAX_TYPE_PARTS

_ALIASES: Final = frozenset(
    (
        dw.TAG_TYPEDEF,
        dw.TAG_CONST_TYPE,
        dw.TAG_VOLATILE_TYPE,
        dw.TAG_RESTRICT_TYPE,
        dw.TAG_ATOMIC_TYPE,
    )
)
STRUCTURES: Final = frozenset((dw.TAG_STRUCTURE_TYPE, dw.TAG_CLASS_TYPE, dw.TAG_UNION_TYPE))
REFERENCES: Final = frozenset((dw.TAG_REFERENCE_TYPE, dw.TAG_RVALUE_REFERENCE_TYPE))
_POINTER_BYTES: Final = 4
_LARGEST_BYTES: Final = 1 << 32
_INTEGERS: Final = frozenset((dw.ATE_SIGNED, dw.ATE_UNSIGNED, dw.ATE_SIGNED_CHAR, dw.ATE_UNSIGNED_CHAR))


@dataclass(frozen=True, slots=True)
class Field:
    """A member or a base class; ``bits`` is None but in bit fields, whose ``bit_offset`` counts from ``offset``."""

    name: str | None
    type: Die | None
    offset: int
    is_base: bool = False
    bits: int | None = None
    bit_offset: int = 0


def target_of(die: Die) -> Die | None:
    """What a pointer points to, an array has, a typedef names, a function returns."""
    return die.reference(dw.AT_TYPE)


def resolve(die: Die | None) -> Die | None:
    """The type without typedefs and qualifiers."""
    for _ in range(MAX_TYPE_HOPS):
        if die is None or die.tag not in _ALIASES:
            return die
        die = target_of(die)
    raise DamagedProgramError("a type is defined by itself")


def size_of(die: Die | None, depth: int = 0) -> int:
    """The bytes of a value of this type; 0 for void, functions and types that are only declared."""
    resolved = resolve(die)
    if resolved is None:
        return 0
    size = resolved.number(dw.AT_BYTE_SIZE)
    if size is not None:
        return size
    if resolved.tag == dw.TAG_POINTER_TYPE or resolved.tag in REFERENCES:
        return _POINTER_BYTES
    if resolved.tag == dw.TAG_ARRAY_TYPE and depth < MAX_TYPE_HOPS:
        total = size_of(target_of(resolved), depth + 1)
        for count in dimensions(resolved):
            # Beyond the address space it does not matter how large it is, but numbers of millions of bits are slow.
            total = min(total * count, _LARGEST_BYTES)
        return total
    if resolved.tag == dw.TAG_ENUMERATION_TYPE and depth < MAX_TYPE_HOPS:
        return size_of(target_of(resolved), depth + 1)
    return 0


def dimensions(array: Die) -> list[int]:
    """The element counts of an array, outermost first; 0 where they are not known before run time."""
    counts: list[int] = []
    for child in _parts(array):
        if child.tag == dw.TAG_SUBRANGE_TYPE:
            count = child.number(dw.AT_COUNT)
            if count is None:
                upper = child.number(dw.AT_UPPER_BOUND)
                # 0xFFFFFFFF is -1, the bound of an array without elements.
                is_known = upper is not None and upper < 1 << 31
                count = upper + 1 - (child.number(dw.AT_LOWER_BOUND) or 0) if is_known and upper is not None else 0
            counts.append(max(count, 0))
    return counts


def fields(structure: Die) -> Iterator[Field]:
    """The base classes and members of a structure that each object has."""
    for child in _parts(structure):
        structure.unit.work.spend(1)
        if child.tag not in (dw.TAG_MEMBER, dw.TAG_INHERITANCE):
            continue
        if child.flag(dw.AT_EXTERNAL) or child.flag(dw.AT_DECLARATION):
            continue  # static members
        offset = _member_offset(child)
        if offset is None:
            continue
        is_base = child.tag == dw.TAG_INHERITANCE
        bits = child.number(dw.AT_BIT_SIZE)
        name = child.string(dw.AT_NAME)
        if bits is None:
            yield Field(name, target_of(child), offset, is_base)
        else:
            yield Field(name, target_of(child), offset, False, bits, _bit_offset(child, bits))


def _member_offset(member: Die) -> int | None:
    block = member.block(dw.AT_DATA_MEMBER_LOCATION)
    if block is None:
        return member.number(dw.AT_DATA_MEMBER_LOCATION) or 0
    # DWARF 2 writes offsets as DW_OP_plus_uconst; anything else is a virtual base class.
    if block[:1] != b"\x23":
        return None
    offset, shift = 0, 0
    for byte in block[1:6]:
        offset |= (byte & 0x7F) << shift
        shift += 7
    return offset


def _bit_offset(member: Die, bits: int) -> int:
    from_start = member.number(dw.AT_DATA_BIT_OFFSET)
    if from_start is not None:
        return from_start
    # DWARF 2 and 3 count from the most significant bit of the storage unit.
    from_top = member.number(dw.AT_BIT_OFFSET)
    if from_top is None:
        return 0
    storage = member.number(dw.AT_BYTE_SIZE) or size_of(target_of(member))
    return max(8 * storage - from_top - bits, 0)


def enumerators(enumeration: Die) -> list[tuple[str, int]]:
    """The names and values of an enumeration."""
    found: list[tuple[str, int]] = []
    enumeration.unit.work.spend(1)
    for child in _parts(enumeration):
        value = child.number(dw.AT_CONST_VALUE)
        if child.tag == dw.TAG_ENUMERATOR and value is not None:
            found.append((child.string(dw.AT_NAME) or "?", value))
    return found


def is_textual(die: Die | None) -> bool:
    """Whether GDB shows values of this type as characters: integers of one byte."""
    resolved = resolve(die)
    return (
        resolved is not None
        and resolved.tag == dw.TAG_BASE_TYPE
        and resolved.number(dw.AT_BYTE_SIZE) == 1
        and resolved.number(dw.AT_ENCODING) in _INTEGERS
    )


def is_scalar(die: Die | None) -> bool:
    """Whether GDB prints the type in the list of arguments; others are `...` there."""
    resolved = resolve(die)
    if resolved is not None and resolved.tag in REFERENCES:
        resolved = resolve(target_of(resolved))
    return resolved is None or not (resolved.tag in STRUCTURES or resolved.tag == dw.TAG_ARRAY_TYPE)


def _parts(die: Die) -> list[Die]:
    if die.parts is None:
        die.parts = list(islice(die.children(), MAX_TYPE_PARTS))
    return die.parts
