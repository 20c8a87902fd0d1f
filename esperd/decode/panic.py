"""A panic's text into frames: the backtrace of Xtensa, the registers and stack memory of RISC-V, single addresses.

The text is what a board printed, with or without the log around it: it goes through the same detector as a live one.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from esper_protocol.events import Panic
from esperd.core.boot import find_banner
from esperd.core.limits import CoreLimits
from esperd.core.panic import PanicDetector
from esperd.core.panic_text import STACK_WORDS
from esperd.decode.elf_choice import usable_sha256
from esperd.decode.errors import ElfMismatchError, WrongChipError
from esperd.decode.frame_reports import describe_frame
from esperd.decode.image import RISCV_NAMES, CoreImage, TaskImage
from esperd.decode.match import MATCHING_SHARE, is_behind_xtensa_call
from esperd.decode.memory import Memory, Segment
from esperd.decode.program import Machine, Program
from esperd.decode.report import DecoderReport, ElfMatch, FrameReport
from esperd.decode.text_lines import board_lines
from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.decode.unwind.riscv_scan import is_behind_call as is_behind_riscv_call
from esperd.decode.unwind.walk import MAX_FRAMES, walk

_PRINTED_NAMES: Final = {"MEPC": "pc", "S0/FP": "fp"}
# What stands in messages such as `abort() was called at PC 0x400d66b9 on core 0`. Code is at 0x40000000 and above on
# all chips; below are their data, which stand in the messages of a corrupt heap.
_ADDRESS: Final = re.compile(r"\b0x[4-9a-fA-F][0-9a-fA-F]{7}\b")
# The firmware moves return addresses back by as much, onto the call. Source: esp-idf, esp_cpu_process_stack_pc.
_CALL_BYTES: Final = 3
# Data memory of the ESP32 and the ESP32-S2. Source: esp-idf, SOC_DRAM_LOW and SOC_DRAM_HIGH of all chips: on the others
# it ends below, or begins above.
_XTENSA_STACKS: Final = range(0x3FFA_E000, 0x4000_0000)
# Functions of one report, inlined ones among them, and of the addresses in one reason: text of a stranger must not
# make an answer without an end.
_MAX_FUNCTIONS: Final = 256
_MAX_PLACES: Final = 16
_LOGGED_SHA256: Final = re.compile(
    rb"^[EWIDV] \([0-9: .\-]+\) (?:app_init|cpu_start): ELF file SHA256:\s+([0-9a-fA-F]+)"
)


@dataclass(frozen=True, slots=True)
class PanicText:
    """A report, the stack memory that was printed with it, and the hash that the log before it told."""

    panic: Panic
    stack: tuple[Segment, ...]
    logged_sha256: str | None = None

    @property
    def is_riscv(self) -> bool:
        """Whether RISC-V registers were printed."""
        return "MEPC" in self.panic.registers

    @property
    def machine(self) -> Machine | None:
        """As registers or stack pointers tell; None where they don't, or there is only an address in a message."""
        if self.is_riscv:
            return "riscv"
        return "xtensa" if "PC" in self.panic.registers or is_of_xtensa(self.panic.backtrace) else None

    @property
    def app_sha256(self) -> str | None:
        """The beginning of the SHA-256 of the program that printed it, where that is known."""
        return usable_sha256(self.panic.app_sha256) or usable_sha256(self.logged_sha256)


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
    crashed_task: str | None = None
    core: int | None = None
    registers: dict[str, int] = field(default_factory=dict[str, int])
    elf_path: str | None = None
    warnings: list[str] = field(default_factory=list[str])
    decoder: DecoderReport | None = None


def has_addresses(panic: Panic) -> bool:
    """Whether there is anything in a report that a program could name."""
    return bool(panic.backtrace or panic.registers or _ADDRESS.search(panic.reason))


def is_of_xtensa(backtrace: Iterable[tuple[int, int]]) -> bool:
    """Whether the stack pointers of a backtrace are in memory that only Xtensa chips have there.

    It does not tell the ESP32-S3 from RISC-V chips, which may print backtraces, too.
    """
    return any(sp in _XTENSA_STACKS for _, sp in backtrace)


def read_stack(lines: Iterable[bytes]) -> list[Segment]:
    """The stack memory that stands in some stripped lines."""
    stack: list[Segment] = []
    for line in lines:
        if STACK_WORDS.match(line):
            address, _, words = line.partition(b":")
            values = [int(word, 16) for word in words.split()]
            stack.append(Segment(int(address, 16), struct.pack(f"<{len(values)}I", *values)))
    return stack


def read_panics(text: bytes) -> list[PanicText]:
    """All reports in a text, in order."""
    detector = PanicDetector(CoreLimits())
    found: list[PanicText] = []
    stack: list[Segment] = []
    sha256: str | None = None
    for number, stripped in enumerate(board_lines(text)):
        for body in detector.on_line(stripped, number, 0.0):
            if isinstance(body, Panic):
                found.append(PanicText(body, tuple(stack), sha256))
                stack = []
        if find_banner(stripped) is not None:
            sha256 = None
        if logged := _LOGGED_SHA256.match(stripped):
            sha256 = logged[1].decode("ascii").lower()
        stack += read_stack((stripped,))
    found += [PanicText(body, tuple(stack), sha256) for body in detector.close() if isinstance(body, Panic)]
    return found


