"""Line tables: which sequences a unit's line program has, and the rows of those that were asked for.

The rows are those GDB records (its reader drops rows that its look-ups could never show):

* A row with line 0 is left out; the row before it goes on.
* When the file changes, rows of the old file at the same address are left out, but a row that starts no statement
  does not take an address from one that does.
* A row with the line of the row before it is left out once the line has a discriminator.
* Sequences at address 0 are functions that the linker dropped.

Source: DWARF 5, 6.2.5.
"""

from bisect import bisect_right
from operator import itemgetter
from typing import Final, NamedTuple

from esperd.decode.program import constants as dw
from esperd.decode.program.limits import MAX_SEQUENCE_SEARCH
from esperd.decode.program.line_headers import LineHeader, read_line_header
from esperd.decode.program.line_sequences import sequence_pattern
from esperd.decode.program.reading import U16, U32, read_sleb, read_uleb
from esperd.decode.program.units import Unit

(_COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE, _SET_COLUMN, _NEGATE_STMT, _BLOCK, _CONST_ADD_PC, _FIXED_ADVANCE_PC) = (
    range(1, 10)
)
_END_SEQUENCE, _SET_ADDRESS, _SET_DISCRIMINATOR = 1, 2, 4
_ADDRESS_MASK: Final = 0xFFFFFFFF
_BYTES_PER_STEP: Final = 4

# Address, file, line, is_stmt. Plain tuples: there are thousands, and one with names takes ten times as long to make.
_Recorded = tuple[int, int, int, bool]
_address_of = itemgetter(0)


class Row(NamedTuple):
    """Where an address comes from; ``is_exact`` when a statement starts at the address asked for."""

    file: str | None
    line: int
    is_exact: bool


class LineTable:
    """The rows of one unit; a sequence is run when somebody asks for an address in it."""

    def __init__(self, data: bytes, header: LineHeader) -> None:
        self._data = data
        self._header = header
        self._starts = _find_sequences(data, header)
        self._sequences: dict[int, _Sequence] = {}

    def file(self, number: int | None) -> str | None:
        """The name of a file by the number that rows and DIEs use."""
        files = self._header.files
        return files[number] if number is not None and 0 <= number < len(files) else None

    def row_at(self, address: int) -> Row | None:
        """The row whose range holds *address*."""
        sequence = self._sequence_before(address)
        if sequence is None or address >= sequence.end_address:
            return None
        index = bisect_right(sequence.rows, address, key=_address_of) - 1
        if index < 0:
            return None
        start, file, line, is_stmt = _statement_at_same_address(sequence.rows, index)
        return Row(self.file(file), line, start == address and is_stmt)

    def _sequence_before(self, address: int) -> "_Sequence | None":
        """The last sequence that starts at or before *address*, of those that cover something."""
        end = bisect_right(self._starts, address, key=_address_of)
        for _, position in reversed(self._starts[max(end - MAX_SEQUENCE_SEARCH, 0) : end]):
            sequence = self._sequences.get(position)
            if sequence is None:
                sequence = self._sequences[position] = _Sequence()
                _run(self._data, self._header, position, sequence)
            first = sequence.first_address
            if first is not None and first <= address:
                return sequence
        return None


def _find_sequences(data: bytes, header: LineHeader) -> list[tuple[int, int]]:
    """The first address of each sequence, and where its opcodes start, in the order of addresses."""
    match = sequence_pattern(header.opcode_base, header.operand_counts).match
    position, end = header.program
    found: list[tuple[int, int]] = []
    while position < end:
        start = position
        sequence = match(data, position, end)
        if sequence is not None:
            found.append((int.from_bytes(sequence[1], "little"), start))
            position = sequence.end()
            continue
        unusual = _Sequence()
        position = _run(data, header, position, unusual)
        if unusual.first_address is not None:
            found.append((unusual.first_address, start))
    found.sort(key=_address_of)
    return found


def _statement_at_same_address(rows: list[_Recorded], index: int) -> _Recorded:
    chosen = rows[index]
    address, file, *_ = chosen
    while index >= 0 and rows[index][:2] == (address, file):
        if rows[index][3]:
            return rows[index]
        index -= 1
    return chosen


def read_line_table(unit: Unit) -> LineTable | None:
    """The line table of *unit*; None when it has none."""
    offset = unit.root.number(dw.AT_STMT_LIST)
    if offset is None:
        return None
    header = read_line_header(unit, offset)
    unit.work.spend(len(header.files) + (header.program[1] - header.program[0]) // _BYTES_PER_STEP)
    return LineTable(unit.info.elf.contents_named(".debug_line"), header)


class _Sequence:
    """The rows of one sequence, recorded by the rules at the top of this file."""

    def __init__(self) -> None:
        self.rows: list[_Recorded] = []
        #: One past the last address, 0 before the end is reached.
        self.end_address = 0
        self._last_line = 0
        self._last_file = -1
        self._statement_at = -1

    @property
    def first_address(self) -> int | None:
        """None when the sequence covers nothing."""
        return self.rows[0][0] if self.rows and self.rows[0][0] < self.end_address else None

    def record(self, address: int, file: int, line: int, is_stmt: bool, has_discriminator: bool) -> None:
        if line and address:
            rows = self.rows
            if file != self._last_file:
                if is_stmt or self._statement_at != address:
                    while rows and rows[-1][0] == address:
                        rows.pop()
                    rows.append((address, file, line, is_stmt))
                    self._last_file = file
                    self._last_line = line
            else:
                if line != self._last_line or not has_discriminator:
                    rows.append((address, file, line, is_stmt))
                self._last_line = line
        if is_stmt:
            self._statement_at = address


def _run(data: bytes, header: LineHeader, position: int, sequence: _Sequence) -> int:
    """Runs the sequence that starts at *position*; returns where the next one does."""
    # One function on purpose: a unit has thousands of opcodes, and calls would cost more than their work.
    end = header.program[1]
    opcode_base, line_base, line_range = header.opcode_base, header.line_base, header.line_range
    unit_length = header.minimum_instruction_length
    record = sequence.record
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
                sequence.end_address = address
                return position + length
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
    return end
