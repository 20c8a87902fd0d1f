"""RISC-V: from an interrupt handler back to what was interrupted.

The vector's handler has no call frame information. It puts all registers of what it interrupts on that one's stack; the
first interrupt notes their place in the running task's control block and moves on to the stack for interrupts, a nested
one stays where it is. Source: esp-idf components/riscv/vectors.S, ``_interrupt_handler``;
components/freertos/FreeRTOS-Kernel/portable/riscv/portasm.S, ``rtos_int_enter``;
components/riscv/include/riscv/rvruntime-frames.h.
"""

import struct
from typing import Final

from esperd.decode.unwind.frames import Frame

_HANDLER: Final = "_interrupt_handler"
_SP: Final = 2
# pc and x1 to x31; the machine's registers behind them are not needed.
_WORDS: Final = struct.Struct("<32I")
# The saved registers take 148 bytes, rounded up for the stack's alignment; more where there is a coprocessor.
_FRAME_BYTES: Final = range(128, 513)


def is_interrupt_handler(frame: Frame) -> bool:
    """Whether *frame* is the handler that interrupted something."""
    program = frame.space.program_at(frame.lookup_pc)
    symbol = None if program is None else program.symbol_at(frame.lookup_pc)
    return symbol is not None and symbol.name == _HANDLER


def interrupted_frame(frame: Frame, tcb: int | None) -> Frame | None:
    """What the handler of *frame* interrupted, or None where its registers are not in the dump.

    Args:
        frame: The handler's.
        tcb: The address of the running task's control block.
    """
    nested_at = frame.registers.get(_SP)
    first_at = None if tcb is None else frame.space.memory.word(tcb)
    for address in (nested_at, first_at):
        found = None if address is None else _saved_at(frame, address)
        if found is not None:
            return found
    return None


def _saved_at(frame: Frame, address: int) -> Frame | None:
    data = frame.space.memory.read(address, _WORDS.size)
    if data is None:
        return None
    words = _WORDS.unpack(data)
    # The stack pointer of what was interrupted is right behind what was pushed.
    if words[_SP] - address not in _FRAME_BYTES or not words[0]:
        return None
    registers: dict[int, int | None] = dict(enumerate(words))
    registers[0] = 0
    return Frame(words[0], registers, frame.space, is_innermost=True, how="interrupt")
