"""Every setting of the daemon: its name, its default with the reason, and what is allowed.

The fields of ``Limits`` are the keys of the ``[limits]`` table and, with dashes, flags of the command line.
"""

from typing import Annotated, Literal

import msgspec

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

Baud = Annotated[int, msgspec.Meta(ge=50, le=20_000_000)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What bounds memory, disk and waiting. Sizes are bytes, or text such as "4 MiB"."""

    coredump_text_bytes: Annotated[int, msgspec.Meta(ge=1 * KIB, le=64 * MIB)] = 4 * MIB
    """Base64 text of one core dump; twice what the largest dumps of internal RAM have."""

    coredump_lines: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000
    """Lines of one core dump."""

    coredump_idle_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 10.0
    """Silence that ends a capture; a stalled chip's own watchdog acts within this time."""

    coredumps_kept: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 50
    """Core dumps kept for each board."""

    coredumps_bytes: Annotated[int, msgspec.Meta(ge=1 * MIB)] = 1 * GIB
    """Size of the core dumps kept for each board."""

    decode_timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 60.0
    """Deadline of the decode of a core dump; most take less than a second, those of a GDB some seconds."""

    decode_memory_bytes: Annotated[int, msgspec.Meta(ge=64 * MIB)] = 1 * GIB
    """Memory of a process that decodes; most need 40 MiB."""

    decode_coredumps: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Core dumps that are decoded at one time."""

    elf_store_bytes: Annotated[int, msgspec.Meta(ge=1 * MIB)] = 2 * GIB
    """ELF files kept; the ones that were not used for longest go first."""

    free_disk_percent: Annotated[float, msgspec.Meta(ge=0, le=90)] = 5.0
    """Below this much free disk nothing more is journaled."""

    journal_bytes: Annotated[int, msgspec.Meta(ge=2 * MIB)] = 1 * GIB
    """Journal kept for each board; at 115200 baud a day is about 1 GiB."""

    journal_segment_bytes: Annotated[int, msgspec.Meta(ge=1 * MIB, le=64 * MIB)] = 16 * MIB
    """Size of one journal file, at most a quarter of ``journal_bytes``; files are removed and searched as a whole."""

    tail_bytes: Annotated[int, msgspec.Meta(ge=64 * KIB, le=1 * GIB)] = 4 * MIB
    """The newest part of the journal that is held in memory for each board."""

    line_bytes: Annotated[int, msgspec.Meta(ge=256, le=256 * KIB)] = 64 * KIB
    """A longer line is split."""

    clients: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    """Clients at one time."""


class BoardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[boards.NAME]``: what differs for one board. ``port`` makes NAME usable without an endpoint."""

    port: str | None = None
    baud: Baud | None = None
    answer_coredump_prompt: bool | None = None


class DecodeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[decode]``."""

    gdb_xtensa: str | None = None
    """The GDB that Espressif's tool uses; else the ones on the PATH."""

    gdb_riscv: str | None = None
    command: list[str] = []
    """A decoder in place of our own: a program and its arguments, which speaks ``esperd.decode.request``."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file's top level."""

    baud: Baud = 115_200
    state_dir: str | None = None
    runtime_dir: str | None = None
    socket: str | None = None
    socket_group: str | None = None
    """Group whose members may connect; without it only the daemon's user may."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    answer_coredump_prompt: bool = True
    """Whether "Press Enter to print core dump to UART..." is answered."""

    elf: list[str] = []
    """ELF files, and folders that are looked into for new ones."""

    limits: Limits = Limits()
    decode: DecodeSettings = DecodeSettings()
    boards: dict[str, BoardSettings] = {}
