"""RISC-V: the caller of a frame, by the program's call frame information, else by reading the prologue, else by guess.

DWARF numbers of the integer registers are their own: x1 is ra, x2 is sp. Source: RISC-V ELF psABI, "DWARF Register
Numbers".
"""

from typing import Final

from esperd.decode.program import Program
from esperd.decode.unwind.frames import Frame
from esperd.decode.unwind.riscv_interrupt import interrupted_frame, is_interrupt_handler
from esperd.decode.unwind.riscv_prologue import scan_prologue
from esperd.decode.unwind.riscv_scan import scan_stack

RA: Final = 1
SP: Final = 2


def caller_of(frame: Frame, tcb: int | None = None) -> Frame | str:
    """The frame that called *frame* or that it interrupted, or why there is none.

    Args:
        frame: Where to go on from.
        tcb: The address of its task's control block.
    """
    if is_interrupt_handler(frame):
        return interrupted_frame(frame, tcb) or "what was interrupted is not in the dump"
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


def tail_called(frame: Frame, caller: Frame) -> list[Frame]:
    """The frames between *frame* and *caller* that tail calls removed, innermost first; none where that is not sure.

    Their registers are the caller's: a function that ends in a tail call has restored them.
    """
    if caller.how != "cfi":
        return []
    program = frame.space.program_at(frame.lookup_pc)
    if program is None or program is not frame.space.program_at(caller.lookup_pc):
        return []
    callee = program.function_at(frame.lookup_pc)
    if callee is None:
        return []
    return [
        Frame(pc, dict(caller.registers), frame.space, is_innermost=False, how="tailcall", cfa=frame.cfa)
        for pc in program.tail_call_chain(caller.pc, callee)
    ]


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
