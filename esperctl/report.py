"""A decode report as values: the JSON of the contract, read leniently. Pure.

An older or newer daemon, or another backend, may have written it: what is missing is None, what is unknown is skipped.
"""

from typing import Final

import msgspec

# Frames that may be wrong (docs/architecture.md, "Guesses are marked").
_GUESSED: Final = ("scan", "inferred")


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """An argument that a function was called with."""

    name: str = "?"
    value: str = "?"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a stack, or what an address is; ``how`` it was found."""

    level: int | None = None
    pc: int | None = None
    function: str | None = None
    file: str | None = None
    line: int | None = None
    inlined: bool | None = None
    how: str | None = None
    args: list[Argument] = []

    def text(self, index: int) -> str:
        """The frame on one line, e.g. ``#0  0x400d3171 in app_main at main.c:12``; *index* where it has no level."""
        level = self.level if self.level is not None else index
        address = f"0x{self.pc:08x} in " if self.pc is not None else ""
        guessed = "  (guessed)" if self.how in _GUESSED else ""
        return f"#{level:<2} {address}{self.call}{' (inlined)' if self.inlined else ''}{guessed}"

    @property
    def call(self) -> str:
        """Function, arguments and line, e.g. ``set (field=3) at /src/main.c:12``."""
        arguments = ", ".join(f"{argument.name}={argument.value}" for argument in self.args)
        call = f"{self.function or '??'} ({arguments})" if arguments else self.function or "??"
        return f"{call}{self._at(self.file)}"

    @property
    def place(self) -> str:
        """Where it is in short, e.g. ``app_main at main.c:12``."""
        return f"{self.function or '??'}{self._at((self.file or '').rsplit('/', 1)[-1])}"

    def _at(self, file: str | None) -> str:
        line = f":{self.line}" if self.line is not None else ""
        return f" at {file}{line}" if file else ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task; sizes in bytes."""

    tcb: int | None = None
    name: str | None = None
    priority: int | None = None
    crashed: bool | None = None
    stack_used: int | None = None
    stack_free: int | None = None
    registers: dict[str, int] = {}
    frames: list[Frame] = []
    unwind_stop: str | None = None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the address space."""

    address: int = 0
    size: int = 0
    flags: str = ""
    name: str = ""


class Decoder(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the report."""

    backend: str | None = None
    version: str | None = None
    seconds: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a report; ``places`` are the functions of addresses that a panic's reason mentions."""

    chip: str | None = None
    format: str | None = None
    checksum: str | None = None
    app_sha256: str | None = None
    elf_path: str | None = None
    elf_match: str | None = None
    reason: str | None = None
    crashed_task: str | None = None
    in_isr: bool | None = None
    registers: dict[str, int] = {}
    tasks: list[Task] = []
    frames: list[Frame] = []
    places: list[Frame] = []
    memory: list[Memory] = []
    warnings: list[str] = []
    unwind_stop: str | None = None
    decoder: Decoder | None = None

    @property
    def crashed(self) -> Task | None:
        """The task that crashed."""
        return next((task for task in self.tasks if task.crashed), None)

    @property
    def task_name(self) -> str | None:
        """The name of the task that crashed."""
        crashed = self.crashed
        return (crashed.name if crashed is not None else None) or self.crashed_task

    @property
    def crash_frames(self) -> list[Frame]:
        """The frames of what crashed, innermost first."""
        crashed = self.crashed
        return (crashed.frames if crashed is not None else []) or self.frames


def parse_report(text: str) -> Report | None:
    """The report, or None where it is not the JSON of one."""
    try:
        return msgspec.json.decode(text, type=Report)
    except msgspec.DecodeError:
        return None
