"""The report of a core dump: plain values, the fields of the contract. Addresses are integers."""

from dataclasses import dataclass, field
from typing import Literal

ElfMatch = Literal["sha256", "forced", "mismatch", "unknown"]


@dataclass(frozen=True, slots=True)
class ArgumentReport:
    """A variable as GDB prints it: ``name=value``."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class FrameReport:
    """One function of a stack; ``how`` says what found the frame: ``scan`` and ``inferred`` are guesses.

    ``shows_address`` is false where a statement begins exactly at the pc, and for inlined functions, as in GDB.
    """

    level: int
    pc: int
    function: str | None
    file: str | None
    line: int | None
    inlined: bool
    args: list[ArgumentReport]
    locals: list[ArgumentReport]
    how: str
    shows_address: bool


@dataclass(frozen=True, slots=True)
class TaskReport:
    """One task; sizes in bytes, null where the control block was not readable."""

    tcb: int
    name: str | None
    priority: int | None
    base_priority: int | None
    crashed: bool
    stack_start: int | None
    stack_end: int | None
    stack_used: int | None
    stack_free: int | None
    registers: dict[str, int]
    frames: list[FrameReport]
    unwind_stop: str


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """A part of the address space, of the program or of the dump: those of the dump come last.

    ``flags`` are letters of ``RWXA``: read, write, execute, and of sections allocate. ``name`` is that of the section;
    parts of the dump that are in no section, and those of tasks, are ``.coredump.tasks.data``.
    """

    address: int
    size: int
    flags: str
    name: str


@dataclass(frozen=True, slots=True)
class DecoderReport:
    """Who made the report; ``rom`` is the path of the ROM's ELF file that gave names, null without one."""

    backend: str
    version: str
    seconds: float
    rom: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is known. ``warnings`` begin with a code and a colon."""

    chip: str | None
    format: str
    checksum: str
    app_sha256: str | None
    elf_path: str | None
    elf_match: ElfMatch
    reason: str | None
    crashed_task: str | None
    in_isr: bool
    registers: dict[str, int]
    tasks: list[TaskReport]
    frames: list[FrameReport]
    memory: list[MemoryReport]
    warnings: list[str] = field(default_factory=list[str])
    decoder: DecoderReport | None = None
