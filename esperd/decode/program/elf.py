"""ELF32 little-endian files: the header, the sections, and the bytes of those sections that are asked for.

Sections are read, not mapped: a linker that rewrites the file in place would otherwise kill this process (SIGBUS), and
a section is read once. A file that changed since it was opened is refused, so that no answer mixes two builds.

Source: System V ABI, Tool Interface Standard ELF 1.2; gABI for compressed sections.
"""

import hashlib
import os
import struct
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final, Self

from esperd.decode.program.errors import DamagedProgramError, ProgramError
from esperd.decode.program.limits import (
    MAX_SECTION_BYTES,
    MAX_SECTION_NAME_BYTES,
    MAX_SECTION_NAMES_BYTES,
    MAX_SECTIONS,
)
from esperd.decode.program.model import Machine
from esperd.decode.program.work import Work
from esperd.system.regular_file import open_regular

_HEADER: Final = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION: Final = struct.Struct("<10I")
_COMPRESSION: Final = struct.Struct("<III")
_MACHINES: Final[dict[int, Machine]] = {94: "xtensa", 243: "riscv"}
_ELF32_LITTLE_ENDIAN: Final = b"\x7fELF\x01\x01\x01"
_EXECUTABLE_TYPES: Final = (2, 3)  # ET_EXEC, ET_DYN
_SHT_NULL, _SHT_NOBITS = 0, 8
# Their sizes say nothing of the file.
_WITHOUT_CONTENT: Final = (_SHT_NULL, _SHT_NOBITS)
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR, _SHF_COMPRESSED = 1, 2, 4, 0x800
_COMPRESSED_BY_ZLIB: Final = 1
# ESP-IDF places constants in sections that its linker script leaves writable (SHF_WRITE).
_READ_ONLY_PREFIXES: Final = (".flash.", ".rodata", ".text", ".vectors")
_UNWINDING_PREFIX: Final = ".eh_frame"


@dataclass(frozen=True, slots=True)
class Section:
    """A section header; ``index`` is its number in the file, addresses and sizes are bytes."""

    index: int
    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int

    @property
    def is_loaded(self) -> bool:
        """Whether the section has addresses on the chip."""
        return bool(self.flags & _SHF_ALLOC)

    @property
    def is_code(self) -> bool:
        """Whether the section holds instructions."""
        return self.is_loaded and bool(self.flags & _SHF_EXECINSTR)

    @property
    def is_read_only(self) -> bool:
        """Whether the file's bytes are those the chip sees at run time."""
        if not self.is_loaded or self.type in _WITHOUT_CONTENT:
            return False
        return self.is_code or not self.flags & _SHF_WRITE or self.name.startswith(_READ_ONLY_PREFIXES)


