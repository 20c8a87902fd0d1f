"""The table of memory: what the program has in the chip's address space, then what the dump holds of it.

The names, their order and the letters are those of Espressif's tool. Source: esp_coredump, "ALL MEMORY REGIONS".
"""

from typing import Final

from esperd.decode.image import CoreImage
from esperd.decode.memory import Segment
from esperd.decode.program import Program
from esperd.decode.program.elf import Section
from esperd.decode.report import MemoryReport

# The dump's own; `.rom.text` is code that the firmware found worth dumping.
TASKS_NAME: Final = ".coredump.tasks.data"
_CODE_NAME: Final = ".coredump.rom.text"
_SHT_PROGBITS: Final = 1
_SEGMENT_FLAGS: Final = ((4, "R"), (2, "W"), (1, "X"))
_SECTION_FLAGS: Final = ((1, "W"), (4, "X"), (2, "A"))


def memory_table(image: CoreImage, application: Program | None) -> list[MemoryReport]:
    """The rows. A segment of the dump that is no task's has the name of the program's section that it is a part of."""
    sections = [] if application is None else application.sections
    tasks = {address for task in image.tasks for address in (task.tcb, *(task.stack or ())[:1])}
    return [_section_row(section) for section in sections if section.type == _SHT_PROGBITS and section.address] + [
        MemoryReport(
            segment.address,
            len(segment.data),
            "".join(letter for bit, letter in _SEGMENT_FLAGS if segment.flags & bit),
            TASKS_NAME if segment.address in tasks else _segment_name(segment, sections),
        )
        for segment in image.memory.segments
    ]


def _section_row(section: Section) -> MemoryReport:
    flags = "R" + "".join(letter for bit, letter in _SECTION_FLAGS if section.flags & bit)
    return MemoryReport(section.address, section.size, flags, section.name)


def _segment_name(segment: Segment, sections: list[Section]) -> str:
    for section in sections:
        if section.is_loaded and section.address <= segment.address < section.address + section.size:
            return section.name
    return _CODE_NAME if segment.flags & 1 else TASKS_NAME
