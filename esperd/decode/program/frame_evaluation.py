"""Expressions in a stack frame: registers and memory from its context, parameters at entry from its caller.

Entry values follow GDB: the caller's call site must name this function, no chain of tail calls may lead from the
function back to itself, and the call site must tell what it passed.
"""

from collections.abc import Callable, Iterator
from itertools import count

from esperd.decode.program import constants as dw
from esperd.decode.program.arithmetic import GENERIC, BaseType
from esperd.decode.program.call_sites import CallParameter, CallSite, CallSiteIndex
from esperd.decode.program.code_index import CodeIndex, FunctionPart
from esperd.decode.program.errors import DamagedProgramError, NoEntryValueError, NotAvailableError
from esperd.decode.program.expression_shapes import dereferenced_register_of, frame_offset_of, register_of
from esperd.decode.program.expressions import evaluate, evaluate_number
from esperd.decode.program.limits import MAX_EXPRESSION_NESTING, MAX_EXPRESSIONS_OF_FRAME
from esperd.decode.program.locations import location_at
from esperd.decode.program.model import FrameContext
from esperd.decode.program.places import Piece
from esperd.decode.program.units import Unit

_LARGEST_BASE_TYPE_BYTES = 16


class FrameEvaluation:
    """The expression context of one frame.

    ``nesting`` counts the expressions that wait for this one, ``counter`` all that were evaluated for one question.
    """

    def __init__(
        self,
        code: CodeIndex,
        calls: CallSiteIndex,
        frame: FrameContext,
        compute_cfa: Callable[[FrameContext], int | None],
        nesting: int = 0,
        counter: Iterator[int] | None = None,
    ) -> None:
        self._counter = count() if counter is None else counter
        if nesting > MAX_EXPRESSION_NESTING or next(self._counter) > MAX_EXPRESSIONS_OF_FRAME:
            raise DamagedProgramError("expressions refer to one another without end")
        self.frame = frame
        self.pc = frame.pc if frame.is_innermost else frame.pc - 1
        self._code = code
        self._calls = calls
        self._compute_cfa = compute_cfa
        self._nesting = nesting
        self._part: FunctionPart | None = code.part_at(self.pc)
        self._unit: Unit | None = None if self._part is None else self._part.die.unit

    @property
    def entry_pc(self) -> int | None:
        """Where the function of the frame starts (not one inlined into it)."""
        return None if self._part is None else self._part.entry_pc

    def deeper(self, frame: FrameContext) -> "FrameEvaluation":
        """The evaluation of another expression that this one needs."""
        return FrameEvaluation(self._code, self._calls, frame, self._compute_cfa, self._nesting + 1, self._counter)

    def in_unit(self, unit: Unit) -> "FrameEvaluation":
        """The same frame for expressions of another unit (inlined functions may come from one)."""
        if unit is self._unit:
            return self
        other = self.deeper(self.frame)
        other._unit = unit  # noqa: SLF001 - another instance of this class
        return other

    def evaluate(self, expression: bytes) -> list[Piece]:
        """Where a value of this frame is."""
        return evaluate(expression, self)

    # The expression context

    def spend(self, steps: int) -> None:
        self._code.elf.work.spend(steps)

    def register(self, number: int) -> int:
        value = self.frame.register(number)
        if value is None:
            raise NotAvailableError("value has been optimized out")
        return value

    def read_memory(self, address: int, size: int) -> bytes:
        contents = self.frame.read_memory(address, size)
        if contents is None:
            contents = self._code.elf.read_constant(address, size)
        if contents is None or len(contents) != size:
            raise NotAvailableError(f"Cannot access memory at address {address:#x}")
        return contents

    def cfa(self) -> int:
        known = self.frame.cfa
        if known is None:
            known = self._compute_cfa(self.frame)
        if known is None:
            raise NotAvailableError("can't compute CFA for this frame")
        return known

    def frame_base(self) -> int:
        die = None if self._part is None else self._part.die
        expression = None if die is None else location_at(die, dw.AT_FRAME_BASE, self.pc)
        if expression is None or b"\x91" in expression[:1]:  # a frame base counted from itself
            raise DamagedProgramError("the function has no frame base")
        return evaluate_number(expression, self.deeper(self.frame))

    def base_type(self, offset: int) -> BaseType:
        if offset == 0 or self._unit is None:
            return GENERIC
        die = self._unit.die_at(self._unit.offset + offset)
        size = die.number(dw.AT_BYTE_SIZE) or 0
        if die.tag != dw.TAG_BASE_TYPE or not 0 < size <= _LARGEST_BASE_TYPE_BYTES:
            raise DamagedProgramError("an expression refers to something that is no base type")
        return BaseType(size, die.number(dw.AT_ENCODING) or 0)

    def address_at(self, index: int) -> int:
        if self._unit is None:
            raise DamagedProgramError("an expression refers to an address table that is not known")
        return self._unit.address_at(index)

    def entry_value(self, block: bytes) -> int:
        register = register_of(block)
        if register is not None:
            return self._passed(lambda parameter: parameter.register == register)
        pointer = dereferenced_register_of(block)
        if pointer is None:
            raise NoEntryValueError("an entry value is neither a register nor what it points to")
        return self._passed(lambda parameter: pointer in (parameter.register, parameter.pointee_of), is_pointee=True)

    def parameter_value(self, offset: int) -> int:
        if self._unit is None:
            raise NoEntryValueError("the function is not known")
        parameter_offset = self._unit.offset + offset
        return self._passed(lambda parameter: parameter.parameter_offset == parameter_offset)

    def value_at_entry(self, location: bytes) -> int:
        """What the caller passed for a parameter that is at *location* when the function starts."""
        register = register_of(location)
        if register is not None:
            return self._passed(lambda parameter: parameter.register == register)
        offset = frame_offset_of(location)
        if offset is None:
            raise NoEntryValueError("the parameter is not passed in a register or on the stack")
        return self._passed(lambda parameter: parameter.frame_offset == offset)

    def _passed(self, is_wanted: Callable[[CallParameter], bool], *, is_pointee: bool = False) -> int:
        site, caller = self._verified_call()
        parameter = next((candidate for candidate in site.parameters if is_wanted(candidate)), None)
        if parameter is None:
            raise NoEntryValueError("the call site does not tell this parameter")
        expression = parameter.pointee_value if is_pointee else parameter.value
        if expression is None:
            raise NoEntryValueError("the call site does not tell what it passed")
        return evaluate_number(expression, self.deeper(caller).in_unit(site.unit))

    def _verified_call(self) -> tuple[CallSite, FrameContext]:
        """The call that made this frame, and its caller."""
        caller = self.frame.caller
        if caller is None or self._part is None:
            raise NoEntryValueError("the caller is not known")
        site = self._calls.returning_to(caller.pc)
        if site is None:
            raise NoEntryValueError("the caller does not describe the call")
        entry = self._part.entry_pc
        if self._target(site, caller) != entry:
            raise NoEntryValueError("the caller called another function")
        if self._calls.may_call_itself_by_tail_calls(entry):
            raise NoEntryValueError("the function may have called itself by a tail call")
        return site, caller

    def _target(self, site: CallSite, caller: FrameContext) -> int | None:
        if site.target is not None:
            return self._calls.target_of(site)
        if site.target_expression is None:
            return None
        try:
            return evaluate_number(site.target_expression, self.deeper(caller).in_unit(site.unit))
        except NoEntryValueError as error:
            # GDB reads the target as a variable, and reports what a variable without a value is.
            raise NotAvailableError("value has been optimized out") from error
