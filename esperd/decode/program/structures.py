"""The layout of structures by name, for reading FreeRTOS objects from memory."""

from collections.abc import Iterator
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.abbreviations import skip
from esperd.decode.program.code_index import DAMAGE, CodeIndex
from esperd.decode.program.dies import Die
from esperd.decode.program.limits import MAX_PRINTED_DEPTH
from esperd.decode.program.model import Member
from esperd.decode.program.reading import read_uleb
from esperd.decode.program.types import STRUCTURES, fields, resolve, size_of
from esperd.decode.program.units import Unit

_NAMED: Final = STRUCTURES | {dw.TAG_TYPEDEF}
_STEPS_OF_MEMBER: Final = 10


def find_structure(code: CodeIndex, name: str, in_unit_of: str | None) -> dict[str, Member] | None:
    """The members of the first complete structure (or typedef of one) of that name; None when there is none."""
    for unit in _units(code, in_unit_of):
        try:
            structure = _find(unit, name)
            if structure is not None:
                return dict(_members(structure, 0, 0))
        except DAMAGE:
            continue
    return None


def _units(code: CodeIndex, in_unit_of: str | None) -> Iterator[Unit]:
    if in_unit_of is None:
        yield from code.info.units()
        return
    symbol = code.symbols.named(in_unit_of)
    unit = None if symbol is None else code.unit_at(symbol.address)
    if unit is not None:
        yield unit


def _find(unit: Unit, name: str) -> Die | None:
    """Types stand at the top level of C units; namespaces are not searched."""
    data, position = unit.data, unit.root.end
    while position < unit.end and data[position]:
        start = position
        code, position = read_uleb(data, position)
        abbreviation = unit.abbreviation(code)
        if abbreviation.tag in _NAMED:
            die = unit.die_at(start)
            if die.string(dw.AT_NAME) == name:
                structure = resolve(die)
                if structure is not None and structure.tag in STRUCTURES and not structure.flag(dw.AT_DECLARATION):
                    return structure
        sibling = unit.sibling(abbreviation, position)
        if sibling is None:
            sibling = skip(data, position, abbreviation.plan)
            if abbreviation.has_children:
                sibling = unit.after_children(sibling)
        position = sibling
    return None


def _members(structure: Die, offset: int, depth: int) -> Iterator[tuple[str, Member]]:
    for field in fields(structure):
        # A structure of structures without names, which refer to one another, has no end of them.
        structure.unit.work.spend(_STEPS_OF_MEMBER)
        start = offset + field.offset
        if field.name:
            yield field.name, Member(start, size_of(field.type))
            continue
        inner = resolve(field.type)
        if inner is not None and inner.tag in STRUCTURES and depth < MAX_PRINTED_DEPTH:
            yield from _members(inner, start, depth + 1)
