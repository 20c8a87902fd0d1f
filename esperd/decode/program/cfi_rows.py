"""Call frame instructions, run up to a program counter (DWARF 5, 6.4.2 and 7.24)."""

from typing import Protocol

from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_REGISTER_RULES, MAX_REMEMBERED_ROWS
from esperd.decode.program.model import CfaRule, CfiRow, RegisterRule
from esperd.decode.program.reading import U16, U32, read_sleb, read_uleb
from esperd.decode.program.work import Work

_UNDEFINED = RegisterRule("undefined")
_SAME_VALUE = RegisterRule("same_value")


class AddressReader(Protocol):
    """Reads the operand of DW_CFA_set_loc."""

    def read(self, position: int) -> tuple[int, int]:
        """An address and the position after it."""
        ...


class RowBuilder:
    """The state of the table while its instructions run."""

    def __init__(
        self, data: bytes, code_alignment: int, data_alignment: int, addresses: AddressReader, work: Work
    ) -> None:
        self._data = data
        self._code_alignment = code_alignment
        self._data_alignment = data_alignment
        self._addresses = addresses
        self._work = work
        self._cfa = CfaRule(0, 0)
        self._rules: dict[int, RegisterRule] = {}
        self._initial: dict[int, RegisterRule] = {}
        self._remembered: list[tuple[CfaRule, dict[int, RegisterRule]]] = []
        self._location = 0

    def run_initial(self, extent: tuple[int, int]) -> None:
        """Runs a CIE's instructions."""
        self.run(extent, 0, 0)
        self._initial = dict(self._rules)

    def run(self, extent: tuple[int, int], low_pc: int, pc: int) -> None:
        """Runs an FDE's instructions until the row that holds *pc* is complete."""
        position, end = extent
        self._location = low_pc
        try:
            while position < end and self._location <= pc:
                opcode = self._data[position]
                position = self._step(opcode, position + 1)
                if len(self._rules) > MAX_REGISTER_RULES:
                    raise DamagedProgramError("call frame instructions have rules for too many registers")
        finally:
            self._work.spend(position - extent[0])

    def row(self, *, return_register: int, low_pc: int, high_pc: int, is_signal_frame: bool) -> CfiRow:
        """The row that was reached."""
        return CfiRow(self._cfa, dict(self._rules), return_register, low_pc, high_pc, is_signal_frame)

    def _step(self, opcode: int, position: int) -> int:
        operand = opcode & 0x3F
        match opcode >> 6:
            case 1:  # DW_CFA_advance_loc
                self._location += operand * self._code_alignment
                return position
            case 2:  # DW_CFA_offset
                offset, position = read_uleb(self._data, position)
                self._rules[operand] = RegisterRule("offset", offset * self._data_alignment)
                return position
            case 3:  # DW_CFA_restore
                self._restore(operand)
                return position
            case _:
                pass
        if opcode <= 0x04:
            return self._step_location(opcode, position)
        if opcode in (0x0A, 0x0B):
            self._step_stack(opcode)
            return position
        if opcode in (0x0C, 0x0D, 0x0E, 0x0F, 0x12, 0x13):
            return self._step_cfa(opcode, position)
        return self._step_register(opcode, position)

    def _restore(self, register: int) -> None:
        initial = self._initial.get(register)
        if initial is None:
            self._rules.pop(register, None)
        else:
            self._rules[register] = initial

    def _step_location(self, opcode: int, position: int) -> int:
        match opcode:
            case 0x00:  # DW_CFA_nop
                return position
            case 0x01:  # DW_CFA_set_loc
                self._location, position = self._addresses.read(position)
                return position
            case 0x02:  # DW_CFA_advance_loc1
                delta, size = self._data[position], 1
            case 0x03:  # DW_CFA_advance_loc2
                delta, size = int(U16.unpack_from(self._data, position)[0]), 2
            case _:  # DW_CFA_advance_loc4
                delta, size = int(U32.unpack_from(self._data, position)[0]), 4
        self._location += delta * self._code_alignment
        return position + size

    def _step_stack(self, opcode: int) -> None:
        if opcode == 0x0A:  # DW_CFA_remember_state
            if len(self._remembered) >= MAX_REMEMBERED_ROWS:
                raise DamagedProgramError("call frame instructions remember too many states")
            self._remembered.append((self._cfa, dict(self._rules)))
            return
        if not self._remembered:
            raise DamagedProgramError("call frame instructions restore a state that was not remembered")
        self._cfa, self._rules = self._remembered.pop()

    def _step_cfa(self, opcode: int, position: int) -> int:
        if opcode == 0x0F:  # DW_CFA_def_cfa_expression
            expression, position = self._block(position)
            self._cfa = CfaRule(0, 0, expression)
            return position
        register, offset = self._cfa.register, self._cfa.offset
        if opcode in (0x0C, 0x0D, 0x12):  # DW_CFA_def_cfa, _register, _sf
            register, position = read_uleb(self._data, position)
        if opcode in (0x0C, 0x0E):  # DW_CFA_def_cfa, _offset
            offset, position = read_uleb(self._data, position)
        elif opcode in (0x12, 0x13):  # DW_CFA_def_cfa_sf, _offset_sf
            factored, position = read_sleb(self._data, position)
            offset = factored * self._data_alignment
        self._cfa = CfaRule(register, offset)
        return position

    def _step_register(self, opcode: int, position: int) -> int:
        if opcode == 0x2D:  # DW_CFA_GNU_window_save, only on SPARC and (with another meaning) on AArch64
            return position
        if opcode == 0x2E:  # DW_CFA_GNU_args_size
            return read_uleb(self._data, position)[1]
        register, position = read_uleb(self._data, position)
        match opcode:
            case 0x05 | 0x14:  # DW_CFA_offset_extended, DW_CFA_val_offset
                offset, position = read_uleb(self._data, position)
            case 0x11 | 0x15:  # DW_CFA_offset_extended_sf, DW_CFA_val_offset_sf
                offset, position = read_sleb(self._data, position)
            case 0x06:  # DW_CFA_restore_extended
                self._restore(register)
                return position
            case 0x07:  # DW_CFA_undefined
                self._rules[register] = _UNDEFINED
                return position
            case 0x08:  # DW_CFA_same_value
                self._rules[register] = _SAME_VALUE
                return position
            case 0x09:  # DW_CFA_register
                source, position = read_uleb(self._data, position)
                self._rules[register] = RegisterRule("register", source)
                return position
            case 0x10 | 0x16:  # DW_CFA_expression, DW_CFA_val_expression
                expression, position = self._block(position)
                self._rules[register] = RegisterRule(
                    "expression" if opcode == 0x10 else "value_expression", 0, expression
                )
                return position
            case _:
                raise DamagedProgramError(f"call frame instructions have the unknown opcode {opcode:#x}")
        self._rules[register] = RegisterRule(
            "offset" if opcode in (0x05, 0x11) else "value_offset", offset * self._data_alignment
        )
        return position

    def _block(self, position: int) -> tuple[bytes, int]:
        size, position = read_uleb(self._data, position)
        end = position + size
        if end > len(self._data):
            raise DamagedProgramError("a call frame expression ends after its section")
        return self._data[position:end], end
