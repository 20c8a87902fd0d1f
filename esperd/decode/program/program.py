"""One ELF program with its debug information."""

from pathlib import Path
from typing import Self

from esperd.decode.program.model import CfiRow, FrameContext, Function, Machine, Member, SourceFrame, Symbol, Variable


class Program:
    """Signatures first; being filled in."""

    path: Path
    machine: Machine
    entry: int

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens an ELF; raises ProgramError."""
        raise NotImplementedError

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sha256(self) -> str:
        raise NotImplementedError

    def symbolize(self, pc: int) -> list[SourceFrame]:
        raise NotImplementedError

    def function_at(self, pc: int) -> Function | None:
        raise NotImplementedError

    def symbol_at(self, address: int) -> Symbol | None:
        raise NotImplementedError

    def symbol_named(self, name: str) -> Symbol | None:
        raise NotImplementedError

    def is_code(self, address: int) -> bool:
        raise NotImplementedError

    def read_constant(self, address: int, size: int) -> bytes | None:
        raise NotImplementedError

    def cfi_row(self, pc: int) -> CfiRow | None:
        """*pc* is the look-up address (pc - 1 for callers)."""
        raise NotImplementedError

    def unwind_with_cfi(self, frame: FrameContext) -> tuple[int | None, dict[int, int | None], int] | None:
        """Caller's pc (None: undefined, the outermost frame), caller's registers 0..31, the frame's CFA; None: no CFI."""
        raise NotImplementedError

    def arguments(self, frame: FrameContext, *, inlined_depth: int = 0) -> list[Variable]:
        """*inlined_depth* indexes symbolize()'s list: 0 is the innermost function at the frame's pc."""
        raise NotImplementedError

    def local_variables(self, frame: FrameContext, *, inlined_depth: int = 0) -> list[Variable]:
        raise NotImplementedError

    def structure(self, typedef_or_struct: str, *, in_unit_of: str | None = None) -> dict[str, Member] | None:
        raise NotImplementedError

    def call_target(self, return_pc: int) -> Function | None:
        """The function that the call before *return_pc* names, None when it is indirect or unknown."""
        raise NotImplementedError

    def tail_call_chain(self, caller_return_pc: int, callee: Function) -> list[int]:
        """Pcs (return addresses) of frames that tail calls removed between *callee* and its caller, innermost first."""
        raise NotImplementedError
