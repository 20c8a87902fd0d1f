"""Arguments and local variables of a frame, each with its value or with why it has none.

Source of the texts: GDB's `backtrace` and `backtrace full` with its default settings (`print entry-values default`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from esperd.decode.program import constants as dw
from esperd.decode.program.call_sites import CallSiteIndex
from esperd.decode.program.code_index import DAMAGE, CodeIndex
from esperd.decode.program.contents import Contents, gather
from esperd.decode.program.dies import Die
from esperd.decode.program.errors import DamagedProgramError, NoEntryValueError
from esperd.decode.program.frame_evaluation import FrameEvaluation
from esperd.decode.program.functions import Scope
from esperd.decode.program.limits import MAX_SCOPE_DEPTH, MAX_TYPE_PARTS, MAX_VALUE_BYTES
from esperd.decode.program.locations import location_at
from esperd.decode.program.model import FrameContext, Variable
from esperd.decode.program.type_names import type_name
from esperd.decode.program.types import is_scalar, size_of
from esperd.decode.program.values import OPTIMIZED_OUT, ValuePrinter

_BLOCKS = frozenset((dw.TAG_LEXICAL_BLOCK, dw.TAG_TRY_BLOCK, dw.TAG_CATCH_BLOCK))


@dataclass(frozen=True, slots=True)
class _Reading:
    """A value that was read, or the text that stands for it: ``is_error`` when GDB reports an error there."""

    contents: Contents | None
    text: str = OPTIMIZED_OUT
    is_error: bool = False


class VariableReader:
    """Reads the variables of frames."""

    def __init__(
        self, code: CodeIndex, calls: CallSiteIndex, compute_cfa: Callable[[FrameContext], int | None]
    ) -> None:
        self._code = code
        self._calls = calls
        self._compute_cfa = compute_cfa

    def arguments(self, frame: FrameContext, inlined_depth: int) -> list[Variable]:
        """The parameters of the function *inlined_depth* calls outside the innermost one at the frame's pc."""
        scope, evaluation = self._scope(frame, inlined_depth)
        if scope is None:
            return []
        variables: list[Variable] = []
        for die in _own_and_inherited(scope.die, frozenset((dw.TAG_FORMAL_PARAMETER,))):
            variables += self._argument(die, evaluation)
        return variables

    def local_variables(self, frame: FrameContext, inlined_depth: int) -> list[Variable]:
        """The variables of the blocks that the frame is in, innermost block first."""
        scope, evaluation = self._scope(frame, inlined_depth)
        if scope is None:
            return []
        tags = frozenset((dw.TAG_VARIABLE,))
        dies = [die for block in reversed(scope.blocks) for die in _own_and_inherited(block, tags)]
        dies += _own_and_inherited(scope.die, tags)
        return [self._local(die, evaluation) for die in dies[:MAX_TYPE_PARTS] if not die.flag(dw.AT_DECLARATION)]

    def _scope(self, frame: FrameContext, inlined_depth: int) -> tuple[Scope | None, FrameEvaluation]:
        evaluation = FrameEvaluation(self._code, self._calls, frame, self._compute_cfa)
        scopes = self._code.scopes_at(evaluation.pc)
        is_known = 0 <= inlined_depth < len(scopes)
        return scopes[-1 - inlined_depth] if is_known else None, evaluation

    def _argument(self, die: Die, evaluation: FrameEvaluation) -> list[Variable]:
        name, type_die, type_text = _described(die)
        value = self._read(die, type_die, evaluation.in_unit(die.unit))
        entry = self._read_at_entry(die, type_die, evaluation.in_unit(die.unit))
        text = self._shown(type_die, value, evaluation, as_argument=True)
        if entry is None:
            return [Variable(name, type_text, text)]
        if value.contents is not None and entry.contents is not None and _are_equal(value.contents, entry.contents):
            return [Variable(name, type_text, f"{name}@entry={text}")]
        # The same error twice would say nothing.
        if entry.contents is None and entry.text == value.text:
            return [Variable(name, type_text, text)]
        entry_text = self._shown(type_die, entry, evaluation, as_argument=True)
        return [Variable(name, type_text, text), Variable(f"{name}@entry", type_text, entry_text)]

    def _local(self, die: Die, evaluation: FrameEvaluation) -> Variable:
        name, type_die, type_text = _described(die)
        value = self._read(die, type_die, evaluation.in_unit(die.unit))
        if value.is_error:
            return Variable(name, type_text, f"<error reading variable {name} ({value.text})>")
        return Variable(name, type_text, self._shown(type_die, value, evaluation, as_argument=False))

    def _read(self, die: Die, type_die: Die | None, evaluation: FrameEvaluation) -> _Reading:
        try:
            size = size_of(type_die)
            constant = die.inherited(dw.AT_CONST_VALUE)
            source = die.inherited(dw.AT_LOCATION)
            if source is None:
                return _Reading(None if constant is None else _constant(constant, size))
            expression = location_at(source, dw.AT_LOCATION, evaluation.pc)
            if not expression:
                return _Reading(None)
            return _Reading(gather(evaluation.evaluate(expression), size, _Source(evaluation)))
        except NoEntryValueError:
            return _Reading(None)
        except DAMAGE as error:
            return _Reading(None, str(error), is_error=True)

    def _read_at_entry(self, die: Die, type_die: Die | None, evaluation: FrameEvaluation) -> _Reading | None:
        """What the caller passed; None where nobody knows."""
        source = die.inherited(dw.AT_LOCATION)
        try:
            entry_pc = evaluation.entry_pc
            if source is None or not entry_pc or not evaluation.frame.caller:
                return None
            expression = location_at(source, dw.AT_LOCATION, entry_pc)
            if not expression:
                return None
            number = evaluation.value_at_entry(expression)
            size = size_of(type_die)
            return _Reading(Contents(number.to_bytes(4, "little")).part(0, size))
        except NoEntryValueError:
            return None
        except DAMAGE as error:
            return _Reading(None, str(error), is_error=True)

    def _shown(self, type_die: Die | None, value: _Reading, evaluation: FrameEvaluation, *, as_argument: bool) -> str:
        if value.contents is None:
            if value.is_error:
                return f"<error reading variable: {value.text}>"
            return value.text if is_scalar(type_die) or not as_argument else "..."
        printer = ValuePrinter(_Environment(self._code, evaluation))
        try:
            if as_argument:
                return printer.argument(type_die, value.contents)
            return printer.value(type_die, value.contents)
        except DAMAGE as error:
            return f"<error reading variable: {error}>"


