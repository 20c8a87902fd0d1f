"""Line tables: one pass over a unit's line program, kept as sorted sequences of rows.

The rows are those GDB records (its reader drops rows that its look-ups could never show):

* A row with line 0 is left out; the row before it goes on.
* When the file changes, rows of the old file at the same address are left out, but a row that starts no statement
  does not take an address from one that does.
* A row with the line of the row before it is left out once the line has a discriminator.
* Sequences at address 0 are functions that the linker dropped.

Source: DWARF 5, 6.2.5.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from esperd.decode.program import constants as dw
from esperd.decode.program.line_headers import LineHeader, read_line_header
from esperd.decode.program.reading import U16, U32, read_sleb, read_uleb
from esperd.decode.program.units import Unit

(_COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE, _SET_COLUMN, _NEGATE_STMT, _BLOCK, _CONST_ADD_PC, _FIXED_ADVANCE_PC) = (
    range(1, 10)
)
_END_SEQUENCE, _SET_ADDRESS, _SET_DISCRIMINATOR = 1, 2, 4
_ADDRESS_MASK: Final = 0xFFFFFFFF


class Row(NamedTuple):
    """Where an address comes from; ``is_exact`` when a statement starts at the address asked for."""

    file: str | None
    line: int
    is_exact: bool


class _Recorded(NamedTuple):
    address: int
    file: int
    line: int
    is_stmt: bool


class LineTable:
    """The rows of one unit."""

    def __init__(self, header: LineHeader, sequences: list[tuple[int, int, list[_Recorded]]]) -> None:
        self._header = header
        self._sequences = sorted(sequences, key=lambda sequence: sequence[0])
        self._lows = [sequence[0] for sequence in self._sequences]
        self._addresses: dict[int, list[int]] = {}

    def file(self, number: int | None) -> str | None:
        """The name of a file by the number that rows and DIEs use."""
        files = self._header.files
        return files[number] if number is not None and 0 <= number < len(files) else None

    def row_at(self, address: int) -> Row | None:
        """The row whose range holds *address*."""
        position = bisect_right(self._lows, address) - 1
        if position < 0 or address >= self._sequences[position][1]:
            return None
        rows = self._sequences[position][2]
        addresses = self._addresses.get(position)
        if addresses is None:
            addresses = self._addresses[position] = [row.address for row in rows]
        index = bisect_right(addresses, address) - 1
        if index < 0:
            return None
        row = _statement_at_same_address(rows, index)
        return Row(self.file(row.file), row.line, row.address == address and row.is_stmt)


def _statement_at_same_address(rows: list[_Recorded], index: int) -> _Recorded:
    chosen = rows[index]
    while index >= 0 and rows[index].address == chosen.address and rows[index].file == chosen.file:
        if rows[index].is_stmt:
            return rows[index]
        index -= 1
    return chosen


def read_line_table(unit: Unit) -> LineTable | None:
    """Runs the line program of *unit*; None when it has none."""
    offset = unit.root.number(dw.AT_STMT_LIST)
    if offset is None:
        return None
    header = read_line_header(unit, offset)
    recorder = _Recorder()
    _run(unit.info.elf.contents_named(".debug_line"), header, recorder)
    return LineTable(header, recorder.sequences)


class _Recorder:
    """Collects rows into sequences, by the rules at the top of this file."""

    def __init__(self) -> None:
        self.sequences: list[tuple[int, int, list[_Recorded]]] = []
        self._rows: list[_Recorded] = []
        self._last_line = 0
        self._last_file = -1
        self._statement_at = -1

    def record(self, address: int, file: int, line: int, is_stmt: bool, has_discriminator: bool) -> None:
        if line and address:
            rows = self._rows
            if file != self._last_file:
                if is_stmt or self._statement_at != address:
                    while rows and rows[-1].address == address:
                        rows.pop()
                    rows.append(_Recorded(address, file, line, is_stmt))
                    self._last_file = file
                    self._last_line = line
            else:
                if line != self._last_line or not has_discriminator:
                    rows.append(_Recorded(address, file, line, is_stmt))
                self._last_line = line
        if is_stmt:
            self._statement_at = address

    def end(self, address: int) -> None:
        if self._rows and address > self._rows[0].address:
            self.sequences.append((self._rows[0].address, address, self._rows))
        self._rows = []
        self._last_line, self._last_file, self._statement_at = 0, -1, -1


def _run(data: bytes, header: LineHeader, recorder: _Recorder) -> None:
    # One function on purpose: a unit has thousands of opcodes, and calls would cost more than their work.
    position, end = header.program
    opcode_base, line_base, line_range = header.opcode_base, header.line_base, header.line_range
    unit_length = header.minimum_instruction_length
    record = recorder.record
    address, file, line, is_stmt = 0, 1, 1, header.default_is_stmt
    discriminator, has_discriminator = 0, False
    while position < end:
        opcode = data[position]
        position += 1
        if opcode >= opcode_base:
            opcode -= opcode_base
            address += opcode // line_range * unit_length
            change = line_base + opcode % line_range
            if change:
                line += change
                has_discriminator = discriminator != 0
            record(address, file, line, is_stmt, has_discriminator)
            discriminator = 0
        elif opcode == _ADVANCE_LINE:
            change, position = read_sleb(data, position)
            if change:
                line += change
                has_discriminator = discriminator != 0
        elif opcode == _COPY:
            record(address, file, line, is_stmt, has_discriminator)
            discriminator = 0
        elif opcode == _SET_COLUMN:
            while data[position] >= 0x80:
                position += 1
            position += 1
        elif opcode == _NEGATE_STMT:
            is_stmt = not is_stmt
        elif opcode == _FIXED_ADVANCE_PC:
            address += int(U16.unpack_from(data, position)[0])
            position += 2
        elif opcode == 0:
            length, position = read_uleb(data, position)
            extended = data[position] if length else 0
            if extended == _SET_ADDRESS and length == 5:
                address = int(U32.unpack_from(data, position + 1)[0])
            elif extended == _SET_DISCRIMINATOR:
                discriminator, _ = read_uleb(data, position + 1)
                has_discriminator = has_discriminator or discriminator != 0
            elif extended == _END_SEQUENCE:
                recorder.end(address)
                address, file, line, is_stmt = 0, 1, 1, header.default_is_stmt
                discriminator, has_discriminator = 0, False
            position += length
        elif opcode == _ADVANCE_PC:
            change, position = read_uleb(data, position)
            address = address + change * unit_length & _ADDRESS_MASK
        elif opcode == _SET_FILE:
            file, position = read_uleb(data, position)
        elif opcode == _CONST_ADD_PC:
            address += (255 - opcode_base) // line_range * unit_length
        elif opcode != _BLOCK:
            for _ in range(header.operand_counts[opcode - 1]):
                _, position = read_uleb(data, position)
