"""Records: what is known about a board or a core dump at one moment. Maps on the wire and in JSON files.

The field names are the contract of ``esperctl … --json``. Times are RFC 3339 text in UTC, or null.
"""

from typing import Literal

import msgspec

from esper_protocol.events import CaptureEndReason, CaptureState, ChecksumVerdict, PanicCause, Telemetry

BoardState = Literal["connected", "absent", "released"]
Machine = Literal["xtensa", "riscv"]
DecodeState = Literal[
    "none",
    "queued",
    "running",
    "done",
    "failed",
    "timed_out",
    "cancelled",
    "no_elf",
    "ambiguous_elf",
]


class DecodeRecord(msgspec.Struct, kw_only=True):
    """The state of a core dump's decode job."""

    state: DecodeState = "none"
    backend: str | None = None
    elf_path: str | None = None
    elf_match: Literal["sha256", "forced", "mismatch", "unknown"] | None = None
    error: str | None = None
    report_path: str | None = None
    started_at: str | None = None
    ended_at: str | None = None


class CoredumpRecord(msgspec.Struct, kw_only=True):
    """One stored core dump; also the content of its ``record.json``.

    ``raw_bytes`` and ``raw_lines`` count the accepted base64 text, line ends included. ``expected_bytes`` is
    the decoded size that the dump's own header announces. ``checksum`` is null while capturing.
    """

    id: str
    board: str
    generation: int
    boot: int
    started_at: str
    ended_at: str | None = None
    capture: CaptureState = "capturing"
    end_reason: CaptureEndReason | None = None
    raw_bytes: int = 0
    raw_lines: int = 0
    rejected_lines: int = 0
    decoded_bytes: int = 0
    expected_bytes: int | None = None
    checksum: ChecksumVerdict | None = None
    chip: str | None = None
    format: str | None = None
    app_sha256: str | None = None
    reason: str | None = None
    task: str | None = None
    raw_path: str
    core_path: str
    pinned: bool = False
    first_seq: int
    last_seq: int
    note: str | None = None
    decode: DecodeRecord = msgspec.field(default_factory=DecodeRecord)


class CrashSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The last fatal panic of a board."""

    at: str
    cause: PanicCause
    reason: str
    boot: int
    seq: int
    coredump: str | None = None


class BoardRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One board as ``boards`` and ``status`` show it.

    ``next_seq`` is the position the next event will get; ``first_seq`` the oldest that is kept.
    ``capture`` is the id of the core dump that is arriving. ``telemetry`` is the latest minute's. ``disk`` is what is
    wrong with the disk, in words.
    """

    board: str
    port: str
    state: BoardState
    state_detail: str | None
    generation: int
    boot: int
    baud: int
    chip: str | None
    project: str | None
    app_version: str | None
    app_sha256: str | None
    viewers: int
    writer: str | None
    capture: str | None
    last_crash: CrashSummary | None
    coredumps: int
    first_seq: int
    next_seq: int
    journal_bytes: int
    journal_path: str
    telemetry: Telemetry | None
    disk: str | None = None


class DaemonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon that serves a socket."""

    version: str
    pid: int
    started_at: str
    socket: str
    state_dir: str
    log_path: str
    fault_log_path: str


class ElfRecord(msgspec.Struct, kw_only=True):
    """One ELF file of the store. ``path`` is where it was when it was added; ``used_at`` is its last decode."""

    sha256: str
    name: str
    path: str
    size_bytes: int
    added_at: str
    used_at: str | None = None
    machine: Machine
    project: str | None = None
    version: str | None = None
