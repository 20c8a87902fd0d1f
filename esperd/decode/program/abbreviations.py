"""Abbreviation tables, each entry with a plan to step over its attributes without decoding them (DWARF 5, 7.5.3).

A plan is a tuple of numbers: a positive one is bytes to skip, a negative one names a form of variable length.
Neighbouring fixed sizes are merged, so most DIEs are stepped over by one addition.
"""

from dataclasses import dataclass
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.errors import DamagedProgramError
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


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """The shape of a DIE; ``before_sibling`` steps from its attributes to its DW_AT_sibling, None when it has none."""

    tag: int
    has_children: bool
    attributes: tuple[Attribute, ...]
    plan: Plan
    before_sibling: Plan | None
    has_code: bool


def read_abbreviations(data: bytes, offset: int) -> dict[int, Abbreviation]:
    """The table at *offset* of .debug_abbrev, by abbreviation code."""
    table: dict[int, Abbreviation] = {}
    code, offset = read_uleb(data, offset)
    while code:
        tag, offset = read_uleb(data, offset)
        has_children = data[offset] != 0
        attributes, offset = _read_attributes(data, offset + 1)
        table[code] = _abbreviation(tag, has_children, attributes)
        # The last table of a section may lack its end.
        code, offset = read_uleb(data, offset) if offset < len(data) else (0, offset)
    return table


def _read_attributes(data: bytes, offset: int) -> tuple[list[Attribute], int]:
    attributes: list[Attribute] = []
    while True:
        attribute, offset = read_uleb(data, offset)
        form, offset = read_uleb(data, offset)
        if not attribute and not form:
            return attributes, offset
        constant = 0
        if form == dw.FORM_IMPLICIT_CONST:
            constant, offset = read_sleb(data, offset)
        attributes.append((attribute, form, constant))


def _abbreviation(tag: int, has_children: bool, attributes: list[Attribute]) -> Abbreviation:
    names = [attribute for attribute, _, _ in attributes]
    before_sibling = None
    if dw.AT_SIBLING in names:
        position = names.index(dw.AT_SIBLING)
        if attributes[position][1] == dw.FORM_REF4:  # the only form that GCC and Clang use for it
            before_sibling = _plan(attributes[:position])
    has_code = dw.AT_LOW_PC in names or dw.AT_RANGES in names
    return Abbreviation(tag, has_children, tuple(attributes), _plan(attributes), before_sibling, has_code)


def _plan(attributes: list[Attribute]) -> Plan:
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
    return skip(data, position, _plan([(0, form, 0)]))
