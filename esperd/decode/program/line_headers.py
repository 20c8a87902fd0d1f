"""Headers of line tables, versions 2 to 5: the parameters of the program and the names of its files.

Source: DWARF 5, 6.2.4; DWARF 4, 6.2.4. A file is named as GDB does it: by the directory and the name in the table, but
the unit's own file by DW_AT_name.
"""

import struct
from dataclasses import dataclass
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.forms import Value, read_form
from esperd.decode.program.limits import MAX_LINE_PROGRAM_BYTES
from esperd.decode.program.reading import read_string, read_uleb
from esperd.decode.program.units import Unit

_PREFIX: Final = struct.Struct("<IH")
_U32: Final = struct.Struct("<I")
_CONTENT_PATH: Final = 1  # DW_LNCT_path
_CONTENT_DIRECTORY: Final = 2  # DW_LNCT_directory_index


@dataclass(frozen=True, slots=True)
class LineHeader:
    """What the line program needs; ``program`` is (first, one past the last) offset in .debug_line.

    ``files`` is indexed by the program's file numbers: entry 0 is None before version 5.
    """

    program: tuple[int, int]
    minimum_instruction_length: int
    default_is_stmt: bool
    line_base: int
    line_range: int
    opcode_base: int
    operand_counts: bytes
    files: list[str | None]


def read_line_header(unit: Unit, offset: int) -> LineHeader:
    """The header at *offset* of .debug_line."""
    data = unit.info.elf.contents_named(".debug_line")
    length, version = _PREFIX.unpack_from(data, offset)
    end = offset + 4 + length
    if not 2 <= version <= 5 or end > len(data):
        raise DamagedProgramError(f"the line table at {offset:#x} has a damaged header")
    position = offset + (8 if version == 5 else 6)  # address and segment selector sizes are new in version 5
    program = position + 4 + int(_U32.unpack_from(data, position)[0])
    position += 4
    minimum_instruction_length = data[position]
    position += 2 if version >= 4 else 1  # operations per instruction are new in version 4; only VLIW has several
    is_stmt, line_base, line_range, opcode_base = struct.unpack_from("<BbBB", data, position)
    position += 4
    if line_range == 0 or opcode_base == 0 or program > end or end - program > MAX_LINE_PROGRAM_BYTES:
        raise DamagedProgramError(f"the line table at {offset:#x} has a damaged header")
    operand_counts = data[position : position + opcode_base - 1]
    position += opcode_base - 1
    files = _Names(unit, data, end).read(version, position)
    return LineHeader(
        (program, end),
        minimum_instruction_length,
        is_stmt != 0,
        line_base,
        line_range,
        opcode_base,
        operand_counts,
        files,
    )


class _Names:
    def __init__(self, unit: Unit, data: bytes, end: int) -> None:
        self._unit = unit
        self._data = data
        self._end = end
        self._own_name = unit.root.string(dw.AT_NAME) or ""
        self._own_path = _join(unit.root.string(dw.AT_COMP_DIR), self._own_name)

    def read(self, version: int, position: int) -> list[str | None]:
        if version == 5:
            return self._read_v5(position)
        directories: list[str | None] = [None]
        while self._data[position]:
            text, position = read_string(self._data, position)
            directories.append(text)
        position += 1
        files: list[str | None] = [None]
        while self._data[position]:
            text, position = read_string(self._data, position)
            directory, position = read_uleb(self._data, position)
            _, position = read_uleb(self._data, position)  # time of modification
            _, position = read_uleb(self._data, position)  # length
            files.append(self._file(directories, directory, text))
        return files

    def _read_v5(self, position: int) -> list[str | None]:
        rows, position = self._read_entries(position)
        directories: list[str | None] = [text for text, _ in rows]
        rows, position = self._read_entries(position)
        return [self._file(directories, directory, text) for text, directory in rows]

    def _read_entries(self, position: int) -> tuple[list[tuple[str, int]], int]:
        formats: list[tuple[int, int]] = []
        format_count = self._data[position]
        position += 1
        for _ in range(format_count):
            content, position = read_uleb(self._data, position)
            form, position = read_uleb(self._data, position)
            formats.append((content, form))
        count, position = read_uleb(self._data, position)
        # Every entry takes a byte at least, so a larger count is damage (and would not end where entries are empty).
        if count > self._end - position or (count and not formats):
            raise DamagedProgramError("a line table announces more names than it has")
        rows: list[tuple[str, int]] = []
        for _ in range(count):
            text, directory = "", 0
            for content, form in formats:
                resolved, value, position = self._read_value(position, form)
                if content == _CONTENT_PATH:
                    text = self._unit.string(resolved, value) or ""
                elif content == _CONTENT_DIRECTORY and isinstance(value, int):
                    directory = value
            rows.append((text, directory))
        return rows, position

    def _read_value(self, position: int, form: int) -> tuple[int, Value, int]:
        if form in (dw.FORM_IMPLICIT_CONST, dw.FORM_INDIRECT, dw.FORM_FLAG_PRESENT) or position >= self._end:
            raise DamagedProgramError("a line table has a damaged list of names")
        return read_form(self._data, position, form, 0)

    def _file(self, directories: list[str | None], directory: int, text: str) -> str:
        path = _join(directories[directory] if directory < len(directories) else None, text)
        return self._own_name if path == self._own_path else path


def _join(directory: str | None, name: str) -> str:
    # Toolchains on Windows write "C:/..." and "C:\\...".
    if not directory or name.startswith(("/", "\\")) or name[1:2] == ":":
        return name
    return f"{directory}/{name}"
