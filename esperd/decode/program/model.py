"""The values that a program answers with, and what it must be told about a stack frame."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

Machine = Literal["xtensa", "riscv"]


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """One function at a program counter; the innermost one has the line row's place, outer ones that of their call.

    ``row_is_exact`` tells whether a statement starts exactly at the program counter; GDB prints the address of
    frame 0 where it is false.
    """

    function: str
    file: str | None
    line: int | None
    is_inlined: bool
    row_is_exact: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function with code; ``high_pc`` is the first address after the part that holds the address asked for.

    ``low_pc`` is where that part starts, ``entry_pc`` where the function does: they differ in the cold part of a
    function that the compiler split.
    """

    name: str
    low_pc: int
    high_pc: int
    is_external: bool
    entry_pc: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """An entry of the symbol table; ``size`` is 0 for labels of assembly code."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a structure: bytes from its start, and bytes long."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as GDB prints it: ``f"{name}={value}"`` in arguments, ``f"{name} = {value}"`` in locals.

    An entry value that equals the present one is part of ``value`` (``x@entry=1``); one that differs is a variable
    of its own (``name`` is ``x@entry``).
    """

    name: str
    type: str
    value: str


RuleKind = Literal["undefined", "same_value", "offset", "value_offset", "register", "expression", "value_expression"]


@dataclass(frozen=True, slots=True)
class RegisterRule:
    """Where the caller's register is (DWARF 5, 6.4.1).

    ``operand`` is the distance from the CFA in bytes (offset, value_offset) or a register number (register);
    ``expression`` a DWARF expression (expression: its address; value_expression: its value).
    """

    kind: RuleKind
    operand: int = 0
    expression: bytes = b""


@dataclass(frozen=True, slots=True)
class CfaRule:
    """How the canonical frame address is computed: register + offset bytes, or an expression unless it is None."""

    register: int
    offset: int
    expression: bytes | None = None


@dataclass(frozen=True, slots=True)
class CfiRow:
    """The unwinding rules that hold at a program counter; registers without a rule keep their value."""

    cfa: CfaRule
    registers: dict[int, RegisterRule] = field(default_factory=dict[int, RegisterRule])
    return_register: int = 0
    low_pc: int = 0
    high_pc: int = 0
    is_signal_frame: bool = False


class FrameContext(Protocol):
    """A physical stack frame (inlined functions have none of their own)."""

    @property
    def pc(self) -> int:
        """Where the frame stands: a return address unless it is the innermost one."""
        ...

    @property
    def is_innermost(self) -> bool:
        """Whether look-ups use ``pc`` itself; they use ``pc - 1`` otherwise."""
        ...

    @property
    def cfa(self) -> int | None:
        """The canonical frame address, where the unwinder knows it."""
        ...

    @property
    def caller(self) -> "FrameContext | None":
        """The frame that called this one."""
        ...

    def register(self, dwarf_number: int) -> int | None:
        """The register's value in this frame, None when it was not saved."""
        ...

    def read_memory(self, address: int, size: int) -> bytes | None:
        """Exactly *size* bytes at run time, None when one of them is not known."""
        ...
