"""A panic's text into frames: the backtrace of Xtensa, the registers and stack memory of RISC-V, single addresses.

The text is what a board printed, with or without the log around it: it goes through the same detector as a live one.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final

from esper_protocol.events import Panic
from esperd.core.limits import CoreLimits
from esperd.core.panic import PanicDetector
from esperd.core.text import strip_line
from esperd.decode.errors import ElfMismatchError
from esperd.decode.frame_reports import describe_frame
from esperd.decode.image import RISCV_NAMES, CoreImage, TaskImage
from esperd.decode.memory import Memory, Segment
from esperd.decode.program import Program
from esperd.decode.report import ElfMatch, FrameReport
from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.decode.unwind.walk import walk

_STACK_WORDS: Final = re.compile(rb"^([0-9a-fA-F]{8}):((?: 0x[0-9a-fA-F]{8})+)$")
_PRINTED_NAMES: Final = {"MEPC": "pc", "S0/FP": "fp"}
# What stands in messages such as `abort() was called at PC 0x400d66b9 on core 0`.
_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{8}\b")


@dataclass(frozen=True, slots=True)
class PanicText:
    """A report and the stack memory that was printed with it."""

    panic: Panic
    stack: tuple[Segment, ...]

    @property
    def is_riscv(self) -> bool:
        """Whether RISC-V registers were printed."""
        return "MEPC" in self.panic.registers


@dataclass(frozen=True, slots=True)
class PanicReport:
    """``frames`` innermost first; ``places`` are the functions of addresses that the reason mentions."""

    reason: str
    cause: str
    app_sha256: str | None
    elf_match: ElfMatch
    frames: list[FrameReport]
    places: list[FrameReport]
    unwind_stop: str


def read_panics(text: bytes) -> list[PanicText]:
    """All reports in a text, in order."""
    detector = PanicDetector(CoreLimits())
    found: list[PanicText] = []
    stack: list[Segment] = []
    for number, line in enumerate(text.splitlines()):
        stripped = strip_line(line)
        for body in detector.on_line(stripped, number, 0.0):
            if isinstance(body, Panic):
                found.append(PanicText(body, tuple(stack)))
                stack = []
        if words := _STACK_WORDS.match(stripped):
            values = [int(word, 16) for word in words[2].split()]
            stack.append(Segment(int(words[1], 16), struct.pack(f"<{len(values)}I", *values)))
    found += [PanicText(body, tuple(stack)) for body in detector.close() if isinstance(body, Panic)]
    return found


def decode_panic(text: PanicText, program: Program, *, force: bool = False) -> PanicReport:
    """Names the functions of a panic.

    Raises:
        ElfMismatchError: *program* is not the one that printed it, and not *force*.
    """
    panic = text.panic
    match = _match(panic, program, force=force)
    if text.is_riscv:
        frames, stop = _riscv_frames(text, program)
    else:
        space = AddressSpace(Memory([]), (program,))
        # The firmware has moved the addresses back onto the calls.
        frames = [Frame(pc, {1: sp}, space, is_innermost=True, how="registers") for pc, sp in panic.backtrace]
        stop = "the backtrace ends" if not panic.backtrace_corrupted else "the firmware found the stack corrupted"
    reports: list[FrameReport] = []
    for frame in frames:
        # Without the memory of the stack there are no arguments to show.
        reports += describe_frame(frame, len(reports), with_arguments=text.is_riscv)
    return PanicReport(
        panic.reason, panic.cause, panic.app_sha256, match, reports, _places(panic.reason, program), stop
    )


def _match(panic: Panic, program: Program, *, force: bool) -> ElfMatch:
    if not panic.app_sha256 or not panic.app_sha256.strip("0"):
        return "unknown"
    sha = program.sha256()
    if sha.startswith(panic.app_sha256):
        return "sha256"
    if force:
        return "forced"
    raise ElfMismatchError(f"{program.path} (SHA-256 {sha}) did not print this panic ({panic.app_sha256})")


def _riscv_frames(text: PanicText, program: Program) -> tuple[list[Frame], str]:
    printed = {_PRINTED_NAMES.get(name, name.lower()): value for name, value in text.panic.registers.items()}
    registers: dict[str, int] = {name: printed[name] for name in RISCV_NAMES if name in printed}
    if len(registers) < len(RISCV_NAMES):
        return [], "some registers were not printed"
    task = TaskImage(0, registers, None, is_crashed=True)
    memory = Memory(_joined(text.stack))
    image = CoreImage("riscv", None, None, [task], memory)
    return walk(image, task, AddressSpace(memory, (program,)))


def _joined(pieces: tuple[Segment, ...]) -> list[Segment]:
    """Lines that follow each other as one segment, so that reads may cross them."""
    joined: list[Segment] = []
    for piece in pieces:
        if joined and joined[-1].end == piece.address:
            joined[-1] = Segment(joined[-1].address, joined[-1].data + piece.data)
        else:
            joined.append(piece)
    return joined


def _places(reason: str, program: Program) -> list[FrameReport]:
    space = AddressSpace(Memory([]), (program,))
    places: list[FrameReport] = []
    for text in _ADDRESS.findall(reason):
        address = int(text, 16)
        if program.is_code(address):
            # abort() and its like print the address of the call, not the one behind it.
            frame = Frame(address, {}, space, is_innermost=True, how="registers")
            places += describe_frame(frame, len(places), with_arguments=False)
    return places
