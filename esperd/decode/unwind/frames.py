"""A physical stack frame: where it stands, what its registers are, and how that was found out."""

from dataclasses import dataclass, field
from typing import Literal

from esperd.decode.memory import Memory
from esperd.decode.program import Program

How = Literal["registers", "window", "cfi", "prologue", "scan", "tailcall", "solicited", "inferred", "interrupt"]


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """The dump first, then the constants of ``programs``, the application's before others, then the ROM's."""

    memory: Memory
    programs: tuple[Program, ...]
    rom: Program | None = None

    def read(self, address: int, size: int) -> bytes | None:
        """Exactly *size* bytes, or None."""
        data = self.memory.read(address, size)
        if data is None:
            for program in self._all():
                data = program.read_constant(address, size)
                if data is not None:
                    break
        return data

    def word(self, address: int) -> int | None:
        """The little-endian word at *address*, or None."""
        data = self.read(address & 0xFFFFFFFF, 4)
        return None if data is None else int.from_bytes(data, "little")

    def program_at(self, pc: int) -> Program | None:
        """The program whose code is at *pc*; the application's comes before the ROM's."""
        return next((program for program in self._all() if program.is_code(pc)), None)

    def _all(self) -> tuple[Program, ...]:
        return self.programs if self.rom is None else (*self.programs, self.rom)


@dataclass(slots=True)
class Frame:
    """One frame; satisfies FrameContext of the program side.

    ``registers`` are by DWARF number; ``is_innermost`` also holds for the frame that an interrupt stopped, since its pc
    is where it will go on and not behind a call.
    """

    pc: int
    registers: dict[int, int | None]
    space: AddressSpace
    is_innermost: bool
    how: How
    cfa: int | None = None
    caller: "Frame | None" = None
    extra: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def lookup_pc(self) -> int:
        """The address that belongs to this frame: a return address may lie behind its function."""
        return self.pc if self.is_innermost else self.pc - 1

    def register(self, dwarf_number: int) -> int | None:
        """The register's value in this frame, None when it is not known."""
        return self.registers.get(dwarf_number)

    def read_memory(self, address: int, size: int) -> bytes | None:
        """Bytes at run time, None when one of them is not known."""
        return self.space.read(address & 0xFFFFFFFF, size)