class ElfFile:
    """An open ELF file; owns its file descriptor until `close`."""

    def __init__(self, path: Path, file: BufferedReader, *, is_rom: bool = False) -> None:
        self.path = path
        self._file = file
        status = os.fstat(file.fileno())
        self._identity = (status.st_size, status.st_mtime_ns)
        self._contents: dict[int, bytes] = {}
        #: What may still be done for this file.
        self.work = Work()
        machine, self.entry, self.sections = self._read_headers(status.st_size)
        self.machine: Machine = machine
        self._by_name = {section.name: section for section in reversed(self.sections)}
        # The unwinding tables of a ROM are not in the ROM: their addresses are made up, and may be other code's.
        loaded = [
            section
            for section in self.sections
            if section.is_loaded and section.size and not (is_rom and section.name.startswith(_UNWINDING_PREFIX))
        ]
        self._loaded = sorted(loaded, key=lambda section: section.address)
        self._loaded_addresses = [section.address for section in self._loaded]

    @classmethod
    def open(cls, path: Path, *, is_rom: bool = False) -> Self:
        """Opens *path*; raises ProgramError when it cannot be read or is no ELF32 program for Xtensa or RISC-V."""
        try:
            file = open_regular(path)
        except OSError as error:
            raise ProgramError(f"{path} can't be opened: {error.strerror}") from error
        try:
            return cls(path, file, is_rom=is_rom)
        except OSError as error:
            file.close()
            raise ProgramError(f"{path} can't be read: {error.strerror}") from error
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        """Closes the file; sections that were read stay readable."""
        self._file.close()

    def sha256(self) -> str:
        """The digest of the whole file in lower-case hexadecimal; raises ProgramError when the file changed."""
        self._check_identity()
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def section_at(self, address: int) -> Section | None:
        """The loaded section that holds *address*."""
        index = bisect_right(self._loaded_addresses, address) - 1
        if index >= 0 and address < self._loaded[index].address + self._loaded[index].size:
            return self._loaded[index]
        return None

    def section_named(self, name: str) -> Section | None:
        """The first section of that name."""
        return self._by_name.get(name)

    def contents_named(self, name: str) -> bytes:
        """The bytes of the section of that name, empty when there is none."""
        section = self._by_name.get(name)
        return b"" if section is None else self.contents(section)

    def contents(self, section: Section) -> bytes:
        """The section's bytes, decompressed; raises ProgramError when they are not to be had."""
        known = self._contents.get(section.index)
        if known is None:
            known = b"" if section.type in _WITHOUT_CONTENT else self._read(section.offset, section.size)
            if section.flags & _SHF_COMPRESSED:
                known = _decompress(known, section.name)
            self._contents[section.index] = known
        return known

    def read_constant(self, address: int, size: int) -> bytes | None:
        """*size* bytes of read-only memory at *address*, None when some of them are not in the file."""
        section = self.section_at(address)
        if section is None or not section.is_read_only or size < 0:
            return None
        start = address - section.address
        if start + size > section.size:
            return None
        return self.contents(section)[start : start + size]

    def _check_identity(self) -> None:
        try:
            status = os.fstat(self._file.fileno())
        except ValueError as error:
            raise ProgramError(f"{self.path} was closed") from error
        if (status.st_size, status.st_mtime_ns) != self._identity:
            raise ProgramError(f"{self.path} changed while it was read; open it again")

    def _read(self, offset: int, size: int) -> bytes:
        self._check_identity()
        return os.pread(self._file.fileno(), size, offset)

    def _read_headers(self, file_size: int) -> tuple[Machine, int, list[Section]]:
        header = self._file.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(_ELF32_LITTLE_ENDIAN):
            raise ProgramError(f"{self.path} is not a 32-bit little-endian ELF file")
        fields = _HEADER.unpack(header)
        machine = _MACHINES.get(fields[2])
        if machine is None:
            raise ProgramError(f"{self.path} is for machine {fields[2]}, neither Xtensa (94) nor RISC-V (243)")
        if fields[1] not in _EXECUTABLE_TYPES:
            raise ProgramError(f"{self.path} is not a linked program (ELF type {fields[1]})")
        offset, entry_size, count, names_index = fields[6], fields[11], fields[12], fields[13]
        if count == 0:
            return machine, fields[4], []
        if entry_size != _SECTION.size or count > MAX_SECTIONS:
            raise ProgramError(f"{self.path} has damaged section headers")
        if offset + count * entry_size > file_size:
            raise ProgramError(f"{self.path} is truncated: its section headers are missing")
        table = list(_SECTION.iter_unpack(self._read(offset, count * entry_size)))
        self._check_extents(table, file_size)
        return machine, fields[4], self._named_sections(table, names_index, file_size)

    def _check_extents(self, table: list[tuple[int, ...]], file_size: int) -> None:
        for _, kind, _, _, offset, size, *_ in table:
            if kind not in _WITHOUT_CONTENT and offset + size > file_size:
                raise ProgramError(f"{self.path} is truncated: a section ends after the file")

    def _named_sections(self, table: list[tuple[int, ...]], names_index: int, file_size: int) -> list[Section]:
        if names_index >= len(table):
            raise ProgramError(f"{self.path} has no section names")
        names_offset, names_size = table[names_index][4:6]
        if names_size > MAX_SECTION_NAMES_BYTES or names_offset + names_size > file_size:
            raise ProgramError(f"{self.path} has damaged section names")
        names = self._read(names_offset, names_size)
        sections: list[Section] = []
        for index, (name_offset, kind, flags, address, offset, size, link, *_) in enumerate(table):
            # Each may name all of the table; a name that does not end soon is none.
            end = max(names.find(0, name_offset, name_offset + MAX_SECTION_NAME_BYTES), 0)
            name = names[name_offset:end].decode("utf-8", "replace")
            sections.append(Section(index, name, kind, flags, address, offset, size, link))
        return sections


def _decompress(data: bytes, name: str) -> bytes:
    kind, size, _ = _COMPRESSION.unpack_from(data)
    if kind != _COMPRESSED_BY_ZLIB or size > MAX_SECTION_BYTES:
        raise DamagedProgramError(f"section {name} is compressed in an unknown way")
    if not size:
        return b""  # which zlib would take for "without a limit"
    try:
        return zlib.decompressobj().decompress(data[_COMPRESSION.size :], size)
    except zlib.error as error:
        raise DamagedProgramError(f"section {name} can't be decompressed: {error}") from error
