"""Units of .debug_info: their headers, and random access to their DIEs (DWARF 2 to 5, 32-bit format)."""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.abbreviations import Abbreviation, read_abbreviations, skip
from esperd.decode.program.dies import Die
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.forms import Value, read_form
from esperd.decode.program.limits import MAX_ABBREVIATIONS, MAX_UNITS
from esperd.decode.program.reading import U32, read_string, read_uleb

_HEADER_V2_TO_V4: Final = struct.Struct("<IHIB")  # length, version, abbreviations, address size
_HEADER_V5: Final = struct.Struct("<IHBBI")  # length, version, unit type, address size, abbreviations
_EXTRA_BYTES_V5: Final = {1: 0, 2: 12, 3: 0, 4: 8, 5: 8, 6: 12}  # by unit type: type signature and offset, or DWO id
_ADDRESS_BYTES: Final = 4
_UNIT_REFERENCES: Final = frozenset((dw.FORM_REF1, dw.FORM_REF2, dw.FORM_REF4, dw.FORM_REF8, dw.FORM_REF_UDATA))


class DebugInfo:
    """The sections that DIEs refer to, and the units in .debug_info; each unit is read at its first use."""

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf
        self._units: dict[int, Unit] = {}
        self._offsets: list[int] | None = None
        self._abbreviations: dict[int, dict[int, Abbreviation]] = {}
        self._shapes: dict[bytes, Abbreviation] = {}
        self._abbreviation_count = 0

    @property
    def data(self) -> bytes:
        """All of .debug_info."""
        return self.elf.contents_named(".debug_info")

    def unit_at(self, offset: int) -> "Unit":
        """The unit whose header is at *offset*."""
        unit = self._units.get(offset)
        if unit is None:
            unit = self._units[offset] = Unit(self, offset)
        return unit

    def unit_offsets(self) -> list[int]:
        """Where every unit starts; ends early when a length is damaged."""
        if self._offsets is None:
            self._offsets = []
            data, offset = self.data, 0
            while offset + 11 <= len(data) and len(self._offsets) < MAX_UNITS:
                self._offsets.append(offset)
                # At least the length itself, so that damage cannot stop the walk.
                offset += 4 + int(U32.unpack_from(data, offset)[0])
        return self._offsets

    def units(self) -> "Iterator[Unit]":
        """Every unit that can be read."""
        for offset in self.unit_offsets():
            try:
                unit = self.unit_at(offset)
            except (DamagedProgramError, struct.error, IndexError):
                continue
            yield unit

    def die_at(self, offset: int) -> Die:
        """The DIE at *offset*, in whichever unit holds it."""
        offsets = self.unit_offsets()
        index = bisect_right(offsets, offset) - 1
        if index < 0:
            raise DamagedProgramError("a reference points outside all units")
        return self.unit_at(offsets[index]).die_at(offset)

    def abbreviations(self, offset: int) -> dict[int, Abbreviation]:
        """The abbreviation table at *offset*, shared by the units that use it."""
        table = self._abbreviations.get(offset)
        if table is None:
            if self._abbreviation_count > MAX_ABBREVIATIONS:
                raise DamagedProgramError("there are too many abbreviation tables")
            table = read_abbreviations(self.elf.contents_named(".debug_abbrev"), offset, self._shapes)
            self._abbreviations[offset] = table
            self._abbreviation_count += len(table)
        return table


