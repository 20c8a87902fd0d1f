"""Decodes of programs that were made up to keep a decoder busy."""

from pathlib import Path
from typing import Final

from esperd.decode.decoder import decode_core_dump
from esperd.decode.report import Report
from esperd.decode.report_text import format_report
from esperd.testing.budget import processor_budget
from esperd.testing.made_elf import (
    CODE,
    CODE_BYTES,
    EXPRLOC,
    REF4,
    STRING,
    Attribute,
    MadeInfo,
    MadeSection,
    made_core,
    made_elf,
    symbol_table,
)

# An account of work that is drawn from to the end takes some 10 s here; what is bounded by its own limits far less.
BUDGET_S: Final = 40.0
REGISTER_A0: Final = b"\x5a"
ON_STACK: Final = b"\x72\x00"  # DW_OP_breg2 0
Sections = dict[str, MadeSection]


def decode_made(folder: Path, sections: Sections, *, budget_s: float = BUDGET_S) -> Report:
    """The report of the made core dump with a program of these sections, in *budget_s* seconds of the processor."""
    path = folder / "hostile.elf"
    path.write_bytes(made_elf({**symbol_table([(1, CODE, CODE_BYTES)], b"\0victim\0"), **sections}))
    with processor_budget(budget_s):
        report = decode_core_dump(made_core(), path, with_locals=True)
        text = format_report(report, with_locals=True)
    if not report.frames or not text:
        raise AssertionError(f"a report without frames: {report}")
    return report


def with_variable(*attributes: Attribute, tag: int = 0x16) -> Sections:
    """A parameter and a local variable of a type with these attributes, whose DIE is the unit's first but the root."""
    made = MadeInfo()
    kind = made.die(tag, *attributes)
    return variables_of(made, kind)


def variables_of(made: MadeInfo, kind: int, location: bytes = ON_STACK, count: int = 1) -> Sections:
    """Parameters and local variables of the type whose DIE is at *kind*, in the function."""
    made.function((0x40, EXPRLOC, b"\x72\x00"))
    for _ in range(count):
        made.die(0x05, (0x03, STRING, b"argument"), (0x49, REF4, kind), (0x02, EXPRLOC, location))
        made.die(0x34, (0x03, STRING, b"local"), (0x49, REF4, kind), (0x02, EXPRLOC, location))
    made.end()
    return made.sections()
