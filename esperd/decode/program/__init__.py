"""What an ELF program with DWARF says, read without tools: symbols, lines, functions, unwinding rules, variables."""

from esperd.decode.program.errors import ProgramError
from esperd.decode.program.model import (
    CfaRule,
    CfiRow,
    FrameContext,
    Function,
    Machine,
    Member,
    RegisterRule,
    SourceFrame,
    Symbol,
    Variable,
)
from esperd.decode.program.program import Program

__all__ = [
    "CfaRule",
    "CfiRow",
    "FrameContext",
    "Function",
    "Machine",
    "Member",
    "Program",
    "ProgramError",
    "RegisterRule",
    "SourceFrame",
    "Symbol",
    "Variable",
]
