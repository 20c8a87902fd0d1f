"""Address ranges: which addresses a DIE covers, and which unit covers an address.

Source: DWARF 5, 2.17 and 7.25 (.debug_rnglists), DWARF 4, 2.17.3 (.debug_ranges), 6.1.2 (.debug_aranges).
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.dies import Die
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_LIST_ENTRIES, MAX_RANGE_ENTRIES_OF_UNIT
from esperd.decode.program.reading import U32, read_uleb
from esperd.decode.program.units import DebugInfo, Unit

Range = tuple[int, int]

_PAIR: Final = struct.Struct("<II")
_ARANGES_HEADER: Final = struct.Struct("<IHIBB")
_BASE_ADDRESS: Final = 0xFFFFFFFF
_low_of = itemgetter(0)


def die_ranges(die: Die) -> list[Range]:
    """The (first, one past the last) address pairs that *die* covers; those that the linker dropped are left out."""
    low = die.address(dw.AT_LOW_PC)
    if dw.AT_HIGH_PC in die.attributes and low is not None:
        high = die.address(dw.AT_HIGH_PC)
        if high is None:
            high = low + (die.number(dw.AT_HIGH_PC) or 0)
        return [(low, high)] if 0 < low < high else []
    form, offset = die.attributes.get(dw.AT_RANGES, (0, None))
    if not isinstance(offset, int):
        return []
    if form == dw.FORM_RNGLISTX:
        offset = _range_list_offset(die.unit, offset)
    return _range_list(die.unit, offset)


def _range_list(unit: Unit, offset: int) -> list[Range]:
    known = unit.range_lists.get(offset)
    unit.work.spend(1 if known is None else 1 + len(known) // 8)
    if known is None:
        if unit.range_entries > MAX_RANGE_ENTRIES_OF_UNIT:
            raise DamagedProgramError("a unit has too many ranges")
        pairs = list(_ranges_before_v5(unit, offset) if unit.version < 5 else _ranges_v5(unit, offset))
        unit.range_entries += len(pairs)
        unit.work.spend(len(pairs))
        known = unit.range_lists[offset] = [(low, high) for low, high in pairs if 0 < low < high]
    return known


def _range_list_offset(unit: Unit, index: int) -> int:
    base = unit.root.number(dw.AT_RNGLISTS_BASE) or 12
    return base + int(U32.unpack_from(unit.info.elf.contents_named(".debug_rnglists"), base + 4 * index)[0])


def _ranges_before_v5(unit: Unit, offset: int) -> Iterator[Range]:
    data = unit.info.elf.contents_named(".debug_ranges")
    for low, high, _ in read_pairs_before_v5(unit, data, offset, lambda end: end):
        yield low, high


def read_pairs_before_v5(
    unit: Unit, data: bytes, offset: int, next_pair: Callable[[int], int]
) -> Iterator[tuple[int, int, int]]:
    """The (first, one past the last) address pairs of a list of DWARF 4, each with the position after it.

    Args:
        unit: Whose list it is.
        data: Of .debug_ranges or .debug_loc.
        offset: Where the list is.
        next_pair: From the position after a pair to that of the next one.
    """
    base = unit.low_pc
    for _ in range(MAX_LIST_ENTRIES):
        low, high = _PAIR.unpack_from(data, offset)
        offset += 8
        if low == _BASE_ADDRESS:
            base = high
        elif low == high == 0:
            return
        else:
            yield base + low, base + high, offset
            offset = next_pair(offset)


def _ranges_v5(unit: Unit, offset: int) -> Iterator[Range]:
    data = unit.info.elf.contents_named(".debug_rnglists")
    base = unit.low_pc
    for _ in range(MAX_LIST_ENTRIES):
        kind = data[offset]
        if kind == 0:
            return
        first, second, offset = read_list_operands(unit, data, offset + 1, kind)
        if kind in (1, 5):  # DW_RLE_base_addressx, DW_RLE_base_address
            base = first
        elif kind == 4:  # DW_RLE_offset_pair
            yield base + first, base + second
        else:
            yield first, second


def read_list_operands(unit: Unit, data: bytes, offset: int, kind: int) -> tuple[int, int, int]:
    """The two addresses (or a base and 0) of a range list entry, and the position after them."""
    match kind:
        case 1:  # DW_RLE_base_addressx
            index, offset = read_uleb(data, offset)
            return unit.address_at(index), 0, offset
        case 2 | 3:  # DW_RLE_startx_endx, DW_RLE_startx_length
            index, offset = read_uleb(data, offset)
            second, offset = read_uleb(data, offset)
            first = unit.address_at(index)
            return first, unit.address_at(second) if kind == 2 else first + second, offset
        case 4:  # DW_RLE_offset_pair
            first, offset = read_uleb(data, offset)
            second, offset = read_uleb(data, offset)
            return first, second, offset
        case 5:  # DW_RLE_base_address
            return int(U32.unpack_from(data, offset)[0]), 0, offset + 4
        case 6:  # DW_RLE_start_end
            first, second = _PAIR.unpack_from(data, offset)
            return first, second, offset + 8
        case 7:  # DW_RLE_start_length
            first = int(U32.unpack_from(data, offset)[0])
            length, offset = read_uleb(data, offset + 4)
            return first, first + length, offset
        case _:
            raise DamagedProgramError(f"a range list has the unknown entry {kind:#x}")


class UnitIndex:
    """Which unit covers an address: .debug_aranges first, then the root DIEs of the units that it leaves out."""

    def __init__(self, info: DebugInfo) -> None:
        self._info = info
        self._listed: _SortedRanges | None = None
        self._unlisted: _SortedRanges | None = None

    def unit_at(self, address: int) -> Unit | None:
        """The unit that covers *address*."""
        if self._listed is None:
            self._listed = _SortedRanges(list(read_aranges(self._info.elf.contents_named(".debug_aranges"))))
        offset = self._listed.find(address)
        if offset is None:
            section = self._info.elf.section_at(address)
            if section is None or not section.is_code:
                # Pointers to data and into the ROM are not worth a look at every unit.
                return None
            if self._unlisted is None:
                self._unlisted = self._read_unlisted(self._listed.units)
            offset = self._unlisted.find(address)
        return None if offset is None else self._info.unit_at(offset)

    def _read_unlisted(self, listed: set[int]) -> "_SortedRanges":
        entries: list[tuple[int, int, int]] = []
        for unit in self._info.units():
            if unit.offset in listed:
                continue
            try:
                entries += ((low, high, unit.offset) for low, high in die_ranges(unit.root))
            except (DamagedProgramError, IndexError, struct.error):
                continue
        return _SortedRanges(entries)


def read_aranges(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Every (first, one past the last, unit offset) of .debug_aranges.

    A pair of zeros does not end a set: functions that the linker dropped leave such pairs in its middle, so each set
    is read to its length.
    """
    offset = 0
    while offset + _ARANGES_HEADER.size <= len(data):
        length, version, unit, address_bytes, segment_bytes = _ARANGES_HEADER.unpack_from(data, offset)
        end = offset + 4 + length
        if length < _ARANGES_HEADER.size - 4:
            return
        if version == 2 and address_bytes == 4 and segment_bytes == 0:
            # Pairs are aligned to their size, counted from the start of the set.
            first = offset + 16
            last = first + max(min(end, len(data)) - first, 0) // 8 * 8
            for low, size in _PAIR.iter_unpack(data[first:last]):
                if low and size:
                    yield low, low + size, unit
        offset = end


class _SortedRanges:
    def __init__(self, entries: list[tuple[int, int, int]]) -> None:
        self._entries = sorted(entries)

    @property
    def units(self) -> set[int]:
        return {unit for _, _, unit in self._entries}

    def find(self, address: int) -> int | None:
        index = bisect_right(self._entries, address, key=_low_of) - 1
        if index >= 0 and address < self._entries[index][1]:
            return self._entries[index][2]
        return None
