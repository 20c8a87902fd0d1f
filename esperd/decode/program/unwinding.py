"""One step up the stack by call frame information, for RISC-V and the functions that have it."""

from typing import Final

from esperd.decode.program.arithmetic import BaseType
from esperd.decode.program.cfi import FrameSection
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.errors import DamagedProgramError, NotAvailableError
from esperd.decode.program.expressions import evaluate_number
from esperd.decode.program.model import CfiRow, FrameContext, RegisterRule
from esperd.decode.program.work import Work

_ADDRESS_MASK: Final = 0xFFFFFFFF
_REGISTERS: Final = range(32)
_STACK_POINTER: Final = 2

UnwoundFrame = tuple[int | None, dict[int, int | None], int]


class CfiUnwinder:
    """.debug_frame first, then .eh_frame, each indexed at its first use."""

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._sections: dict[str, FrameSection] = {}

    def row_at(self, pc: int) -> CfiRow | None:
        """The rules at *pc*; raises DamagedProgramError and its kind."""
        for name in (".debug_frame", ".eh_frame"):
            section = self._sections.get(name)
            if section is None:
                section = self._sections[name] = FrameSection(self._elf, name)
            row = section.row_at(pc)
            if row is not None:
                return row
        return None

    def cfa_of(self, frame: FrameContext) -> int | None:
        """The canonical frame address by the rules; None where there are none."""
        row = self.row_at(frame.pc if frame.is_innermost else frame.pc - 1)
        return None if row is None else self._cfa(row, frame)

    def unwind(self, frame: FrameContext) -> UnwoundFrame | None:
        """The caller's pc, the caller's registers and the frame's CFA; None without rules, or without a CFA.

        The caller's pc is None where the rules call it undefined: the frame is the outermost one.
        """
        if self._elf.machine == "xtensa":
            # The rules give the CFA, but not where register windows were spilled to.
            return None
        row = self.row_at(frame.pc if frame.is_innermost else frame.pc - 1)
        if row is None:
            return None
        cfa = self._cfa(row, frame)
        if cfa is None:
            return None
        # Registers without a rule keep their value; the stack pointer of the caller is the CFA.
        registers = {number: frame.register(number) for number in _REGISTERS}
        registers[_STACK_POINTER] = cfa
        for number, rule in row.registers.items():
            registers[number] = self._value(rule, number, frame, cfa)
        return registers.get(row.return_register), registers, cfa

    def _cfa(self, row: CfiRow, frame: FrameContext) -> int | None:
        if row.cfa.expression is not None:
            return self._evaluated(row.cfa.expression, frame, ())
        base = frame.register(row.cfa.register)
        return None if base is None else base + row.cfa.offset & _ADDRESS_MASK

    def _value(self, rule: RegisterRule, number: int, frame: FrameContext, cfa: int) -> int | None:
        match rule.kind:
            case "undefined":
                return None
            case "same_value":
                return frame.register(number)
            case "register":
                return frame.register(rule.operand)
            case "offset":
                return _read_word(frame, cfa + rule.operand)
            case "value_offset":
                return cfa + rule.operand & _ADDRESS_MASK
            case "expression":
                address = self._evaluated(rule.expression, frame, (cfa,))
                return None if address is None else _read_word(frame, address)
            case "value_expression":
                return self._evaluated(rule.expression, frame, (cfa,))

    def _evaluated(self, expression: bytes, frame: FrameContext, initial: tuple[int, ...]) -> int | None:
        try:
            return evaluate_number(expression, _RegisterContext(frame, self._elf.work), initial)
        except NotAvailableError:
            return None


def _read_word(frame: FrameContext, address: int) -> int | None:
    contents = frame.read_memory(address & _ADDRESS_MASK, 4)
    return None if contents is None else int.from_bytes(contents, "little")


class _RegisterContext:
    """Call frame expressions know registers and memory, and nothing about variables (DWARF 5, 6.4.2)."""

    def __init__(self, frame: FrameContext, work: Work) -> None:
        self._frame = frame
        self._work = work

    def spend(self, steps: int) -> None:
        self._work.spend(steps)

    def register(self, number: int) -> int:
        value = self._frame.register(number)
        if value is None:
            raise NotAvailableError("value has been optimized out")
        return value

    def read_memory(self, address: int, size: int) -> bytes:
        contents = self._frame.read_memory(address, size)
        if contents is None:
            raise NotAvailableError(f"Cannot access memory at address {address:#x}")
        return contents

    def frame_base(self) -> int:
        raise _NotInCallFramesError

    def cfa(self) -> int:
        raise _NotInCallFramesError

    def entry_value(self, block: bytes) -> int:
        raise _NotInCallFramesError(block)

    def parameter_value(self, offset: int) -> int:
        raise _NotInCallFramesError(offset)

    def base_type(self, offset: int) -> BaseType:
        raise _NotInCallFramesError(offset)

    def address_at(self, index: int) -> int:
        raise _NotInCallFramesError(index)


class _NotInCallFramesError(DamagedProgramError):
    def __init__(self, operand: object = "no operand") -> None:
        super().__init__(f"a call frame expression has an operator that is not allowed there ({operand})")