def decode_panic(text: PanicText, program: Program, *, force: bool = False) -> PanicReport:
    """Names the functions of a panic.

    Raises:
        ElfMismatchError: *program* is not the one that printed it, and not *force*.
        WrongChipError: *program* is for another kind of processor.
    """
    panic = text.panic
    if text.machine not in (None, program.machine):
        raise WrongChipError(program.path, program.machine, "panic")
    match = _match(text, program, force=force)
    frames, stop = _frames(text, program)
    reports: list[FrameReport] = []
    warnings: list[str] = []
    for frame in frames:
        # Without the memory of the stack there are no arguments to show.
        reports += describe_frame(frame, len(reports), with_arguments=text.is_riscv)
        if len(reports) >= _MAX_FUNCTIONS:
            warnings.append(f"truncated: only {_MAX_FUNCTIONS} functions are shown")
            break
    if any(frame.how == "scan" for frame in frames):
        warnings.append("guessed_frame: frames are guessed from the stack")
    return PanicReport(
        panic.reason,
        panic.cause,
        text.app_sha256,
        match,
        reports[:_MAX_FUNCTIONS],
        _places(panic.reason, program),
        stop,
        panic.task,
        panic.core,
        panic.registers,
        str(program.path),
        warnings,
    )


def calls_in(text: PanicText, program: Program) -> tuple[int, int]:
    """How many addresses of *text* that must lie at or behind a call do so in *program*, and how many there are.

    Only those in the program's code count: the ROM is the same for all programs.
    """
    space = AddressSpace(Memory(list(text.stack)), (program,))
    is_behind = is_behind_xtensa_call if program.machine == "xtensa" else is_behind_riscv_call
    returns = [int(address, 16) + _CALL_BYTES for address in _ADDRESS.findall(text.panic.reason)[:_MAX_PLACES]]
    if text.is_riscv:
        returns += [frame.pc for frame in _frames(text, program)[0][1:]]
        returns += [value for name, value in text.panic.registers.items() if name == "RA"]
    else:
        returns += [pc + _CALL_BYTES for pc, _ in text.panic.backtrace[1:MAX_FRAMES]]
    returns = [pc for pc in dict.fromkeys(returns) if program.is_code(pc - 1)]
    return sum(is_behind(space, pc) for pc in returns), len(returns)


def fits(text: PanicText, program: Program) -> bool:
    """Whether a panic that carries no hash may be *program*'s; see ``match``."""
    good, total = calls_in(text, program)
    return total > 0 and good / total >= MATCHING_SHARE


def _match(text: PanicText, program: Program, *, force: bool) -> ElfMatch:
    wanted = text.app_sha256
    if wanted is None:
        return "unknown"
    sha = program.sha256()
    if sha.startswith(wanted):
        return "sha256"
    if force:
        return "forced"
    raise ElfMismatchError(f"{program.path} (SHA-256 {sha}) did not print this panic ({wanted})")


def _frames(text: PanicText, program: Program) -> tuple[list[Frame], str]:
    panic = text.panic
    if text.is_riscv:
        return _riscv_frames(text, program)
    space = AddressSpace(Memory([]), (program,))
    # The firmware has moved the addresses back onto the calls.
    frames = [Frame(pc, {1: sp}, space, is_innermost=True, how="registers") for pc, sp in panic.backtrace[:MAX_FRAMES]]
    if not frames and "PC" in panic.registers:
        frames = [Frame(panic.registers["PC"], {}, space, is_innermost=True, how="registers")]
        return frames, "no backtrace was printed"
    if len(panic.backtrace) > MAX_FRAMES:
        return frames, f"more than {MAX_FRAMES} frames"
    if not frames:
        return frames, "neither a backtrace nor a program counter was printed"
    return frames, "the firmware found the stack corrupted" if panic.backtrace_corrupted else "the backtrace ends"


def _riscv_frames(text: PanicText, program: Program) -> tuple[list[Frame], str]:
    printed = {_PRINTED_NAMES.get(name, name.lower()): value for name, value in text.panic.registers.items()}
    registers: dict[str, int] = {name: printed[name] for name in RISCV_NAMES if name in printed}
    memory = Memory(_joined(text.stack))
    if len(registers) < len(RISCV_NAMES):
        space = AddressSpace(memory, (program,))
        innermost = Frame(text.panic.registers["MEPC"], {}, space, is_innermost=True, how="registers")
        return [innermost], "some registers were not printed"
    task = TaskImage(0, registers, None, is_crashed=True)
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
    for text in _ADDRESS.findall(reason)[:_MAX_PLACES]:
        address = int(text, 16)
        if program.is_code(address):
            # abort() and its like print the address of the call, not the one behind it.
            frame = Frame(address, {}, space, is_innermost=True, how="registers")
            places += describe_frame(frame, len(places), with_arguments=False)
    return places