class _Source:
    """Registers and memory of a frame, for gathering values."""

    def __init__(self, evaluation: FrameEvaluation) -> None:
        self._evaluation = evaluation

    def read_memory(self, address: int, size: int) -> bytes:
        return self._evaluation.read_memory(address, size)

    def saved_register(self, number: int) -> int | None:
        return self._evaluation.frame.register(number)


class _Environment:
    """Memory and symbols, for printing values."""

    def __init__(self, code: CodeIndex, evaluation: FrameEvaluation) -> None:
        self._code = code
        self._evaluation = evaluation

    def read_memory(self, address: int, size: int) -> bytes:
        return self._evaluation.read_memory(address, size)

    def symbol_text(self, address: int) -> str | None:
        found = self._code.nearest_name(address)
        if found is None:
            return None
        name, offset = found
        return f"<{name}+{offset}>" if offset else f"<{name}>"


def _described(die: Die) -> tuple[str, Die | None, str]:
    """The name of a variable, its type and the type's name."""
    typed = die.inherited(dw.AT_TYPE)
    type_die = None if typed is None else typed.reference(dw.AT_TYPE)
    return die.name() or "<unnamed>", type_die, type_name(type_die)


def _own_and_inherited(scope: Die, tags: frozenset[int]) -> Iterator[Die]:
    """The scope's variables, then those of what it is an instance of that the instance does not mention."""
    mentioned: set[int] = set()
    for die in scope.origins():
        for child in _variables(die, tags, 0):
            # Unnamed parameters cannot be used, and GDB does not list them.
            if child.offset not in mentioned and child.name():
                yield child
            mentioned.update(origin.offset for origin in child.origins())
        if die.tag not in (dw.TAG_SUBPROGRAM, dw.TAG_INLINED_SUBROUTINE) and die.tag not in _BLOCKS:
            return


def _variables(scope: Die, tags: frozenset[int], depth: int) -> Iterator[Die]:
    for child in scope.children():
        if child.tag in tags:
            yield child
        elif (
            child.tag in _BLOCKS
            and dw.TAG_VARIABLE in tags
            and depth < MAX_SCOPE_DEPTH
            and not child.has(dw.AT_LOW_PC)
            and not child.has(dw.AT_RANGES)
        ):
            yield from _variables(child, tags, depth + 1)


def _constant(die: Die, size: int) -> Contents:
    value = die.attributes[dw.AT_CONST_VALUE][1]
    if size > MAX_VALUE_BYTES:
        raise DamagedProgramError(f"value requires {size} bytes, which is more than max-value-size")
    if isinstance(value, int):
        return Contents((value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))
    data = value if isinstance(value, bytes) else value.encode() + b"\0"
    return Contents(data[:size].ljust(size, b"\0"))


def _are_equal(one: Contents, other: Contents) -> bool:
    return not one.missing and not other.missing and one.data == other.data
