"""RISC-V: the caller of a frame, by the program's call frame information, else by reading the prologue, else by guess.

DWARF numbers of the integer registers are their own: x1 is ra, x2 is sp. Source: RISC-V ELF psABI, "DWARF Register
Numbers".
"""

from typing import Final

from esperd.decode.program import Program
from esperd.decode.unwind.frames import Frame
from esperd.decode.unwind.riscv_prologue import scan_prologue
from esperd.decode.unwind.riscv_scan import scan_stack

RA: Final = 1
SP: Final = 2


def caller_of(frame: Frame) -> Frame | str:
    """The frame that called *frame*, or why there is none."""
    program = frame.space.program_at(frame.lookup_pc)
    if program is not None:
        by_rules = _by_call_frame_information(frame, program)
        if by_rules is not None:
            return by_rules
        by_prologue = scan_prologue(frame, program)
        if by_prologue is not None:
            return by_prologue
    guessed = scan_stack(frame)
    return "nothing says where it was called from" if guessed is None else guessed


def _by_call_frame_information(frame: Frame, program: Program) -> Frame | str | None:
    unwound = program.unwind_with_cfi(frame)
    if unwound is None:
        return None
    pc, registers, cfa = unwound
    frame.cfa = cfa
    if pc is None:
        return "outermost"
    sp = frame.registers.get(SP)
    if sp is not None and cfa < sp:
        return "the stack goes the wrong way"
    return Frame(pc & 0xFFFFFFFE, dict(registers), frame.space, is_innermost=False, how="cfi")
