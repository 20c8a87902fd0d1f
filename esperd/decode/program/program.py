"""One ELF program with its debug information: the package's public face, where damage becomes "unknown"."""

from pathlib import Path
from types import TracebackType
from typing import Self

from esperd.decode.program.call_sites import CallSiteIndex
from esperd.decode.program.code_index import DAMAGE, CodeIndex
from esperd.decode.program.elf import ElfFile, Section
from esperd.decode.program.model import FrameContext, Function, Machine, Member, SourceFrame, Symbol, Variable
from esperd.decode.program.structures import find_structure
from esperd.decode.program.unwinding import CfiUnwinder, UnwoundFrame
from esperd.decode.program.variables import VariableReader


class Program:
    """Answers questions about one program; reads each part of the file at the first question that needs it.

    It changes only its caches, and is meant for one thread. Look-ups never raise for damaged debug information, they
    answer "unknown"; only a file that changes while it is open raises ProgramError. Addresses are those on the chip.

    Ownership: whoever opens it closes it; answers that need the file afterwards raise ProgramError.
    """

    def __init__(self, elf: ElfFile) -> None:
        self.path: Path = elf.path
        self.machine: Machine = elf.machine
        self.entry: int = elf.entry
        self._elf = elf
        self._code = CodeIndex(elf)
        self._calls = CallSiteIndex(self._code)
        self._unwinder = CfiUnwinder(elf)
        self._variables = VariableReader(self._code, self._calls, self._unwinder.cfa_of)
        self._sha256: str | None = None

    @classmethod
    def open(cls, path: Path, *, is_rom: bool = False) -> Self:
        """Opens *path*.

        Args:
            path: The file.
            is_rom: It is a chip's ROM: its unwinding tables are used, but take no part in the address space.

        Raises:
            ProgramError: It cannot be read, is truncated, or is no linked ELF32 for Xtensa or RISC-V.
        """
        return cls(ElfFile.open(path, is_rom=is_rom))

    def close(self) -> None:
        """Closes the file."""
        self._elf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def sections(self) -> list[Section]:
        """The sections in the order of the file."""
        return self._elf.sections

    @property
    def is_exhausted(self) -> bool:
        """Whether questions stayed unanswered because the debug information takes too long to follow."""
        return self._elf.work.is_exhausted

    def renew(self) -> None:
        """Allows as much work again as a program that was just opened has; for those that stay open between decodes."""
        self._elf.work.renew()

    def sha256(self) -> str:
        """The digest of the file in lower-case hexadecimal, as ESP-IDF stores it in images and core dumps."""
        if self._sha256 is None:
            self._sha256 = self._elf.sha256()
        return self._sha256

    def symbolize(self, pc: int) -> list[SourceFrame]:
        """The functions at *pc*, innermost first; empty when nothing is known.

        Of a return address, ask for ``pc - 1``: the address itself may belong to the next line or function.
        """
        try:
            return self._code.symbolize(pc)
        except DAMAGE:
            return []

    def function_at(self, pc: int) -> Function | None:
        """The function (not an inlined one) whose code holds *pc*; None without debug information."""
        try:
            return self._code.function_at(pc)
        except DAMAGE:
            return None

    def symbol_at(self, address: int) -> Symbol | None:
        """The symbol that *address* belongs to: the nearest before it, unless *address* is beyond that one's size."""
        try:
            return self._code.symbols.at(address)
        except DAMAGE:
            return None

    def symbol_named(self, name: str) -> Symbol | None:
        """The symbol of that (linkage) name, global ones before local ones."""
        try:
            return self._code.symbols.named(name)
        except DAMAGE:
            return None

    def is_code(self, address: int) -> bool:
        """Whether *address* is in a section of instructions."""
        section = self._elf.section_at(address)
        return section is not None and section.is_code

    def read_constant(self, address: int, size: int) -> bytes | None:
        """*size* bytes that the chip cannot change (code, constants in flash); None for all other memory."""
        try:
            return self._elf.read_constant(address, size)
        except DAMAGE:
            return None

    def unwind_with_cfi(self, frame: FrameContext) -> UnwoundFrame | None:
        """One step up the stack.

        Returns:
            The caller's pc (None where the rules call it undefined: *frame* is the outermost one; otherwise the
            register that holds it, unchanged when the function did not save it), the caller's registers by their
            DWARF numbers (0 to 31 and those with rules; None where not known), and the frame's CFA. None when the
            program has no rules for the frame (Xtensa has none for register windows), or the CFA cannot be computed.
        """
        try:
            return self._unwinder.unwind(frame)
        except DAMAGE:
            return None

    def arguments(self, frame: FrameContext, *, inlined_depth: int = 0) -> list[Variable]:
        """The parameters of a function at *frame*.

        Args:
            frame: The physical frame.
            inlined_depth: Which of the functions there, as an index of what `symbolize` answers: 0 is the innermost.
        """
        try:
            return self._variables.arguments(frame, inlined_depth)
        except DAMAGE:
            return []

    def local_variables(self, frame: FrameContext, *, inlined_depth: int = 0) -> list[Variable]:
        """The variables of the blocks around *frame*'s pc, innermost block first; see `arguments`."""
        try:
            return self._variables.local_variables(frame, inlined_depth)
        except DAMAGE:
            return []

    def structure(self, typedef_or_struct: str, *, in_unit_of: str | None = None) -> dict[str, Member] | None:
        """The members of a structure by their names, those of unnamed members among them.

        Args:
            typedef_or_struct: For instance ``"TCB_t"``.
            in_unit_of: Look only in the unit that has the code of this function, for names that several units define
                differently; all units otherwise (slow).
        """
        try:
            return find_structure(self._code, typedef_or_struct, in_unit_of)
        except DAMAGE:
            return None

    def call_target(self, return_pc: int) -> Function | None:
        """The function that the call before *return_pc* names; None for calls through pointers and unknown ones."""
        try:
            site = self._calls.returning_to(return_pc)
            target = None if site is None else self._calls.out_of_line(site)
            return None if target is None else self._code.function_at(target)
        except DAMAGE:
            return None

    def tail_call_chain(self, caller_return_pc: int, callee: Function) -> list[int]:
        """The frames that tail calls removed between *callee* and the frame that returns to *caller_return_pc*.

        Returns:
            The return addresses of the tail calls, innermost first: each is the pc of a frame that GDB would insert.
            Empty when the caller called *callee* itself, or when no chain or more than one explains the frames.
        """
        try:
            return self._calls.tail_call_chain(caller_return_pc, callee.entry_pc)
        except DAMAGE:
            return []
