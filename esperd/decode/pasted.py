"""Pasted panic text into functions and lines: ``python -m esperd.decode.pasted [--store FOLDER]... [ELF...] < text``.

Without an ELF file the programs are looked for in ELF stores, by the hash in the text. Writes what it found to standard
output; exit code 1, with one sentence on standard error, when there is nothing to find, no ELF file fits or no address
is in a function. Text without a panic is looked through for single addresses of code.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from esper_protocol.records import Machine
from esperd.decode.elf_store import known_in
from esperd.decode.errors import DecodeError, WrongChipError
from esperd.decode.frame_reports import describe_frame
from esperd.decode.memory import Memory
from esperd.decode.panic import PanicReport, PanicText, decode_panic, has_addresses, is_of_xtensa, read_panics
from esperd.decode.panic_program import choose_program
from esperd.decode.program import Program, ProgramError
from esperd.decode.program_cache import ProgramCache
from esperd.decode.report_text import format_frame
from esperd.decode.request import KnownElf
from esperd.decode.unwind.frames import AddressSpace, Frame

_ADDRESS: Final = re.compile(rb"\b0x[0-9a-fA-F]{8}\b")
_FRAME: Final = re.compile(rb"\b0x([0-9a-fA-F]{8}):0x([0-9a-fA-F]{8})\b")
# What only one kind of processor has, as the panic handler writes it.
_REGISTERS: Final[dict[bytes, Machine]] = {b"EXCCAUSE": "xtensa", b"MCAUSE": "riscv"}
_OPEN_PROGRAMS: Final = 4
# A terminal's scrollback is a few megabytes; nobody pastes more.
_MAX_TEXT_BYTES: Final = 16 * 1024 * 1024


def explain(text: bytes, programs: Sequence[Program]) -> list[str]:
    """The lines of the answer, by the first of *programs* that knows each panic.

    Raises:
        DecodeError: nothing in *text* is known, and what was looked for.
    """
    panics = read_panics(text)
    if panics:
        return _explain_panics(panics, lambda panic: _by_one_of(programs, panic))
    return _explain_addresses(text, programs)


def explain_from_stores(text: bytes, elfs: Sequence[KnownElf], programs: ProgramCache) -> list[str]:
    """The same with the program of each panic found by its hash, or by its return addresses.

    Raises:
        NoElfError: no ELF file is known for any of the panics.
        DecodeError: there is no panic in the text, or none with an address that its program knows.
    """
    panics = read_panics(text)
    if not panics:
        raise DecodeError("no_panic", "there is no panic in the text; single addresses need the program: --elf ELF")
    return _explain_panics(panics, lambda panic: _by(choose_program(panic, elfs, programs), panic))


def _explain_panics(panics: Sequence[PanicText], decode: Callable[[PanicText], PanicReport]) -> list[str]:
    lines: list[str] = []
    refusals: list[DecodeError] = []
    for panic in panics:
        lines.append(f"{panic.panic.cause}: {panic.panic.reason}")
        try:
            _check_addresses(panic)
            lines += _report_lines(decode(panic))
        except DecodeError as error:
            lines.append(f"     {error}")
            refusals.append(error)
    if len(refusals) == len(panics):
        raise refusals[-1]
    return lines


def _check_addresses(panic: PanicText) -> None:
    if not has_addresses(panic.panic):
        raise DecodeError(
            "no_addresses",
            f"the panic ({panic.panic.reason}) has nothing to look up: no backtrace, no registers, no address of code",
        )


def _by_one_of(programs: Sequence[Program], panic: PanicText) -> PanicReport:
    refusals: list[DecodeError] = []
    for program in programs:
        try:
            return _by(program, panic)
        except DecodeError as error:
            refusals.append(error)
    raise DecodeError(refusals[-1].code, "; ".join(map(str, refusals)))


def _by(program: Program, panic: PanicText) -> PanicReport:
    report = decode_panic(panic, program)
    if not any(frame.function for frame in (*report.frames, *report.places)):
        doubt = "" if report.elf_match == "sha256" else "; it is probably not the program that printed it"
        raise DecodeError(
            "unresolved", f"none of the addresses of this panic is in a function of {program.path}{doubt}"
        )
    return report


def _explain_addresses(text: bytes, programs: Sequence[Program]) -> list[str]:
    addresses = dict.fromkeys(int(found, 16) for found in _ADDRESS.findall(text))
    lines = [line for address in addresses for line in _places_of(address, programs)]
    if not lines:
        _refuse_machine(text, programs)
        raise DecodeError(
            "no_panic", "there is no panic in the text, and no address of a function that the ELF file knows"
        )
    return lines


def _places_of(address: int, programs: Sequence[Program]) -> Iterator[str]:
    program = next((program for program in programs if program.is_code(address)), None)
    if program is None:
        return
    frame = Frame(address, {}, AddressSpace(Memory([]), (program,)), is_innermost=True, how="registers")
    for place in describe_frame(frame, 0, with_arguments=False):
        if place.function is not None:
            yield f"0x{address:08x} {place.function} at {place.file or '??'}:{place.line or '?'}"


def _refuse_machine(text: bytes, programs: Sequence[Program]) -> None:
    """Says so where what was pasted is a part of a panic, and of another kind of processor than all programs."""
    pairs = [(int(pc, 16), int(sp, 16)) for pc, sp in _FRAME.findall(text)]
    machine: Machine | None = "xtensa" if is_of_xtensa(pairs) else None
    for register, owner in _REGISTERS.items():
        machine = owner if register in text else machine
    if machine is not None and all(program.machine != machine for program in programs):
        raise WrongChipError(programs[0].path, programs[0].machine, "text")


def _report_lines(report: PanicReport) -> Iterator[str]:
    for place in report.places:
        yield f"     0x{place.pc:08x} is in {format_frame(place).split(' in ', 1)[-1]}"
    for frame in report.frames:
        yield f"     {format_frame(frame)}"
    if not report.frames:
        yield f"     no frames: {report.unwind_stop}"


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
            stores = map(Path, arguments.store)
            lines = explain(text, programs) if programs else explain_from_stores(text, known_in(stores), cache)
    except (ProgramError, DecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'an ELF file'} can't be read: {error.strerror}\n")
        return 1
    sys.stdout.buffer.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
