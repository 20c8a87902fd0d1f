"""Every setting of the daemon: its name, its default with the reason, and what is allowed.

The fields of ``Limits`` are the keys of the ``[limits]`` table and, with dashes, flags of the command line. The text
below each field is what ``docs/configuration.md`` and the default file say of it.
"""

from typing import Annotated, Literal

import msgspec

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

ABSOLUTE = "^[/~]"
"""What a path of the file begins with: who starts the daemon in another folder is to get the same one."""
Path = Annotated[str, msgspec.Meta(pattern=ABSOLUTE)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
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
    """Deadline of the decode of a core dump or a panic; most take less than a second, those of a GDB some seconds."""

    decode_memory_bytes: Annotated[int, msgspec.Meta(ge=64 * MIB)] = 1 * GIB
    """Memory of a process that decodes; most need 40 MiB."""

    decode_coredumps: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Core dumps that are decoded at one time."""

    decode_backtraces: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Panics and backtraces of the log that are decoded at one time, each by a process that stays for a minute."""

    elf_store_bytes: Annotated[int, msgspec.Meta(ge=1 * MIB)] = 2 * GIB
    """ELF files kept; the ones that were not used for longest go first."""

    free_disk_percent: Annotated[float, msgspec.Meta(ge=0, le=90)] = 5.0
    """Below this much free disk nothing more is journaled, and no ELF file is stored."""

    journal_bytes: Annotated[int, msgspec.Meta(ge=2 * MIB)] = 1 * GIB
    """Journal kept for each board; at 115200 baud a day is about 1 GiB."""

    journal_segment_bytes: Annotated[int, msgspec.Meta(ge=1 * MIB, le=64 * MIB)] = 16 * MIB
    """Size of one journal file, at most a quarter of ``journal_bytes``; files are removed and searched as a whole."""

    tail_bytes: Annotated[int, msgspec.Meta(ge=64 * KIB, le=1 * GIB)] = 4 * MIB
    """The newest part of the journal that is held in memory for each board."""

    line_bytes: Annotated[int, msgspec.Meta(ge=256, le=256 * KIB)] = 64 * KIB
    """A longer line is split."""

    clients: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    """Clients at one time. One place of 32, at least one of two, is kept for root, the daemon's own user and those whom
    ``access.administer`` names."""

    hooks_at_once: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Commands of ``on_crash`` that run at one time; the others wait."""

    hooks_per_hour: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 20
    """Crashes of one board that are told in any hour; a board in a boot loop has one each second. The others are
    counted, and the next that is told says how many."""

    hook_wait_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 300.0
    """How long after a crash its commands may wait for the core dump and for what it is decoded to."""


class BoardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[boards.NAME]``: what differs for one board.

    With a ``port``, ``esperd NAME`` needs no endpoint, and ``esperd`` alone runs all such boards.
    """

    port: Text | None = None
    """What follows NAME= on the command line: a device, a URL, ``sim:SCENARIO`` or ``replay:FILE``."""

    baud: Baud | None = None
    """Of this board."""

    answer_coredump_prompt: bool | None = None
    """Of this board."""


class DecodeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[decode]``."""

    gdb_xtensa: Text | None = None
    """The GDB that Espressif's tool uses for these chips; else the ones on the PATH."""

    gdb_riscv: Text | None = None
    """The same for the others."""

    command: list[str] = []
    """A decoder in place of our own: a program and its arguments, which speaks ``esperd.decode.request``."""


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[access]``: who may do what, of those who may open the socket.

    Each is a list of users and, with ``@`` before them, groups. Whoever may administer may write, and whoever may write
    may view; root and the daemon's own user may do everything.
    """

    view: list[str] | None = None
    """See boards, journals and core dumps. Unless it is given: whoever may open the socket."""

    write: list[str] | None = None
    """Type, reset, write notes, end a capture, decode, add ELF files. Unless it is given: whoever may view."""

    administer: list[str] | None = None
    """Delete core dumps and ELF files. Unless it is given: whoever may write."""


class HookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table ``[[on_crash]]``, of which there may be many: a command that is run once for each crash.

    It gets the crash as JSON on its standard input (see "Commands for a crash"), and nothing of it in its arguments.
    """

    command: Annotated[list[str], msgspec.Meta(min_length=1)]
    """The program, by its absolute path, and its arguments. No shell is involved."""

    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 30.0
    """When the program and all that it started are killed."""

    boards: list[str] = []
    """The boards whose crashes it is run for; none is all."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file's top level."""

    baud: Baud = 115_200
    """Of all ports that do not say otherwise."""

    state_dir: Path | None = None
    """Journals, core dumps and ELF files. Unless it is given: what the service manager made (``/var/lib/esperd``), else
    ``$XDG_STATE_HOME/esperd``."""

    runtime_dir: Path | None = None
    """Where the socket is made. Unless it is given: what the service manager made (``/run/esperd``), else
    ``$XDG_RUNTIME_DIR/esperd``."""

    socket: Path | None = None
    """The socket itself. Unless it is given: the name of the first board and ``.sock`` in ``runtime_dir``, or
    ``esperd.sock`` when the boards are those of this file."""

    socket_group: Text | None = None
    """Group whose members may connect, and read what is stored; without it only the daemon's user may. That user must
    be a member of it."""

    socket_mode: Literal["0600", "0660", "0666"] | None = None
    """Who may connect: the daemon's user, its group, or everybody. Unless it is given: 0660 with a ``socket_group``,
    else 0600. With 0666, say in ``[access]`` who may do what."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What the daemon's own log holds."""

    answer_coredump_prompt: bool = True
    """Whether "Press Enter to print core dump to UART..." is answered."""

    elf: list[Path] = []
    """ELF files, and folders that are looked into for new ones. The service sees no home directories."""

    limits: Limits = Limits()
    decode: DecodeSettings = DecodeSettings()
    access: AccessSettings = AccessSettings()
    boards: dict[str, BoardSettings] = {}
    on_crash: list[HookSettings] = []
