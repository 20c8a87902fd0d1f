"""RISC-V without call frame information (ROM, binary blobs): what the instructions from the function's start on did.

A linear read from the symbol to the pc that follows the stack pointer and the stores of ra and s0. It stops at the
first branch, jump or call: what comes later is no prologue. Source: RISC-V ISA manual, RV32I and C encodings.
"""

from typing import Final

from esperd.decode.program import Program
from esperd.decode.unwind.frames import Frame

_RA: Final = 1
_SP: Final = 2
_FP: Final = 8
_MAX_PROLOGUE_BYTES: Final = 256


def scan_prologue(frame: Frame, program: Program) -> Frame | None:
    """The caller, or None where there is no symbol or no code to read."""
    symbol = program.symbol_at(frame.lookup_pc)
    sp = frame.registers.get(_SP)
    if symbol is None or sp is None or frame.lookup_pc - symbol.address > 1 << 20:
        return None
    stop = min(frame.pc, symbol.address + _MAX_PROLOGUE_BYTES)
    code = frame.space.read(symbol.address, stop - symbol.address)
    if code is None:
        return None
    moved, saved = _follow(code)
    cfa = (sp + moved) & 0xFFFFFFFF
    registers = dict(frame.registers)
    for number, offset in saved.items():
        # Offsets are from the stack pointer at the function's start, which is the CFA.
        registers[number] = frame.space.word(cfa + offset)
    pc = registers.get(_RA)
    if _RA not in saved and not frame.is_innermost:
        return None
    if pc is None or frame.space.program_at(pc - 1) is None:
        return None
    frame.cfa = cfa
    registers[_SP] = cfa
    return Frame(pc & 0xFFFFFFFE, registers, frame.space, is_innermost=False, how="prologue")


def _follow(code: bytes) -> tuple[int, dict[int, int]]:
    """How far sp went down (bytes), and where registers were stored, from the sp at the start."""
    moved = 0
    saved: dict[int, int] = {}
    position = 0
    while position + 2 <= len(code):
        low = int.from_bytes(code[position : position + 2], "little")
        if low & 3 == 3:
            if position + 4 > len(code):
                break
            step = _wide(int.from_bytes(code[position : position + 4], "little"))
            position += 4
        else:
            step = _compressed(low)
            position += 2
        if step is None:
            break
        kind, number, value = step
        if kind == "sp":
            moved -= value
        elif kind == "store":
            saved.setdefault(number, value - moved)
    return moved, saved


_Step = tuple[str, int, int]
_NOTHING: Final[_Step] = ("other", 0, 0)


def _wide(word: int) -> _Step | None:
    """A 32-bit instruction: (what, register, number); None for one that ends the prologue."""
    opcode, rd, rs1 = word & 0x7F, word >> 7 & 31, word >> 15 & 31
    if opcode in (0x63, 0x67, 0x6F):
        return None
    if opcode == 0x13 and word >> 12 & 7 == 0 and rd == rs1 == _SP:
        return "sp", 0, _signed(word >> 20, 12)
    if opcode == 0x23 and word >> 12 & 7 == 2 and rs1 == _SP:
        return "store", word >> 20 & 31, _signed((word >> 25) << 5 | rd, 12)
    return _NOTHING


def _compressed(half: int) -> _Step | None:
    """A 16-bit instruction, as above."""
    quadrant, kind = half & 3, half >> 13
    if quadrant == 1 and kind in (1, 5, 6, 7):  # c.jal, c.j, c.beqz, c.bnez
        return None
    if quadrant == 2 and kind == 4 and half >> 2 & 31 == 0 and half >> 7 & 31:  # c.jr, c.jalr
        return None
    if quadrant == 1 and kind == 3 and half >> 7 & 31 == _SP:  # c.addi16sp
        immediate = (
            (half >> 12 & 1) << 9
            | (half >> 3 & 3) << 7
            | (half >> 5 & 1) << 6
            | (half >> 2 & 1) << 5
            | (half >> 6 & 1) << 4
        )
        return "sp", 0, _signed(immediate, 10)
    if quadrant == 1 and kind == 0 and half >> 7 & 31 == _SP:  # c.addi
        return "sp", 0, _signed((half >> 12 & 1) << 5 | half >> 2 & 31, 6)
    if quadrant == 2 and kind == 6:  # c.swsp
        return "store", half >> 2 & 31, (half >> 7 & 3) << 6 | (half >> 9 & 15) << 2
    return _NOTHING


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 & 1 else value
