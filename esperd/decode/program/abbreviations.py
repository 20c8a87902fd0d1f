"""Abbreviation tables, each entry with a plan to step over its attributes without decoding them (DWARF 5, 7.5.3).

A plan is a tuple of numbers: a positive one is bytes to skip, a negative one names a form of variable length.
Neighbouring fixed sizes are merged, so most DIEs are stepped over by one addition.

Each unit has a table of its own, with a hundred shapes that mostly are those of the unit before it. A shape is found by
a regular expression and known by its bytes, so each is taken apart once in a program.
"""

import functools
import re
from collections.abc import Sequence
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_ATTRIBUTES
from esperd.decode.program.reading import U16, U32, read_sleb, read_uleb

Plan = tuple[int, ...]
Attribute = tuple[int, int, int]  # attribute, form, implicit constant

SKIP_LEB: Final = -1
SKIP_STRING: Final = -2
SKIP_BLOCK1: Final = -3
SKIP_BLOCK2: Final = -4
SKIP_BLOCK4: Final = -5
SKIP_BLOCK: Final = -6
SKIP_INDIRECT: Final = -7

# Sizes in 32-bit DWARF with 4-byte addresses, the only kind of units that is read.
FIXED_SIZES: Final = {
    dw.FORM_ADDR: 4,
    dw.FORM_DATA2: 2,
    dw.FORM_DATA4: 4,
    dw.FORM_DATA8: 8,
    dw.FORM_DATA1: 1,
    dw.FORM_FLAG: 1,
    dw.FORM_STRP: 4,
    dw.FORM_REF_ADDR: 4,
    dw.FORM_REF1: 1,
    dw.FORM_REF2: 2,
    dw.FORM_REF4: 4,
    dw.FORM_REF8: 8,
    dw.FORM_SEC_OFFSET: 4,
    dw.FORM_FLAG_PRESENT: 0,
    dw.FORM_REF_SUP4: 4,
    dw.FORM_STRP_SUP: 4,
    dw.FORM_DATA16: 16,
    dw.FORM_LINE_STRP: 4,
    dw.FORM_REF_SIG8: 8,
    dw.FORM_IMPLICIT_CONST: 0,
    dw.FORM_REF_SUP8: 8,
    dw.FORM_STRX1: 1,
    dw.FORM_STRX2: 2,
    dw.FORM_STRX3: 3,
    dw.FORM_STRX4: 4,
    dw.FORM_ADDRX1: 1,
    dw.FORM_ADDRX2: 2,
    dw.FORM_ADDRX3: 3,
    dw.FORM_ADDRX4: 4,
    dw.FORM_GNU_REF_ALT: 4,
    dw.FORM_GNU_STRP_ALT: 4,
}
_VARIABLE_SIZES: Final = {
    dw.FORM_STRING: SKIP_STRING,
    dw.FORM_BLOCK1: SKIP_BLOCK1,
    dw.FORM_BLOCK2: SKIP_BLOCK2,
    dw.FORM_BLOCK4: SKIP_BLOCK4,
    dw.FORM_BLOCK: SKIP_BLOCK,
    dw.FORM_EXPRLOC: SKIP_BLOCK,
    dw.FORM_SDATA: SKIP_LEB,
    dw.FORM_UDATA: SKIP_LEB,
    dw.FORM_REF_UDATA: SKIP_LEB,
    dw.FORM_STRX: SKIP_LEB,
    dw.FORM_ADDRX: SKIP_LEB,
    dw.FORM_LOCLISTX: SKIP_LEB,
    dw.FORM_RNGLISTX: SKIP_LEB,
    dw.FORM_INDIRECT: SKIP_INDIRECT,
}
_LEB: Final = rb"[\x80-\xff]*+[\x00-\x7f]"
# What follows a code: a tag, whether there are children, attributes with their forms (DW_FORM_implicit_const, 0x21, has
# a number, too), two zeros. There is one way at most to read any bytes, so its time is linear. The group is not
# possessive: before 3.11.5 Python matched such groups wrongly (https://github.com/python/cpython/issues/106052).
_SHAPE: Final = re.compile(
    rb"%b.(?:(?!\x00\x00)%b(?:\x21%b|(?!\x21)%b)){0,%d}\x00\x00" % (_LEB, _LEB, _LEB, _LEB, MAX_ATTRIBUTES), re.DOTALL
)


