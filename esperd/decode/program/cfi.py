"""Call frame information: .debug_frame and .eh_frame, from a program counter to the rules that hold there.

Facts that readers of RISC-V programs must know:

* The CIE of GCC's RISC-V code has only DW_CFA_def_cfa_register without an offset before it, which therefore is 0.
* DW_CFA_restore restores what the CIE's instructions said, not "same value".
* Functions that the linker dropped leave FDEs at address 0 or of size 0.

Source: DWARF 5, 6.4; Linux Standard Base 5.0, 10.6 (.eh_frame).
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from esperd.decode.program.cfi_rows import RowBuilder
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.model import CfiRow
from esperd.decode.program.reading import U16, U32, U64, read_sleb, read_string, read_uleb, signed

_POINTER_OMITTED: Final = 0xFF
_PC_RELATIVE: Final = 0x10
# "zPLRSB" has all the letters that are known.
_MAX_AUGMENTATION_BYTES: Final = 16
_CIE_OF_DEBUG_FRAME: Final = 0xFFFFFFFF


class CommonEntry(NamedTuple):
    """A CIE: what its FDEs share; ``instructions`` is (first, one past the last) offset in the section."""

    code_alignment: int
    data_alignment: int
    return_register: int
    instructions: tuple[int, int]
    augmentation: str
    pointer_encoding: int
    is_signal_frame: bool


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """An FDE: one function's rules."""

    low_pc: int
    high_pc: int
    common: CommonEntry
    instructions: tuple[int, int]


class FrameSection:
    """One of the two sections, indexed by address at its first use."""

    def __init__(self, elf: ElfFile, name: str) -> None:
        section = elf.section_named(name)
        self._address = 0 if section is None else section.address
        self._is_eh = name == ".eh_frame"
        self._data = elf.contents_named(name)
        self._work = elf.work
        self._common: dict[int, CommonEntry] = {}
        self._entries = sorted(self._read_entries(), key=lambda entry: entry.low_pc)
        self._lows = [entry.low_pc for entry in self._entries]

    def row_at(self, pc: int) -> CfiRow | None:
        """The rules at *pc*, None where the section has none; raises DamagedProgramError and its kind."""
        index = bisect_right(self._lows, pc) - 1
        if index < 0 or pc >= self._entries[index].high_pc:
            return None
        entry = self._entries[index]
        common = entry.common
        addresses = self._read_pointer_at(common)
        builder = RowBuilder(self._data, common.code_alignment, common.data_alignment, addresses, self._work)
        builder.run_initial(common.instructions)
        builder.run(entry.instructions, entry.low_pc, pc)
        return builder.row(
            return_register=common.return_register,
            low_pc=entry.low_pc,
            high_pc=entry.high_pc,
            is_signal_frame=common.is_signal_frame,
        )

    def _read_pointer_at(self, common: CommonEntry) -> "PointerReader":
        return PointerReader(self._data, self._address, common.pointer_encoding if self._is_eh else 0)

    def _read_entries(self) -> Iterator[FrameEntry]:
        data, offset = self._data, 0
        while offset + 8 <= len(data):
            self._work.spend(1)
            length = int(U32.unpack_from(data, offset)[0])
            end = offset + 4 + length
            if length == 0 or end > len(data):
                # A terminator of one input file's .eh_frame, or damage: the next length is found 4 bytes on, if at all.
                offset += 4
                continue
            try:
                entry = self._read_entry(offset, end)
            except (DamagedProgramError, struct.error, IndexError):
                entry = None
            if entry is not None:
                yield entry
            offset = end

    def _read_entry(self, offset: int, end: int) -> FrameEntry | None:
        identifier = int(U32.unpack_from(self._data, offset + 4)[0])
        if identifier == (0 if self._is_eh else _CIE_OF_DEBUG_FRAME):
            return None
        common = self._common_at(offset + 4 - identifier if self._is_eh else identifier)
        pointers = self._read_pointer_at(common)
        low, position = pointers.read(offset + 8)
        size, position = pointers.read_size(position)
        if common.augmentation.startswith("z"):
            length, position = read_uleb(self._data, position)
            position += length
        if not low or not size:
            return None
        return FrameEntry(low, low + size, common, (position, end))

    def _common_at(self, offset: int) -> CommonEntry:
        if offset < 0:
            raise DamagedProgramError("an FDE points before its section")
        common = self._common.get(offset)
        if common is None:
            common = self._common[offset] = self._read_common(offset)
        return common

    def _read_common(self, offset: int) -> CommonEntry:
        data = self._data
        end = offset + 4 + int(U32.unpack_from(data, offset)[0])
        version = data[offset + 8]
        if data.find(0, offset + 9, offset + 9 + _MAX_AUGMENTATION_BYTES) < 0:
            raise DamagedProgramError("a CIE has an augmentation that is too long")
        augmentation, position = read_string(data, offset + 9)
        if version == 4:
            position += 2  # address and segment selector sizes
        code_alignment, position = read_uleb(data, position)
        data_alignment, position = read_sleb(data, position)
        if version == 1:
            return_register, position = data[position], position + 1
        else:
            return_register, position = read_uleb(data, position)
        encoding = 0
        if augmentation.startswith("z"):
            length, position = read_uleb(data, position)
            encoding = self._pointer_encoding(augmentation, position)
            position += length
        elif augmentation:
            raise DamagedProgramError(f"a CIE has the unknown augmentation {augmentation!r}")
        if end > len(data):
            raise DamagedProgramError("a CIE ends after its section")
        is_signal_frame = "S" in augmentation
        instructions = (position, end)
        return CommonEntry(
            code_alignment, data_alignment, return_register, instructions, augmentation, encoding, is_signal_frame
        )

    def _pointer_encoding(self, augmentation: str, position: int) -> int:
        for letter in augmentation[1:]:
            if letter == "R":
                return self._data[position]
            if letter == "L":
                position += 1
            elif letter == "P":
                _, position = PointerReader(self._data, self._address, self._data[position]).read(position + 1)
            elif letter not in "SB":
                break
        return 0


class PointerReader:
    """Reads addresses in the encodings of .eh_frame (LSB 5.0, 10.5.1)."""

    def __init__(self, data: bytes, section_address: int, encoding: int) -> None:
        self._data = data
        self._section_address = section_address
        self._encoding = encoding

    def read(self, position: int) -> tuple[int, int]:
        """An address and the position after it."""
        if self._encoding == _POINTER_OMITTED:
            return 0, position
        value, end = self._read_number(position)
        if self._encoding & 0x70 == _PC_RELATIVE:
            value += self._section_address + position
        return value & 0xFFFFFFFF, end

    def read_size(self, position: int) -> tuple[int, int]:
        """A size, which has the format of an address but is relative to nothing."""
        value, end = self._read_number(position)
        return value & 0xFFFFFFFF, end

    def _read_number(self, position: int) -> tuple[int, int]:
        data = self._data
        match self._encoding & 0x0F:
            case 0x00 | 0x03 | 0x0B:
                return int(U32.unpack_from(data, position)[0]), position + 4
            case 0x01:
                return read_uleb(data, position)
            case 0x02:
                return int(U16.unpack_from(data, position)[0]), position + 2
            case 0x0A:
                return signed(int(U16.unpack_from(data, position)[0]), 2), position + 2
            case 0x04 | 0x0C:
                return int(U64.unpack_from(data, position)[0]), position + 8
            case 0x09:
                return read_sleb(data, position)
            case encoding:
                raise DamagedProgramError(f"a pointer has the unknown encoding {encoding:#x}")
