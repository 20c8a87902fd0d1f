"""From a program counter to functions and source lines, with what was read kept for the next question."""

import re
import struct
from dataclasses import dataclass

from esperd.decode.program import constants as dw
from esperd.decode.program.dies import Die
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.functions import FunctionIndex, Scope, entry_of, function_name, scopes_at
from esperd.decode.program.limits import MAX_REMEMBERED_ADDRESSES
from esperd.decode.program.lines import LineTable, Row, read_line_table
from esperd.decode.program.model import Function, SourceFrame
from esperd.decode.program.ranges import UnitIndex
from esperd.decode.program.symbols import SymbolTable
from esperd.decode.program.type_names import parameter_types
from esperd.decode.program.units import DebugInfo, Unit

#: What reading damaged debug information raises: our own verdicts, and Python's for reads past an end.
DAMAGE = (DamagedProgramError, struct.error, IndexError, OverflowError, RecursionError)


# What compilers number copies and local statics with: `self.18`, `get_arg$isra$0`.
_COUNTER = re.compile(r"^([^A-Z]*[^A-Z.$])[.$][0-9]+$")


@dataclass(frozen=True, slots=True)
class FunctionPart:
    """A function's DIE and the contiguous part of its code that holds an address."""

    die: Die
    low_pc: int
    high_pc: int

    @property
    def entry_pc(self) -> int:
        """Where the function starts, which is in another part when it was split."""
        return entry_of(self.die)


class CodeIndex:
    """Answers by address; every unit, table and function is read once."""

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf
        self.info = DebugInfo(elf)
        self.symbols = SymbolTable(elf)
        self._units = UnitIndex(self.info)
        self._functions: dict[int, FunctionIndex] = {}
        self._lines: dict[int, LineTable | None] = {}
        self._names: dict[int, str | None] = {}
        self._symbolized: dict[int, list[SourceFrame]] = {}

    def unit_at(self, pc: int) -> Unit | None:
        """The unit whose code holds *pc*."""
        return self._units.unit_at(pc)

    def part_at(self, pc: int) -> FunctionPart | None:
        """The function whose code holds *pc*."""
        unit = self.unit_at(pc)
        if unit is None:
            return None
        index = self._functions.get(unit.offset)
        if index is None:
            index = self._functions[unit.offset] = FunctionIndex(unit)
        found = index.at(pc)
        return None if found is None else FunctionPart(found[0], *found[1])

    def scopes_at(self, pc: int) -> list[Scope]:
        """The function that holds *pc* and those inlined there, outermost first; empty when none is known."""
        part = self.part_at(pc)
        return [] if part is None else scopes_at(part.die, part.entry_pc, pc)

    def function_at(self, pc: int) -> Function | None:
        """The function whose code holds *pc*; raises what damaged debug information raises."""
        part = self.part_at(pc)
        if part is None:
            return None
        declaration = part.die.inherited(dw.AT_EXTERNAL)
        is_external = declaration is not None and declaration.flag(dw.AT_EXTERNAL)
        return Function(self.name(part.die), part.low_pc, part.high_pc, is_external, part.entry_pc)

    def symbolize(self, pc: int) -> list[SourceFrame]:
        """The functions at *pc*, innermost first."""
        known = self._symbolized.get(pc)
        if known is None:
            if len(self._symbolized) >= MAX_REMEMBERED_ADDRESSES:
                self._symbolized.clear()
            known = self._symbolized[pc] = self._symbolize(pc)
        return list(known)

    def _symbolize(self, pc: int) -> list[SourceFrame]:
        try:
            scopes = self.scopes_at(pc)
            row = self._row_at(pc)
        except DAMAGE:
            scopes, row = [], None
        if scopes:
            return self._frames(scopes, row)
        symbol = self.symbols.at(pc)
        if symbol is None:
            return []
        file, line = (row.file, row.line) if row is not None else (None, None)
        return [SourceFrame(symbol.name, file, line, False, row is not None and row.is_exact)]

    def name(self, die: Die) -> str:
        """The function's name as GDB shows it."""
        if die.offset not in self._names:
            self._names[die.offset] = function_name(die)
        return self._names[die.offset] or "??"

    def nearest_name(self, address: int) -> tuple[str, int] | None:
        """The function or symbol that GDB names for an address, and the distance from its start in bytes."""
        symbol = self.symbols.at(address)
        try:
            part = self.part_at(address)
        except DAMAGE:
            part = None
        if part is not None and (symbol is None or symbol.address <= part.entry_pc):
            return self.name(part.die) + parameter_types(part.die), address - part.entry_pc
        return None if symbol is None else (_without_counter(symbol.name), address - symbol.address)

    def lines(self, unit: Unit) -> LineTable | None:
        """The unit's line table; None where there is none that can be read."""
        if unit.offset not in self._lines:
            try:
                self._lines[unit.offset] = read_line_table(unit)
            except DAMAGE:
                self._lines[unit.offset] = None
        return self._lines[unit.offset]

    def _row_at(self, pc: int) -> Row | None:
        unit = self.unit_at(pc)
        table = None if unit is None else self.lines(unit)
        try:
            return None if table is None else table.row_at(pc)
        except DAMAGE:
            return None

    def _frames(self, scopes: list[Scope], row: Row | None) -> list[SourceFrame]:
        """The innermost function is at the line row, each one around it where it calls the one inside."""
        file, line = (row.file, row.line) if row is not None else (None, None)
        is_exact = row is not None and row.is_exact
        frames: list[SourceFrame] = []
        for scope in reversed(scopes):
            frames.append(SourceFrame(self.name(scope.die), file, line, scope.is_inlined, is_exact))
            if scope.is_inlined:
                table = self.lines(scope.die.unit)
                call_file = scope.die.number(dw.AT_CALL_FILE)
                file = None if table is None else table.file(call_file)
                line = scope.die.number(dw.AT_CALL_LINE)
        return frames


def _without_counter(name: str) -> str:
    """The name as GDB shows it, which leaves the counter out where the name has no capitals."""
    match = _COUNTER.match(name)
    return name if match is None else match[1]
