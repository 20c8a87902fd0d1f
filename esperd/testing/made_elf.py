"""Programs and core dumps made up byte by byte, to say in them what no compiler would.

The program is of a RISC-V chip: one function from `CODE` on, `CODE_BYTES` long, whose debug information the caller
writes. The core dump has one task, which stands `PC` inside of it. Source: DWARF 4, 7.5; ELF 1.2.
"""

import struct
from typing import Final, NamedTuple

CODE: Final = 0x42000000
CODE_BYTES: Final = 0x1000
PC: Final = CODE + 0x10
STACK: Final = 0x3FC80000
RISCV: Final = 243
XTENSA: Final = 94
_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB = 1, 2, 3
# c.jalr a5: every address behind one may be a return address.
_CALL: Final = b"\x82\x97"
_PRSTATUS_REGISTERS_AT: Final = 72

ADDR, DATA2, DATA4, DATA8, STRING, DATA1 = 0x01, 0x05, 0x06, 0x07, 0x08, 0x0B
STRP, UDATA, REF_ADDR, REF4, INDIRECT = 0x0E, 0x0F, 0x10, 0x13, 0x16
SEC_OFFSET, EXPRLOC, FLAG_PRESENT, STRX = 0x17, 0x18, 0x19, 0x1A
_SIZES: Final = {ADDR: 4, DATA2: 2, DATA4: 4, DATA8: 8, DATA1: 1, STRP: 4, REF_ADDR: 4, REF4: 4, SEC_OFFSET: 4}

Attribute = tuple[int, int, int | bytes]


class MadeSection(NamedTuple):
    """A section; ``size`` is what its header claims, if that is not the truth."""

    data: bytes
    kind: int = _SHT_PROGBITS
    flags: int = 0
    address: int = 0
    link: int = 0
    size: int | None = None


