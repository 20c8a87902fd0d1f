"""RISC-V where nothing is known of the code: candidates for the return address among the words of the stack.

A candidate lies behind a call instruction of the application. It is believed as far as a chain of frames with call
frame information follows from it to the outermost one. Such a frame is a guess and is marked as one.
"""

from typing import Final

from esperd.decode.program import Program
from esperd.decode.unwind.frames import AddressSpace, Frame

_SP: Final = 2
_RA: Final = 1
_SEARCHED_BYTES: Final = 2048
_CANDIDATES: Final = 64
_CFA_TRIES: Final = 8
_MAX_CHAIN: Final = 64
_LINK_SCORE: Final = 2
_END_SCORE: Final = 2


def is_behind_call(space: AddressSpace, pc: int) -> bool:
    """Whether the instruction before *pc* is a call: jal/jalr that writes ra, or c.jal/c.jalr."""
    before = space.read(pc - 4, 4)
    if before is not None:
        word = int.from_bytes(before, "little")
        if word & 0x7F in (0x67, 0x6F) and word >> 7 & 31 == _RA:
            return True
    short = space.read(pc - 2, 2)
    if short is None:
        return False
    half = int.from_bytes(short, "little")
    is_jalr = half & 0xF07F == 0x9002 and half >> 7 & 31 != 0
    return is_jalr or half & 0xE003 == 0x2001


def scan_stack(frame: Frame) -> Frame | None:
    """The most likely caller, or None."""
    sp = frame.registers.get(_SP)
    if sp is None or not frame.space.programs:
        return None
    program = frame.space.programs[0]
    best: tuple[int, Frame] | None = None
    candidates = 0
    for offset in range(0, _SEARCHED_BYTES, 4):
        word = frame.space.memory.word(sp + offset)
        if word is None:
            break
        if word & 1 or not program.is_code(word) or not is_behind_call(frame.space, word):
            continue
        target = program.call_target(word)
        if target is not None and program.is_code(target.entry_pc):
            continue  # that call went somewhere else
        candidates += 1
        best = _better(best, _try(frame, program, word, sp + offset + 4))
        if candidates >= _CANDIDATES:
            break
    if best is None:
        return None
    frame.cfa = best[1].registers.get(_SP)
    return best[1]


def _better(best: tuple[int, Frame] | None, other: tuple[int, Frame] | None) -> tuple[int, Frame] | None:
    if other is None or (best is not None and best[0] >= other[0]):
        return best
    return other


def _try(frame: Frame, program: Program, pc: int, after: int) -> tuple[int, Frame] | None:
    """The best frame at *pc*, over the few places where its stack pointer can be."""
    best: tuple[int, Frame] | None = None
    for step in range(_CFA_TRIES):
        sp = (after + 15 & ~15) + 16 * step
        # What the unknown code saved, it has restored by then; callee-saved registers keep the inner frame's value.
        registers = {**frame.registers, _SP: sp}
        guess = Frame(pc, registers, frame.space, is_innermost=False, how="scan")
        score = _follow(guess, program)
        if score > 0:
            best = _better(best, (score, guess))
    return best


def _follow(guess: Frame, program: Program) -> int:
    """How well a chain of callers follows from *guess*; 0 when it breaks."""
    score = 0
    current = guess
    for _ in range(_MAX_CHAIN):
        unwound = program.unwind_with_cfi(current)
        if unwound is None:
            return 0
        pc, registers, cfa = unwound
        if pc is None:
            return score + _END_SCORE
        if not program.is_code(pc - 1) or not is_behind_call(current.space, pc):
            return 0
        function, target = program.function_at(current.lookup_pc), program.call_target(pc)
        if target is not None and function is not None and target.entry_pc != function.entry_pc:
            return 0
        sp = current.registers.get(_SP)
        if sp is not None and cfa <= sp:
            return 0
        score += _LINK_SCORE
        current = Frame(pc, dict(registers), current.space, is_innermost=False, how="scan")
    return 0
