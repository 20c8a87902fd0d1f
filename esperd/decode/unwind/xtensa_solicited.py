"""Xtensa: tasks that gave up the processor themselves, whose saved registers say less than they seem to.

Such a task waits inside of ``vPortYield``, which stores 32 bytes: 0, the address to return to, PS, THREADPTR, and then
what the window overflow put there, a0 to a3 of its caller's *caller*. a0 to a3 of the caller itself are below the
stored part, which only a dump of all memory has. Source: FreeRTOS-Kernel portable/xtensa/portasm.S, ``vPortYield``;
esp-idf components/xtensa/include/xtensa_context.h, XT_SOL_*.
"""

from typing import Final

from esperd.decode.image import SOLICITED_FRAME_BYTES, TaskImage
from esperd.decode.program import Program
from esperd.decode.unwind.frames import AddressSpace, Frame

_PS_WOE: Final = 1 << 18
_REGION: Final = 0xC0000000
_ADDRESS: Final = 0x3FFFFFFF
_CALL_BYTES: Final = 3
_MAX_FUNCTION_BYTES: Final = 1 << 14


def solicited_frame(task: TaskImage, space: AddressSpace) -> Frame:
    """The function that called ``vPortYield``; only its stack pointer is known, but in a dump of all memory."""
    sp = task.registers["a1"]
    registers: dict[int, int | None] = {1: sp}
    saved = [space.memory.word(sp - SOLICITED_FRAME_BYTES - 16 + 4 * number) for number in range(4)]
    if saved[1] == sp:
        registers.update(enumerate(saved))
    # It stands behind a call, like any caller.
    return Frame(task.registers["pc"], registers, space, is_innermost=False, how="solicited", extra={"ps": _PS_WOE})


def inferred_caller(frame: Frame) -> Frame | None:
    """The caller of a solicited *frame*: its registers were saved, its pc was not; that is 0 where nothing tells it.

    The call that its own return address lies behind names its function, and if that one calls the function of *frame*
    in one place only, it stands there.
    """
    sp = frame.registers[1]
    if sp is None:
        return None
    saved = [frame.space.memory.word(sp - 16 + 4 * number) for number in range(4)]
    if saved[0] is None or saved[1] is None:
        return None
    registers: dict[int, int | None] = dict(enumerate(saved))
    frame.cfa = saved[1]
    pc, is_call = _likely_pc(frame, saved[0])
    return Frame(pc, registers, frame.space, is_innermost=not is_call, how="inferred", extra={"ps": _PS_WOE})


def _likely_pc(frame: Frame, a0: int) -> tuple[int, bool]:
    """Where the caller stands, and whether that is behind a call; its function's beginning where several may be it."""
    return_pc = (frame.pc & _REGION) | (a0 & _ADDRESS)
    code = frame.space.read(return_pc - _CALL_BYTES, _CALL_BYTES)
    function = None if code is None else call_target(return_pc - _CALL_BYTES, code)
    program = None if function is None else frame.space.program_at(function)
    if function is None or program is None:
        return 0, False
    callee = _extent(program, frame.lookup_pc)
    places = [] if callee is None else _calls(program, function, callee[0])
    return (places[0], True) if len(places) == 1 else (function, False)


def _calls(program: Program, function: int, target: int) -> list[int]:
    """The return addresses of direct calls of *target* in *function*."""
    extent = _extent(program, function)
    if extent is None:
        return []
    low, high = extent
    code = program.read_constant(low, min(high - low, _MAX_FUNCTION_BYTES)) or b""
    found: list[int] = []
    position = 0
    while position < len(code):
        if call_target(low + position, code[position : position + _CALL_BYTES]) == target:
            found.append(low + position + _CALL_BYTES)
        # Source: Xtensa ISA, code density option: bit 3 of the first byte tells the short format.
        position += 2 if code[position] & 8 else _CALL_BYTES
    return found


def call_target(address: int, code: bytes) -> int | None:
    """Where the instruction at *address* goes if it is CALL4, CALL8 or CALL12; None for others.

    Source: Xtensa ISA, CALL format: op0 5, n in bits 5:4, a signed offset in words from bit 6 on.
    """
    word = int.from_bytes(code, "little")
    if len(code) < _CALL_BYTES or word & 0xF != 5 or not word >> 4 & 3:
        return None
    offset = word >> 6
    if offset & 1 << 17:
        offset -= 1 << 18
    return (address & ~3) + 4 * offset + 4


def _extent(program: Program, pc: int) -> tuple[int, int] | None:
    function = program.function_at(pc)
    if function is not None and function.low_pc == function.entry_pc:
        return function.low_pc, function.high_pc
    symbol = program.symbol_at(pc)
    return None if symbol is None else (symbol.address, symbol.address + symbol.size)
