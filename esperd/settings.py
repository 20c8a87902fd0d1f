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

    free_disk_percent: Annotated[float, msgspec.Meta(ge=0, le=90)] = 5.0
    """Below this much free disk nothing more is journaled."""

    journal_bytes: Annotated[int, msgspec.Meta(ge=2 * MIB)] = 1 * GIB
    """Journal kept for each board; at 115200 baud a day is about 1 GiB."""

    journal_segment_bytes: Annotated[int, msgspec.Meta(ge=1 * MIB, le=1 * GIB)] = 16 * MIB
    """Size of one journal file; retention removes whole files."""

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

    limits: Limits = Limits()
    boards: dict[str, BoardSettings] = {}