def uleb(number: int) -> bytes:
    """A number as DWARF writes it."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


class MadeInfo:
    """A unit of .debug_info, written DIE by DIE in the order of the file; it begins with the root DIE."""

    def __init__(self, *root: Attribute) -> None:
        self.info = bytearray(11)
        self.abbreviations = bytearray()
        self._shapes: dict[tuple[object, ...], int] = {}
        self.die(0x11, *(root or ((0x11, ADDR, CODE), (0x12, DATA4, CODE_BYTES), (0x13, DATA1, 12))), children=True)

    @property
    def position(self) -> int:
        """Where the next DIE will be, from the start of the unit."""
        return len(self.info)

    def die(self, tag: int, *attributes: Attribute, children: bool = False) -> int:
        """Writes a DIE; returns its position."""
        start = self.position
        shape = (tag, children, *(attribute[:2] for attribute in attributes))
        if shape not in self._shapes:
            self._shapes[shape] = len(self._shapes) + 1
            self.abbreviations += uleb(self._shapes[shape]) + uleb(tag) + bytes((children,))
            for attribute, form, _ in attributes:
                self.abbreviations += uleb(attribute) + uleb(form)
            self.abbreviations += b"\0\0"
        self.info += uleb(self._shapes[shape])
        for _, form, value in attributes:
            self.info += _encoded(form, value)
        return start

    def end(self, count: int = 1) -> None:
        """Ends the children of the last *count* DIEs that have some."""
        self.info += bytes(count)

    def function(self, *attributes: Attribute, name: bytes = b"victim") -> int:
        """The function that holds all of the code; its children follow."""
        extent: tuple[Attribute, ...] = ((0x03, STRING, name), (0x11, ADDR, CODE), (0x12, DATA4, CODE_BYTES))
        return self.die(0x2E, *extent, *attributes, children=True)

    def integer(self) -> int:
        """The type ``int``."""
        return self.die(0x24, (0x03, STRING, b"int"), (0x0B, DATA1, 4), (0x3E, DATA1, 5))

    def sections(self) -> dict[str, MadeSection]:
        """The sections that hold it."""
        info = bytearray(self.info + b"\0")
        struct.pack_into("<IHIB", info, 0, len(info) - 4, 4, 0, 4)
        return {
            ".debug_info": MadeSection(bytes(info)),
            ".debug_abbrev": MadeSection(bytes(self.abbreviations) + b"\0"),
        }


def _encoded(form: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value + b"\0" if form == STRING else uleb(len(value)) + value if form == EXPRLOC else value
    if form == FLAG_PRESENT:
        return b""
    size = _SIZES.get(form)
    return uleb(value) if size is None else value.to_bytes(size, "little")


def symbol_table(symbols: list[tuple[int, int, int]], names: bytes) -> dict[str, MadeSection]:
    """Symbols of functions in the code: offset of the name, address, size. The code is section 1, the names are 2."""
    entries = b"".join(struct.pack("<IIIBBH", name, address, size, 0x12, 0, 1) for name, address, size in symbols)
    return {".strtab": MadeSection(names, _SHT_STRTAB), ".symtab": MadeSection(entries, _SHT_SYMTAB, link=2)}


def made_elf(sections: dict[str, MadeSection], entry: int = 0, machine: int = RISCV) -> bytes:
    """The file: the code, then *sections*."""
    everything = {"": MadeSection(b"", 0), ".text": MadeSection(_CALL * (CODE_BYTES // 2), 1, 6, CODE), **sections}
    names = bytearray()
    name_offsets: list[int] = []
    for name in (*everything, ".shstrtab"):
        name_offsets.append(len(names))
        names += name.encode() + b"\0"
    everything[".shstrtab"] = MadeSection(bytes(names), _SHT_STRTAB)
    contents, headers = bytearray(), bytearray()
    for name_offset, section in zip(name_offsets, everything.values(), strict=True):
        size = len(section.data) if section.size is None else section.size
        headers += struct.pack(
            "<10I", name_offset, section.kind, section.flags, section.address, 52 + len(contents), size,
            section.link, 0, 1, 16 * (section.kind == _SHT_SYMTAB),
        )  # fmt: skip
        contents += section.data
    count = len(everything)
    header = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, machine, 1, entry, 0, 52 + len(contents), 0,
        52, 0, 0, 40, count, count - 1,
    )  # fmt: skip
    return header + bytes(contents) + bytes(headers)


def note(name: bytes, kind: int, content: bytes) -> bytes:
    """A note, padded."""
    padded = (name + b"\0").ljust(len(name) + 4 & ~3, b"\0")
    return struct.pack("<3I", len(name) + 1, len(content), kind) + padded + content + bytes(-len(content) % 4)


def prstatus(pc: int = PC, sp: int = STACK, tcb: int = STACK) -> bytes:
    """The note of a task: pc, then x1 to x31; all but the stack pointer point into the stack, too."""
    registers = struct.pack("<32I", pc, PC + 2, sp, *(STACK + 4 * number for number in range(29)))
    content = bytes(24) + struct.pack("<I", tcb) + bytes(_PRSTATUS_REGISTERS_AT - 28) + registers
    return note(b"CORE", 1, content + bytes(4))


def xtensa_prstatus(pc: int, tcb: int, sp: int = STACK) -> bytes:
    """The note of a task of an ESP32, which was called from nowhere."""
    registers = struct.pack("<6I", pc, 0x60030, 0, 0, 0, 0) + bytes(58 * 4) + struct.pack("<16I", 0, sp, *range(14))
    content = bytes(24) + struct.pack("<I", tcb) + bytes(_PRSTATUS_REGISTERS_AT - 28) + registers
    return note(b"CORE", 1, content.ljust(588, b"\0"))


def made_core(
    notes: bytes | None = None, segments: tuple[tuple[int, bytes], ...] | None = None, machine: int = RISCV
) -> bytes:
    """A bare ELF core; by default of one task, with 4 KiB of a stack that is full of return addresses."""
    parts = [(4, 0, prstatus() if notes is None else notes)]
    if segments is None:
        segments = ((STACK, struct.pack("<I", PC + 2) * 1024),)
    parts += [(1, address, data) for address, data in segments]
    position = 52 + 32 * len(parts)
    headers = b""
    for kind, address, data in parts:
        headers += struct.pack("<8I", kind, position, address, address, len(data), len(data), 6, 4)
        position += len(data)
    header = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 4, machine, 1, 0, 52, 0, 0, 52, 32, len(parts), 0, 0, 0
    )
    return header + headers + b"".join(data for _, _, data in parts)
