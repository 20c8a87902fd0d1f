"""What a decoder process is asked, and what it answers: one JSON document each, a line on its standard streams.

Whatever decodes, ours or another program, reads a ``DecodeRequest`` from standard input and writes a ``DecodeAnswer``
to standard output. Fields that one side does not know are ignored by it.
"""

from typing import Final

import msgspec

from esper_protocol.records import Machine
from esperd.decode.report import Report

AUTO: Final = "auto"
NATIVE: Final = "native"
ESP_COREDUMP: Final = "esp-coredump"
BACKENDS: Final = (AUTO, NATIVE, ESP_COREDUMP)

# Nothing that decodes is worth a stutter of what reads the ports. Source: nice(1), 19 is the lowest priority.
NICENESS: Final = 10


class KnownElf(msgspec.Struct, frozen=True, kw_only=True):
    """An ELF file that may be the one; ``name`` is what it was called when it was added."""

    path: str
    sha256: str
    machine: Machine
    name: str = ""


class DecodeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One decode.

    ``number`` is that of the dump where ``dump`` is a text with several, counted from 1; without it, it is the last.
    ``elf`` is the program to decode with. Without it, one of ``elfs`` and of those stored in the folders ``elf_stores``
    is chosen by the SHA-256 in the dump or else ``app_sha256``, which is what the log said; with ``needs_elf`` it is an
    error when none is the right one. ``rom`` is the chip's ROM as an ELF file; without it one is looked for among
    ``elfs`` and where `RomSearch` looks. ``work_dir`` is an empty folder for temporary files, which the caller removes.
    ``gdb`` names a GDB for each machine, where it is not to be looked for. With ``watch_stdin`` the process and its
    children are killed when standard input is closed.
    """

    dump: str
    number: int | None = None
    elf: str | None = None
    elfs: list[KnownElf] = []
    elf_stores: list[str] = []
    needs_elf: bool = False
    app_sha256: str | None = None
    rom: str | None = None
    force: bool = False
    locals: bool = False
    backend: str = AUTO
    work_dir: str | None = None
    gdb: dict[str, str] = {}
    memory_bytes: int = 1024**3
    cpu_s: int = 60
    watch_stdin: bool = False


class DecodeProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no report; ``app_sha256`` is that of the program that would be needed."""

    code: str
    message: str
    app_sha256: str | None = None


class DecodeAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Either ``report`` and the same as ``text``, or ``error``.

    ``number`` says which dump it is of the ``count`` that are in the file, and ``line`` where its START marker is.
    """

    report: Report | None = None
    text: str | None = None
    error: DecodeProblem | None = None
    number: int = 1
    count: int = 1
    line: int | None = None
