"""What an ELF file says of itself, without its debug information: its machine, its project and version.

Source: esp-idf components/esp_app_format/include/esp_app_desc.h: u32 magic, secure version, two reserved u32s, then the
version and the project's name, 32 bytes each. The linker script puts it at the beginning of the read-only data, in a
section of its own (``.flash.appdesc``) in all but old versions.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper_protocol.records import Machine
from esperd.decode.program import ProgramError
from esperd.decode.program.elf import ElfFile
from esperd.system.regular_file import open_regular

_MAGIC: Final = 0xABCD5432
_DESCRIPTION: Final = struct.Struct("<4I32s32s")
_SECTIONS: Final = (".flash.appdesc", ".rodata_desc", ".flash.rodata")


@dataclass(frozen=True, slots=True)
class ElfDescription:
    """``project`` and ``version`` are null for a program that was not made with ESP-IDF."""

    machine: Machine
    project: str | None = None
    version: str | None = None


def describe_elf(path: Path) -> ElfDescription:
    """Reads what is needed of *path*, and checks that it is a program for an ESP chip.

    Raises:
        ProgramError: it is not, or can't be read.
    """
    elf = ElfFile.open(path)
    try:
        for name in _SECTIONS:
            section = elf.section_named(name)
            # Without its content, which a section may claim to be huge: these bytes only.
            if section is None or section.size < _DESCRIPTION.size:
                continue
            with open_regular(path) as file:
                file.seek(section.offset)
                data = file.read(_DESCRIPTION.size)
            if len(data) == _DESCRIPTION.size and (found := _DESCRIPTION.unpack(data))[0] == _MAGIC:
                return ElfDescription(elf.machine, _text(found[5]), _text(found[4]))
    except OSError as error:
        raise ProgramError(f"{path} can't be read: {error.strerror}") from error
    finally:
        elf.close()
    return ElfDescription(elf.machine)


def _text(field: bytes) -> str | None:
    return field.split(b"\0")[0].decode("utf-8", "replace") or None
