"""Pasted panic text into functions and lines: ``python -m esperd.decode.pasted [--store FOLDER]... [ELF...] < text``.

Without an ELF file the programs are looked for in ELF stores, by the hash in the text. Writes what it found to standard
output; exit code 1, with one sentence on standard error, when there is nothing to find or no ELF file fits. Text
without a panic is looked through for single addresses of code.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from esperd.decode.elf_choice import NoElfError
from esperd.decode.elf_store import ElfStore
from esperd.decode.errors import DecodeError, ElfMismatchError
from esperd.decode.frame_reports import describe_frame
from esperd.decode.memory import Memory
from esperd.decode.panic import PanicReport, PanicText, decode_panic, read_panics
from esperd.decode.panic_program import choose_program
from esperd.decode.program import Program, ProgramError
from esperd.decode.program_cache import ProgramCache
from esperd.decode.report_text import format_frame
from esperd.decode.request import KnownElf
from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.storage.files import Access

_ADDRESS: Final = re.compile(rb"\b0x[0-9a-fA-F]{8}\b")
_OPEN_PROGRAMS: Final = 4
# A terminal's scrollback is a few megabytes; nobody pastes more.
_MAX_TEXT_BYTES: Final = 16 * 1024 * 1024


def explain(text: bytes, programs: Sequence[Program]) -> Iterator[str]:
    """The lines of the answer; none when *text* has nothing that the programs know."""
    panics = read_panics(text)
    for panic in panics:
        yield f"{panic.panic.cause}: {panic.panic.reason}"
        yield from _explain_panic(panic, programs)
    if not panics:
        yield from _explain_addresses(text, programs)


def _explain_panic(panic: PanicText, programs: Sequence[Program]) -> Iterator[str]:
    refusals: list[str] = []
    for program in programs:
        try:
            report = decode_panic(panic, program)
        except ElfMismatchError as error:
            refusals.append(str(error))
            continue
        yield from _report_lines(report)
        return
    for refusal in refusals:
        yield f"     {refusal}"


def _explain_addresses(text: bytes, programs: Sequence[Program]) -> Iterator[str]:
    for found in dict.fromkeys(_ADDRESS.findall(text)):
        address = int(found, 16)
        for program in programs:
            if program.is_code(address):
                frame = Frame(address, {}, AddressSpace(Memory([]), (program,)), is_innermost=True, how="registers")
                for place in describe_frame(frame, 0, with_arguments=False):
                    yield f"0x{address:08x} {place.function or '??'} at {place.file or '??'}:{place.line or '?'}"
                break


def explain_from_stores(text: bytes, elfs: Sequence[KnownElf], programs: ProgramCache) -> Iterator[str]:
    """The same with the program of each panic found by its hash, or by its return addresses.

    Raises:
        NoElfError: no ELF file is known for any of the panics.
        DecodeError: there is no panic in the text.
    """
    panics = read_panics(text)
    if not panics:
        raise DecodeError("no_panic", "there is no panic in the text; single addresses need the program: --elf ELF")
    refusal: NoElfError | None = None
    explained = False
    for panic in panics:
        try:
            report = decode_panic(panic, choose_program(panic, elfs, programs))
        except NoElfError as error:
            refusal = error
            yield f"{panic.panic.cause}: {panic.panic.reason}"
            yield f"     {error}"
            continue
        explained = True
        yield f"{panic.panic.cause}: {panic.panic.reason}"
        yield from _report_lines(report)
    if refusal is not None and not explained:
        raise refusal


def _report_lines(report: PanicReport) -> Iterator[str]:
    for place in report.places:
        yield f"     0x{place.pc:08x} is in {format_frame(place).split(' in ', 1)[-1]}"
    for frame in report.frames:
        yield f"     {format_frame(frame)}"
    if not report.frames:
        yield f"     no frames: {report.unwind_stop}"


def _known(stores: Sequence[str]) -> list[KnownElf]:
    """All ELF files of some stores, each once."""
    known = [elf for store in stores for elf in ElfStore(Path(store), 0, Access()).known()]
    return list({elf.sha256: elf for elf in known}.values())


def main() -> int:
    """Runs the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", action="append", default=[])
    parser.add_argument("elf", nargs="*")
    arguments = parser.parse_args()
    text = sys.stdin.buffer.read(_MAX_TEXT_BYTES)
    cache = ProgramCache(_OPEN_PROGRAMS)
    try:
        with ExitStack() as opened:
            opened.callback(cache.clear)
            programs = [opened.enter_context(Program.open(Path(path))) for path in arguments.elf]
            if programs:
                lines = list(explain(text, programs))
            else:
                lines = list(explain_from_stores(text, _known(arguments.store), cache))
    except (ProgramError, DecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'an ELF file'} can't be read: {error.strerror}\n")
        return 1
    if not lines:
        sys.stderr.write("there is no panic in the text, and no address of code that the ELF file knows\n")
        return 1
    sys.stdout.buffer.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
