"""The symbol table, with GDB's rules for which symbol an address belongs to (nearest preceding, sized ones first).

Of several symbols at one address GDB takes the one whose name sorts last; for code a global one, if it is next to that.
"""

import struct
from bisect import bisect_right
from typing import Final, NamedTuple

from esperd.decode.program.elf import ElfFile, Section
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_STRING_BYTES, MAX_SYMBOL_NAME_BYTES, MAX_SYMBOL_SEARCH
from esperd.decode.program.model import Symbol

_ENTRY: Final = struct.Struct("<IIIBBH")
_NAMED_TYPES: Final = frozenset((0, 1, 2, 10))  # STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_GNU_IFUNC
_STB_LOCAL: Final = 0


class _Entry(NamedTuple):
    address: int
    name: bytes
    is_global: bool
    size: int
    section: int


class SymbolTable:
    """Reads the table at the first question and keeps it."""

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._names = b""
        self._sections: dict[int, list[_Entry]] | None = None
        self._by_name: dict[bytes, _Entry] = {}

    def at(self, address: int) -> Symbol | None:
        """The symbol that *address* belongs to; None outside loaded sections and beyond a symbol's size."""
        section = self._elf.section_at(address)
        if section is None:
            return None
        entries = self._load().get(section.index, [])
        last = bisect_right(entries, _Entry(address + 1, b"", False, 0, 0)) - 1
        found = _choose(entries, _global_twin(entries, last) if section.is_code else last, address)
        if found is None or (found.size == 0 and not section.is_code):
            return None
        return self._symbol(found)

    def named(self, name: str) -> Symbol | None:
        """The symbol of that name, a global one before local ones."""
        self._load()
        found = self._by_name.get(name.encode())
        return None if found is None else self._symbol(found)

    def _symbol(self, entry: _Entry) -> Symbol:
        return Symbol(entry.name.decode("utf-8", "replace"), entry.address, entry.size)

    def _name(self, offset: int) -> bytes:
        end = self._names.find(0, offset, offset + MAX_STRING_BYTES)
        return self._names[offset:end] if end >= 0 else b""

    def _load(self) -> dict[int, list[_Entry]]:
        if self._sections is None:
            table = self._elf.section_named(".symtab")
            self._sections = {} if table is None else self._read(table)
        return self._sections

    def _read(self, table: Section) -> dict[int, list[_Entry]]:
        sections = self._elf.sections
        if table.link >= len(sections):
            return {}
        data = self._elf.contents(table)
        self._names = self._elf.contents(sections[table.link])
        loaded = {section.index: list[_Entry]() for section in sections if section.is_loaded}
        global_names: dict[bytes, _Entry] = {}
        name_bytes = 0
        for offset, address, size, kind, _, section in _ENTRY.iter_unpack(data[: len(data) // 16 * 16]):
            if section not in loaded or kind & 15 not in _NAMED_TYPES:
                continue
            name = self._name(offset)
            name_bytes += len(name)
            if name_bytes > MAX_SYMBOL_NAME_BYTES:
                raise DamagedProgramError("the names of the symbols are too long")
            # `$x`, `$d` mark instructions and data for disassemblers, `.L` are the compiler's labels.
            if not name or name.startswith((b"$", b".L")):
                continue
            is_global = kind >> 4 != _STB_LOCAL
            entry = _Entry(address, name, is_global, size, section)
            loaded[section].append(entry)
            if is_global:
                global_names[name] = entry
            else:
                self._by_name.setdefault(name, entry)
        self._by_name.update(global_names)
        for entries in loaded.values():
            entries.sort()
        return loaded


def _choose(entries: list[_Entry], last: int, address: int) -> _Entry | None:
    """GDB's search backwards from the *last* entry that starts at or before *address*."""
    label: _Entry | None = None
    index = last
    lowest = max(last - MAX_SYMBOL_SEARCH, 0)
    while index >= lowest and entries[index].size == 0:
        label = label or entries[index]
        index -= 1
    # The previous symbol may be longer and overlap this one.
    while index > lowest and not _holds(entries[index], address) and _holds(entries[index - 1], address):
        index -= 1
    if index < 0 or not _holds(entries[index], address):
        return label
    return entries[index]


def _global_twin(entries: list[_Entry], index: int) -> int:
    """The entry before *index* instead of that one, where it is global and otherwise equal."""
    if index > 0 and not entries[index].is_global and entries[index - 1].is_global:
        one, other = entries[index], entries[index - 1]
        if (one.address, one.size) == (other.address, other.size):
            return index - 1
    return index


def _holds(entry: _Entry, address: int) -> bool:
    return entry.address <= address < entry.address + entry.size