class Abbreviation:
    """The shape of a DIE, from its bytes in .debug_abbrev; half are never used, so the rest is read at first use."""

    def __init__(self, shape: bytes) -> None:
        self.tag, offset = read_uleb(shape, 0)
        self.has_children = shape[offset] != 0
        self._shape = shape

    @functools.cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """In the order of their values."""
        return tuple(_read_attributes(self._shape))

    @functools.cached_property
    def plan(self) -> Plan:
        """Steps over all attributes."""
        return _plan(self.attributes)

    @functools.cached_property
    def fixed_size(self) -> int | None:
        """Bytes of all attributes, where it is always the same."""
        return sum(self.plan) if all(step >= 0 for step in self.plan) else None

    @functools.cached_property
    def before_sibling(self) -> Plan | None:
        """Steps from the attributes to DW_AT_sibling, in the only form that GCC and Clang use; None without one."""
        return self._plan_before((dw.AT_SIBLING, dw.FORM_REF4))

    @functools.cached_property
    def before_extent(self) -> Plan | None:
        """Steps to DW_AT_low_pc, where that is an address and the size of the code follows it in 4 bytes."""
        return self._plan_before((dw.AT_LOW_PC, dw.FORM_ADDR), (dw.AT_HIGH_PC, dw.FORM_DATA4))

    @functools.cached_property
    def has_code(self) -> bool:
        """Whether there are addresses."""
        return any(attribute in (dw.AT_LOW_PC, dw.AT_RANGES) for attribute, _, _ in self.attributes)

    def _plan_before(self, *wanted: tuple[int, int]) -> Plan | None:
        declared = [(attribute, form) for attribute, form, _ in self.attributes]
        if wanted[0] not in declared:
            return None
        position = declared.index(wanted[0])
        found = tuple(declared[position : position + len(wanted)])
        return _plan(self.attributes[:position]) if found == wanted else None


def read_abbreviations(data: bytes, offset: int, known: dict[bytes, Abbreviation]) -> dict[int, Abbreviation]:
    """The table at *offset* of .debug_abbrev, by abbreviation code.

    Args:
        data: The section.
        offset: In it.
        known: Abbreviations by their bytes, of all tables that were read; those of this one are added.
    """
    table: dict[int, Abbreviation] = {}
    code, offset = read_uleb(data, offset)
    while code:
        match = _SHAPE.match(data, offset)
        if match is None:
            raise DamagedProgramError("an abbreviation table has no end")
        shape = match[0]
        abbreviation = known.get(shape)
        if abbreviation is None:
            abbreviation = known[shape] = Abbreviation(shape)
        table[code] = abbreviation
        offset = match.end()
        # The last table of a section may lack its end.
        code, offset = read_uleb(data, offset) if offset < len(data) else (0, offset)
    return table


def _read_attributes(shape: bytes) -> list[Attribute]:
    attributes: list[Attribute] = []
    _, offset = read_uleb(shape, 0)
    offset += 1
    while True:
        attribute, offset = read_uleb(shape, offset)
        form, offset = read_uleb(shape, offset)
        if not attribute and not form:
            return attributes
        constant = 0
        if form == dw.FORM_IMPLICIT_CONST:
            constant, offset = read_sleb(shape, offset)
        attributes.append((attribute, form, constant))
        if len(attributes) > MAX_ATTRIBUTES:
            raise DamagedProgramError("an abbreviation has too many attributes")


def _plan(attributes: Sequence[Attribute]) -> Plan:
    steps: list[int] = []
    for _, form, _ in attributes:
        size = FIXED_SIZES.get(form)
        if size is None:
            step = _VARIABLE_SIZES.get(form)
            if step is None:
                raise DamagedProgramError(f"an abbreviation has the unknown form {form:#x}")
            steps.append(step)
        elif steps and steps[-1] >= 0:
            steps[-1] += size
        else:
            steps.append(size)
    return tuple(steps)


def skip(data: bytes, position: int, plan: Plan) -> int:
    """The position after the attributes that *plan* describes."""
    for step in plan:
        if step >= 0:
            position += step
        elif step == SKIP_LEB:
            while data[position] >= 0x80:
                position += 1
            position += 1
        else:
            position = _skip_variable(data, position, step)
    return position


def _skip_variable(data: bytes, position: int, step: int) -> int:
    match step:
        case -2:  # SKIP_STRING
            end = data.find(0, position)
            if end < 0:
                raise DamagedProgramError("a string has no end")
            return end + 1
        case -3:  # SKIP_BLOCK1
            return position + 1 + data[position]
        case -4:  # SKIP_BLOCK2
            return position + 2 + int(U16.unpack_from(data, position)[0])
        case -5:  # SKIP_BLOCK4
            return position + 4 + int(U32.unpack_from(data, position)[0])
        case -6:  # SKIP_BLOCK
            size, position = read_uleb(data, position)
            return position + size
        case _:
            return _skip_indirect(data, position)


def _skip_indirect(data: bytes, position: int) -> int:
    form, position = read_uleb(data, position)
    # A form that names another indirect form could go on for the whole section; nothing produces it.
    if form in (dw.FORM_INDIRECT, dw.FORM_IMPLICIT_CONST):
        raise DamagedProgramError("an indirect form names no form")
    return skip(data, position, _plan(((0, form, 0),)))
