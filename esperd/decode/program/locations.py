"""Where variables are: single expressions, and lists that depend on the program counter.

Source: DWARF 5, 2.6.2 and 7.7.3 (.debug_loclists); DWARF 4, 2.6.2 and 7.7.3 (.debug_loc).
"""

from collections.abc import Iterator
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.dies import Die
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_LIST_ENTRIES
from esperd.decode.program.ranges import read_list_operands, read_pairs_before_v5
from esperd.decode.program.reading import U16, U32, read_uleb
from esperd.decode.program.units import Unit

# Entries of .debug_loclists that carry addresses, by the same entry of .debug_rnglists.
_AS_RANGE_ENTRY: Final = {1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 7: 6, 8: 7}
_DEFAULT_LOCATION, _VIEW_PAIR = 5, 9


def location_at(die: Die, attribute: int, pc: int) -> bytes | None:
    """The expression that holds at *pc*; None where the attribute is missing or its list does not cover *pc*."""
    entry = die.attributes.get(attribute)
    if entry is None:
        return None
    form, value = entry
    if isinstance(value, bytes):
        return value
    if not isinstance(value, int):
        return None
    if die.unit.version >= 5:
        offset = _location_list_offset(die.unit, value) if form == dw.FORM_LOCLISTX else value
        entries = _entries_v5(die.unit, offset)
    else:
        entries = _entries_before_v5(die.unit, value)
    default: bytes | None = None
    for low, high, expression in entries:
        die.unit.work.spend(1)
        if high is None:
            default = expression
        elif low <= pc < high:
            return expression
    return default


def _location_list_offset(unit: Unit, index: int) -> int:
    base = unit.root.number(dw.AT_LOCLISTS_BASE) or 12
    return base + int(U32.unpack_from(unit.info.elf.contents_named(".debug_loclists"), base + 4 * index)[0])


def _entries_before_v5(unit: Unit, offset: int) -> Iterator[tuple[int, int | None, bytes]]:
    data = unit.info.elf.contents_named(".debug_loc")

    def size_at(position: int) -> int:
        return int(U16.unpack_from(data, position)[0])

    for low, high, position in read_pairs_before_v5(unit, data, offset, lambda end: end + 2 + size_at(end)):
        yield low, high, _take(data, position + 2, size_at(position))[0]


def _entries_v5(unit: Unit, offset: int) -> Iterator[tuple[int, int | None, bytes]]:
    data = unit.info.elf.contents_named(".debug_loclists")
    base = unit.low_pc
    for _ in range(MAX_LIST_ENTRIES):
        kind = data[offset]
        offset += 1
        low, high = 0, None
        if kind == 0:
            return
        if kind == _VIEW_PAIR:
            _, offset = read_uleb(data, offset)
            _, offset = read_uleb(data, offset)
            continue
        if kind != _DEFAULT_LOCATION:
            range_kind = _AS_RANGE_ENTRY.get(kind, 0xFF)
            low, high, offset = read_list_operands(unit, data, offset, range_kind)
            if range_kind in (1, 5):
                base = low
                continue
            if range_kind == 4:
                low, high = base + low, base + high
        size, offset = read_uleb(data, offset)
        expression, offset = _take(data, offset, size)
        yield low, high, expression


def _take(data: bytes, offset: int, size: int) -> tuple[bytes, int]:
    if offset + size > len(data):
        raise DamagedProgramError("a location list ends after its section")
    return data[offset : offset + size], offset + size
