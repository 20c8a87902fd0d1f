"""Pasted panic text into functions and lines: ``python -m esperd.decode.pasted ELF… < text``.

Writes what it found to standard output; exit code 1, with one sentence on standard error, when there is nothing to find
or no ELF file fits. Text without a panic is looked through for single addresses of code.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from esperd.decode.errors import ElfMismatchError
from esperd.decode.frame_reports import describe_frame
from esperd.decode.memory import Memory
from esperd.decode.panic import PanicText, decode_panic, read_panics
from esperd.decode.program import Program, ProgramError
from esperd.decode.report_text import format_frame
from esperd.decode.unwind.frames import AddressSpace, Frame

_ADDRESS: Final = re.compile(rb"\b0x[0-9a-fA-F]{8}\b")
# A terminal's scrollback is a few megabytes; nobody pastes more.
_MAX_TEXT_BYTES: Final = 16 * 1024 * 1024


def explain(text: bytes, programs: list[Program]) -> Iterator[str]:
    """The lines of the answer; none when *text* has nothing that the programs know."""
    panics = read_panics(text)
    for panic in panics:
        yield f"{panic.panic.cause}: {panic.panic.reason}"
        yield from _explain_panic(panic, programs)
    if not panics:
        yield from _explain_addresses(text, programs)


def _explain_panic(panic: PanicText, programs: list[Program]) -> Iterator[str]:
    refusals: list[str] = []
    for program in programs:
        try:
            report = decode_panic(panic, program)
        except ElfMismatchError as error:
            refusals.append(str(error))
            continue
        for place in report.places:
            yield f"     0x{place.pc:08x} is in {format_frame(place).split(' in ', 1)[-1]}"
        for frame in report.frames:
            yield f"     {format_frame(frame)}"
        if not report.frames:
            yield f"     no frames: {report.unwind_stop}"
        return
    for refusal in refusals:
        yield f"     {refusal}"


def _explain_addresses(text: bytes, programs: list[Program]) -> Iterator[str]:
    for found in dict.fromkeys(_ADDRESS.findall(text)):
        address = int(found, 16)
        for program in programs:
            if program.is_code(address):
                frame = Frame(address, {}, AddressSpace(Memory([]), (program,)), is_innermost=True, how="registers")
                for place in describe_frame(frame, 0, with_arguments=False):
                    yield f"0x{address:08x} {place.function or '??'} at {place.file or '??'}:{place.line or '?'}"
                break


def main() -> int:
    """Runs the process."""
    text = sys.stdin.buffer.read(_MAX_TEXT_BYTES)
    try:
        with ExitStack() as opened:
            programs = [opened.enter_context(Program.open(Path(path))) for path in sys.argv[1:]]
            lines = list(explain(text, programs))
    except (ProgramError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not lines:
        sys.stderr.write("there is no panic in the text, and no address of code that the ELF file knows\n")
        return 1
    sys.stdout.buffer.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