class Unit:
    """One unit; offsets are in .debug_info, ``end`` is where the next one starts."""

    def __init__(self, info: DebugInfo, offset: int) -> None:
        self.info = info
        self.work = info.elf.work
        self.offset = offset
        self.data = info.data
        length, self.version = struct.unpack_from("<IH", self.data, offset)
        self.end = offset + 4 + length
        if not 2 <= self.version <= 5 or self.end > len(self.data):
            raise DamagedProgramError(f"the unit at {offset:#x} has a damaged header")
        self.first_die, address_bytes, abbreviations = self._read_header(offset)
        if address_bytes != _ADDRESS_BYTES:
            raise DamagedProgramError(f"the unit at {offset:#x} has addresses of {address_bytes} bytes")
        self.abbreviations = info.abbreviations(abbreviations)
        self._root: Die | None = None
        self._referenced: dict[int, Die] = {}
        self._ends: dict[int, int] = {}
        # What other modules read of this unit once: range lists by their offsets, enclosing names by DIE.
        self.range_lists: dict[int, list[tuple[int, int]]] = {}
        self.range_entries = 0
        self.enclosing_names: dict[int, list[str]] = {}

    def _read_header(self, offset: int) -> tuple[int, int, int]:
        if self.version < 5:
            _, _, abbreviations, address_bytes = _HEADER_V2_TO_V4.unpack_from(self.data, offset)
            return offset + _HEADER_V2_TO_V4.size, address_bytes, abbreviations
        _, _, kind, address_bytes, abbreviations = _HEADER_V5.unpack_from(self.data, offset)
        if kind not in _EXTRA_BYTES_V5:
            raise DamagedProgramError(f"the unit at {offset:#x} has the unknown type {kind}")
        return offset + _HEADER_V5.size + _EXTRA_BYTES_V5[kind], address_bytes, abbreviations

    @property
    def root(self) -> Die:
        """The DIE of the unit itself."""
        if self._root is None:
            self._root = self.die_at(self.first_die)
        return self._root

    @property
    def low_pc(self) -> int:
        """The base of the unit's ranges and location lists."""
        return self.root.address(dw.AT_LOW_PC) or 0

    @property
    def is_qualified(self) -> bool:
        """Whether names are shown with their namespaces."""
        return self.root.number(dw.AT_LANGUAGE) in dw.QUALIFIED_LANGUAGES

    def abbreviation(self, code: int) -> Abbreviation:
        """The shape that *code* stands for."""
        abbreviation = self.abbreviations.get(code)
        if abbreviation is None:
            raise DamagedProgramError(f"a DIE of the unit at {self.offset:#x} has an unknown abbreviation")
        return abbreviation

    def die_at(self, offset: int) -> Die:
        """The DIE at *offset*, which must be in this unit."""
        if not self.first_die <= offset < self.end:
            raise DamagedProgramError("a reference points outside its unit")
        code, position = read_uleb(self.data, offset)
        abbreviation = self.abbreviation(code)
        self.work.spend(2 + len(abbreviation.attributes))
        attributes: dict[int, tuple[int, Value]] = {}
        for attribute, declared_form, constant in abbreviation.attributes:
            form, value, position = read_form(self.data, position, declared_form, constant)
            attributes[attribute] = (form, value)
        return Die(self, offset, position, abbreviation.tag, abbreviation.has_children, attributes)

    def children(self, die: Die) -> Iterator[Die]:
        """The DIEs directly below *die*."""
        if not die.has_children:
            return
        position = die.end
        while position < self.end and self.data[position]:
            child = self.die_at(position)
            yield child
            position = self._after(child)

    def _after(self, die: Die) -> int:
        if not die.has_children:
            return die.end
        sibling = die.number(dw.AT_SIBLING)
        if sibling is not None and die.end < self.offset + sibling <= self.end:
            return self.offset + sibling
        return self.after_children(die.end)

    def after_children(self, position: int) -> int:
        """The position after the list of DIEs that starts at *position*, and after all that is below them."""
        # Blocks inside blocks would be stepped over again for each block around them.
        known = self._ends.get(position)
        if known is not None:
            return known
        start, depth, steps = position, 1, 0
        while depth and position < self.end:
            steps += 1
            code, position = read_uleb(self.data, position)
            if not code:
                depth -= 1
                continue
            abbreviation = self.abbreviation(code)
            sibling = self.sibling(abbreviation, position)
            if sibling is not None:
                position = sibling
                continue
            position = skip(self.data, position, abbreviation.plan)
            if abbreviation.has_children:
                end = self._ends.get(position)
                if end is None:
                    depth += 1
                else:
                    position = end
        self._ends[start] = position
        self.work.spend(steps)
        return position

    def sibling(self, abbreviation: Abbreviation, position: int) -> int | None:
        """Where the next DIE on the same level is, for one whose attributes start at *position*, if it tells."""
        if abbreviation.before_sibling is None:
            return None
        position = skip(self.data, position, abbreviation.before_sibling)
        sibling = self.offset + int(U32.unpack_from(self.data, position)[0])
        # Backwards would be a circle.
        return sibling if position < sibling <= self.end else None

    def referenced(self, form: int, value: int) -> Die | None:
        """The DIE that a reference names; None for those into other files and into type units."""
        if form in _UNIT_REFERENCES:
            # Types are referred to again and again.
            die = self._referenced.get(value)
            if die is None:
                die = self._referenced[value] = self.die_at(self.offset + value)
            return die
        return self.info.die_at(value) if form == dw.FORM_REF_ADDR else None

    def string(self, form: int, value: Value) -> str | None:
        """The text of a string attribute."""
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            return None
        elf = self.info.elf
        if form == dw.FORM_STRP:
            return self._text(".debug_str", value)
        if form == dw.FORM_LINE_STRP:
            return self._text(".debug_line_str", value)
        if form in dw.STRX_FORMS:
            # The header before the first entry has 8 bytes where the unit does not give a base.
            base = self.root.number(dw.AT_STR_OFFSETS_BASE) or 8
            offset = U32.unpack_from(elf.contents_named(".debug_str_offsets"), base + 4 * value)[0]
            return self._text(".debug_str", offset)
        return None

    def _text(self, section: str, offset: int) -> str:
        text, _ = read_string(self.info.elf.contents_named(section), offset)
        self.work.spend(1 + len(text) // 64)
        return text

    def address_at(self, index: int) -> int:
        """Entry *index* of the unit's part of .debug_addr."""
        base = self.root.number(dw.AT_ADDR_BASE) or 8
        return int(U32.unpack_from(self.info.elf.contents_named(".debug_addr"), base + 4 * index)[0])
