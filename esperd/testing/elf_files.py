"""ELF files made up for tests: linked programs of a few sections and symbols, and cores as the firmware writes them.

Source: Tool Interface Standard ELF 1.2; esp-idf components/espcoredump/src/core_dump_elf.c for the notes of a core.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from esperd.decode.program import Machine

ALLOC, WRITE, EXECUTE = 2, 1, 4
_MACHINES = {"xtensa": 94, "riscv": 243}
_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_SEGMENT = struct.Struct("<8I")
_IDENTITY = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
_GLOBAL_FUNCTION = 0x12
_PRSTATUS_BYTES = {"xtensa": 588, "riscv": 204}
_FIRST_REGISTER_AT = 72
_FIRST_WINDOW_REGISTER = 64


@dataclass(frozen=True, slots=True)
class MadeSection:
    """A section; ``flags`` are those of the section header."""

    name: str
    address: int
    content: bytes
    flags: int = ALLOC | EXECUTE
    type: int = 1


def program_file(
    machine: Machine, sections: Sequence[MadeSection], symbols: Iterable[tuple[str, int, int]] = ()
) -> bytes:
    """A linked program. *symbols* are (name, address, size); each belongs to the section that holds its address."""
    names, table = b"\0", _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    for name, address, size in symbols:
        held_by = (
            number
            for number, section in enumerate(sections, 1)
            if section.address <= address < section.address + len(section.content)
        )
        table += _SYMBOL.pack(len(names), address, size, _GLOBAL_FUNCTION, 0, next(held_by))
        names += name.encode() + b"\0"
    strings_at = len(sections) + 2
    everything = [
        *((section, 0) for section in sections),
        (MadeSection(".symtab", 0, table, 0, 2), strings_at),
        (MadeSection(".strtab", 0, names, 0, 3), 0),
    ]
    section_names = b"\0" + b"".join(section.name.encode() + b"\0" for section, _ in everything) + b".shstrtab\0"
    everything.append((MadeSection(".shstrtab", 0, section_names, 0, 3), 0))
    headers, body = _SECTION.pack(*[0] * 10), b""
    for section, link in everything:
        name_at = section_names.index(b"\0" + section.name.encode() + b"\0") + 1
        offset = _HEADER.size + len(body)
        entry_bytes = _SYMBOL.size if section.type == 2 else 0
        headers += _SECTION.pack(
            name_at, section.type, section.flags, section.address, offset, len(section.content), link, 0, 4, entry_bytes
        )
        body += section.content + bytes(-len(section.content) % 4)
    header = _HEADER.pack(
        _IDENTITY, 2, _MACHINES[machine], 1, 0, 0, _HEADER.size + len(body), 0, 52, 0, 0, 40, len(everything) + 1,
        len(everything),
    )  # fmt: skip
    return header + body + headers


def core_file(
    machine: Machine,
    tasks: Sequence[tuple[int, Sequence[int]]],
    segments: Sequence[tuple[int, bytes]],
    notes: Sequence[tuple[str, int, bytes]] = (),
) -> bytes:
    """A core.

    Args:
        machine: Of the chip.
        tasks: (address of the control block, registers) of each task, the crashed one first. RISC-V: pc and x1 on;
            Xtensa: pc, ps, lbeg, lend, lcount, sar, and then a0 on.
        segments: (address, content) of memory.
        notes: (name, type, content) of further notes.
    """
    status = [("CORE", 1, _prstatus(machine, tcb, registers)) for tcb, registers in tasks]
    content = b"".join(_note(*note) for note in (*status, *notes))
    offset = 52 + _SEGMENT.size * (len(segments) + 1)
    headers = _SEGMENT.pack(4, offset, 0, 0, len(content), len(content), 6, 4)
    for address, data in segments:
        headers += _SEGMENT.pack(1, offset + len(content), address, address, len(data), len(data), 6, 4)
        content += data
    header = _HEADER.pack(
        _IDENTITY, 4, _MACHINES[machine], 1, 0, 52, 0, 0, 52, 32, len(segments) + 1, 0, 0, 0
    )  # fmt: skip
    return header + headers + content


def extra_info(crashed_tcb: int, *words: int) -> tuple[str, int, bytes]:
    """The note that names the crashed task; *words* follow its control block's address."""
    return "ESP_EXTRA_INFO", 677, struct.pack(f"<{len(words) + 1}I", crashed_tcb, *words)


def _prstatus(machine: Machine, tcb: int, registers: Sequence[int]) -> bytes:
    status = bytearray(_PRSTATUS_BYTES[machine])
    struct.pack_into("<I", status, 24, tcb)
    base = list(registers) if machine == "riscv" else list(registers[:6])
    struct.pack_into(f"<{len(base)}I", status, _FIRST_REGISTER_AT, *base)
    if machine == "xtensa":
        window = registers[6:]
        struct.pack_into(f"<{len(window)}I", status, _FIRST_REGISTER_AT + 4 * _FIRST_WINDOW_REGISTER, *window)
    return bytes(status)


def _note(name: str, kind: int, content: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    return (
        struct.pack("<3I", len(encoded), len(content), kind)
        + encoded
        + bytes(-len(encoded) % 4)
        + content
        + bytes(-len(content) % 4)
    )
