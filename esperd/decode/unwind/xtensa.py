"""Xtensa, windowed ABI: the caller of a frame, from the register windows that were spilled to the stack.

Needs no debug information, so ROM code is walked through like any other. Source: Xtensa ISA Reference Manual, "Windowed
Procedure-Call Protocol" and the window overflow handlers; esp-idf components/xtensa/include/esp_cpu_utils.h.
"""

from typing import Final

from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.decode.unwind.xtensa_solicited import inferred_caller

_PS_WOE: Final = 1 << 18
_PS_EXCM: Final = 1 << 4
_CALLINC_SHIFT: Final = 16
_ENTRY_OPCODE: Final = 0x36
_REGION: Final = 0xC0000000
_ADDRESS: Final = 0x3FFFFFFF
# What a return address of zero looks like once the region bits of the code were put back.
NO_CALLER_PC: Final = 0x40000000


def caller_of(frame: Frame) -> Frame | str:
    """The frame that called *frame*, or why there is none."""
    ps = frame.extra.get("ps", _PS_WOE)
    if not ps & _PS_WOE or ps & _PS_EXCM:
        return "registers are not in windows here"
    if frame.how == "solicited" and frame.registers.get(0) is None:
        return _caller_of_solicited(frame)
    if frame.is_innermost and frame.how != "inferred" and frame.space.read(frame.pc, 1) == bytes((_ENTRY_OPCODE,)):
        return _caller_before_entry(frame, ps)
    a0, a1 = frame.registers.get(0), frame.registers.get(1)
    if a0 is None or a1 is None:
        return "the return address is not known"
    if a0 == 0:
        return "outermost"
    saved = [frame.space.word(a1 - 16 + 4 * number) for number in range(4)]
    if saved[1] is None:
        return "its stack is not in the dump"
    registers: dict[int, int | None] = dict(enumerate(saved))
    window = 4 * (a0 >> 30)
    _add_spilled(frame.space, registers, saved[1], window)
    for number in range(window, 16):
        registers.setdefault(number, frame.registers.get(number - window))
    frame.cfa = saved[1]
    pc = (frame.pc & _REGION) | (a0 & _ADDRESS)
    return Frame(pc, registers, frame.space, is_innermost=False, how="window", extra={"ps": _PS_WOE})


def _caller_of_solicited(frame: Frame) -> Frame | str:
    found = inferred_caller(frame)
    if found is None:
        return "its stack is not in the dump"
    if found.pc:
        return found
    # Nothing tells where that one stands; the one after it is known, but something is missing in between.
    found.pc = frame.pc
    after = caller_of(found)
    if isinstance(after, Frame):
        after.how = "inferred"
    return after


def _caller_before_entry(frame: Frame, ps: int) -> Frame | str:
    """The task stands before its first instruction: the window has not moved yet."""
    window = 4 * (ps >> _CALLINC_SHIFT & 3)
    a0 = frame.registers.get(window) or 0
    registers = {number: frame.registers.get(number) for number in range(16)}
    if not a0 & _ADDRESS:
        # The debugger's way to show it, and where it ends.
        return Frame(NO_CALLER_PC, {}, frame.space, is_innermost=False, how="window", extra={"ps": 0})
    pc = (frame.pc & _REGION) | (a0 & _ADDRESS)
    return Frame(pc, registers, frame.space, is_innermost=False, how="window", extra={"ps": _PS_WOE})


def _add_spilled(space: AddressSpace, registers: dict[int, int | None], caller_sp: int, window: int) -> None:
    """a4 and up of a caller that used call8 or call12 lie below the stack pointer of its own caller."""
    if window < 8:
        return
    base = space.word(caller_sp - 12)
    for number in range(4, window):
        registers[number] = None if base is None else space.word(base - 4 * window + 4 * (number - 4))
