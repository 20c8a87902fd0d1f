"""Events: what a daemon publishes about a board, in the past tense (SPEC.md, "Events").

On the wire an event is ``["event", seq, at, board, generation, boot, body]`` and a body is an array that begins
with its kind. Positions never change; new fields are appended with a default, so that each side skips what it
does not know. All bodies are values; none refers to a connection.

Units: ``at`` is nanoseconds since the Unix epoch (UTC); ``_s`` are seconds; ``_bytes`` are bytes; ``seq`` are
positions in the board's journal. Addresses and register values are unsigned integers.

One long file, because it is one vocabulary: to know what can happen to a board is to read it from top to bottom.
"""

from typing import Literal, TypeAlias

import msgspec

LineEnd = Literal["newline", "fragment", "split"]
GapReason = Literal[
    "unplugged",
    "released",
    "overrun",
    "disk_full",
    "disk_stalled",
    "retention",
    "daemon_stopped",
    "daemon_killed",
    "journal_damaged",
]
PanicCause = Literal[
    "exception",
    "abort",
    "assert",
    "stack_overflow",
    "stack_smashing",
    "heap_corruption",
    "interrupt_watchdog",
    "task_watchdog",
    "brownout",
    "nested",
    "other",
]
CaptureState = Literal["capturing", "captured", "partial"]
CaptureEndReason = Literal[
    "end_marker",
    "complete",
    "aborted",
    "size_limit",
    "line_limit",
    "idle_timeout",
    "reboot",
    "write_failed",
    "new_dump",
    "port_lost",
    "port_released",
    "daemon_stopped",
    "disk_full",
]
ChecksumVerdict = Literal["ok", "bad", "absent"]


class Line(msgspec.Struct, frozen=True, array_like=True, tag="line"):
    """One or more consecutive lines, byte for byte as the board sent them.

    ``data`` holds ``count`` lines, each with its newline; the last one's ``end`` says whether it is finished:
    ``newline``; ``fragment`` (a prompt, say: 100 ms of silence, nothing invented) or ``split`` (longer than
    the line limit): then the next line event goes on in the same line. The lines occupy the positions
    ``seq`` … ``seq + count - 1``.
    """

    data: bytes
    count: int
    end: LineEnd = "newline"


class Tx(msgspec.Struct, frozen=True, array_like=True, tag="tx"):
    """Bytes that were written to the board; ``who`` names the client, or ``esperd`` itself."""

    data: bytes
    who: str
    why: str = "typed"


class Gap(msgspec.Struct, frozen=True, array_like=True, tag="gap"):
    """Something is missing here. What is not known (the size, say) is null."""

    reason: GapReason
    detail: str
    lost_bytes: int | None = None
    first_lost_seq: int | None = None
    last_lost_seq: int | None = None


class SessionOpened(msgspec.Struct, frozen=True, array_like=True, tag="session_opened"):
    """The port was opened; the envelope's generation is the new session's."""

    port: str
    baud: int


class SessionFailed(msgspec.Struct, frozen=True, array_like=True, tag="session_failed"):
    """The port could not be opened; said once for each different reason, then retried in silence."""

    port: str
    error: str
    retry_s: float


class SessionLost(msgspec.Struct, frozen=True, array_like=True, tag="session_lost"):
    """The port went away: unplugged, re-enumerated, or an error of the device."""

    port: str
    error: str


class SessionReleased(msgspec.Struct, frozen=True, array_like=True, tag="session_released"):
    """The port was lent to somebody, who wants it to himself."""

    port: str
    who: str
    command: str = ""


class SessionClosed(msgspec.Struct, frozen=True, array_like=True, tag="session_closed"):
    """The daemon closed the port itself."""

    port: str
    reason: str


class Boot(msgspec.Struct, frozen=True, array_like=True, tag="boot"):
    """The firmware started: a ROM reset line was seen. The envelope's boot is this start's number.

    What the application says of itself follows in an ``app`` event of the same boot.
    """

    reset_code: int
    reset_reason: str
    boot_mode: str | None
    line_seq: int


class App(msgspec.Struct, frozen=True, array_like=True, tag="app"):
    """What the boot log said of the application; null where it was not printed."""

    project: str | None
    version: str | None
    idf_version: str | None
    elf_sha256: str | None
    first_seq: int
    last_seq: int
    chip: str | None = None


class Panic(msgspec.Struct, frozen=True, array_like=True, tag="panic"):
    """A crash, or (``fatal`` false) a report after which the program runs on.

    ``backtrace`` is ``[[pc, sp], …]``, innermost first, as printed; RISC-V prints none but its stack memory,
    which stands in the lines ``first_seq`` … ``last_seq``. ``app_sha256`` is the prefix that was printed.
    """

    cause: PanicCause
    reason: str
    fatal: bool
    core: int | None
    task: str | None
    registers: dict[str, int]
    backtrace: list[tuple[int, int]]
    backtrace_corrupted: bool
    app_sha256: str | None
    first_seq: int
    last_seq: int


class Backtrace(msgspec.Struct, frozen=True, array_like=True, tag="backtrace"):
    """A ``Backtrace:`` line was printed."""

    frames: list[tuple[int, int]]
    corrupted: bool
    line_seq: int


class CoredumpPrompted(msgspec.Struct, frozen=True, array_like=True, tag="coredump_prompted"):
    """The firmware asked for Enter before it prints a core dump."""

    answered: bool
    line_seq: int


class CoredumpStarted(msgspec.Struct, frozen=True, array_like=True, tag="coredump_started"):
    """The first marker was seen; from now on bytes go to the dump's folder."""

    id: str
    line_seq: int


class CoredumpProgress(msgspec.Struct, frozen=True, array_like=True, tag="coredump_progress"):
    """How far a capture is; at most four a second. ``expected_bytes`` is from the dump's own header."""

    id: str
    raw_bytes: int
    raw_lines: int
    decoded_bytes: int
    expected_bytes: int | None
    elapsed_s: float


class CoredumpEnded(msgspec.Struct, frozen=True, array_like=True, tag="coredump_ended"):
    """A capture is over; whatever was captured is on disk."""

    id: str
    capture: CaptureState
    end_reason: CaptureEndReason
    raw_bytes: int
    raw_lines: int
    rejected_lines: int
    decoded_bytes: int
    expected_bytes: int | None
    checksum: ChecksumVerdict
    first_seq: int
    last_seq: int
    path: str


class DecodeQueued(msgspec.Struct, frozen=True, array_like=True, tag="decode_queued"):
    """A decode job waits; ``target`` is a core dump's id or ``panic:SEQ``, the position of a panic or of a backtrace.

    ``job`` numbers the jobs of one run of the daemon: each ends in exactly one event with its number.
    """

    target: str
    job: int = 0


class DecodeStarted(msgspec.Struct, frozen=True, array_like=True, tag="decode_started"):
    """A worker process took the job."""

    target: str
    backend: str
    job: int = 0


class DecodeFinished(msgspec.Struct, frozen=True, array_like=True, tag="decode_finished"):
    """The report is there: in full at ``report_path``, and here unless it is larger than the event limit.

    That of a panic is here alone, and ``report_path`` is empty.
    """

    target: str
    backend: str
    seconds: float
    report_path: str
    report: str | None = None
    job: int = 0


class DecodeFailed(msgspec.Struct, frozen=True, array_like=True, tag="decode_failed"):
    """No report, and why."""

    target: str
    backend: str
    error: str
    job: int = 0


class DecodeTimedOut(msgspec.Struct, frozen=True, array_like=True, tag="decode_timed_out"):
    """The deadline passed; the worker and its children were killed."""

    target: str
    backend: str
    timeout_s: float
    job: int = 0


class DecodeCancelled(msgspec.Struct, frozen=True, array_like=True, tag="decode_cancelled"):
    """Somebody stopped the job, or the daemon stops; then the next start queues it again, unless it is a panic's."""

    target: str
    reason: str
    job: int = 0


class GdbStub(msgspec.Struct, frozen=True, array_like=True, tag="gdb_stub"):
    """The firmware waits in its GDB stub: it sent a stop reply packet with a right checksum."""

    packet: str
    line_seq: int


class ResetSent(msgspec.Struct, frozen=True, array_like=True, tag="reset_sent"):
    """Somebody reset the board by its control lines."""

    who: str
    bootloader: bool


class BreakSent(msgspec.Struct, frozen=True, array_like=True, tag="break_sent"):
    """Somebody sent a break condition."""

    who: str
    duration_s: float


class ViewerAttached(msgspec.Struct, frozen=True, array_like=True, tag="viewer_attached"):
    """A client follows the board; ``viewers`` counts all that do now."""

    viewer: int
    who: str
    viewers: int


class ViewerDetached(msgspec.Struct, frozen=True, array_like=True, tag="viewer_detached"):
    """A client follows no more; ``reason`` says why."""

    viewer: int
    who: str
    viewers: int
    reason: str


class WriterChanged(msgspec.Struct, frozen=True, array_like=True, tag="writer_changed"):
    """The write lease has another holder, or (null) none."""

    writer: str | None
    previous: str | None
    stolen: bool


class Note(msgspec.Struct, frozen=True, array_like=True, tag="note"):
    """A remark by a person or by the daemon."""

    text: str
    who: str


class DaemonStarted(msgspec.Struct, frozen=True, array_like=True, tag="daemon_started"):
    """The first event of each run."""

    version: str
    pid: int


class DaemonStopping(msgspec.Struct, frozen=True, array_like=True, tag="daemon_stopping"):
    """The last event of a run that ended in order."""

    reason: str


class Recovered(msgspec.Struct, frozen=True, array_like=True, tag="recovered"):
    """What a start had to repair after a run that did not end in order."""

    torn_bytes: int
    captures_closed: list[str]
    decodes_queued: list[str]
    temporary_files_removed: int
    text: str


class Failure(msgspec.Struct, frozen=True, array_like=True, tag="failure"):
    """Something of the daemon's own failed.

    ``part`` is ``disk``, ``viewer``, ``board``, ``capture``, ``port``, ``hook`` (a command of ``on_crash``),
    ``configuration`` (it was read again) or ``elf`` (a path of ELF files).
    """

    part: str
    error: str
    context: str
    retry_s: float | None


class FailureOver(msgspec.Struct, frozen=True, array_like=True, tag="failure_over"):
    """A failure of the same ``part`` that was tried again is over; ``text`` says for people what it cost."""

    part: str
    text: str


class Telemetry(msgspec.Struct, frozen=True, array_like=True, tag="telemetry"):
    """Once a minute; rates are means since the one before."""

    uptime_s: float
    rss_bytes: int
    tail_bytes: int
    journal_bytes: int
    viewers: int
    open_captures: int
    events_per_s: float
    bytes_per_s: float


Body: TypeAlias = (
    Line
    | Tx
    | Gap
    | SessionOpened
    | SessionFailed
    | SessionLost
    | SessionReleased
    | SessionClosed
    | Boot
    | App
    | Panic
    | Backtrace
    | CoredumpPrompted
    | CoredumpStarted
    | CoredumpProgress
    | CoredumpEnded
    | DecodeQueued
    | DecodeStarted
    | DecodeFinished
    | DecodeFailed
    | DecodeTimedOut
    | DecodeCancelled
    | GdbStub
    | ResetSent
    | BreakSent
    | ViewerAttached
    | ViewerDetached
    | WriterChanged
    | Note
    | DaemonStarted
    | DaemonStopping
    | Recovered
    | Failure
    | FailureOver
    | Telemetry
)


class UnknownBody(msgspec.Struct, frozen=True):
    """The body of an event whose kind a newer daemon invented; an older client skips it."""

    kind: str


class Event(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """The envelope: which board, which session and boot of it, when, and at which position of its journal."""

    seq: int
    at: int
    board: str
    generation: int
    boot: int
    body: Body


def kind_of(body: Body | UnknownBody) -> str:
    """The kind that stands first in the body's array, such as ``coredump_ended``."""
    if isinstance(body, UnknownBody):
        return body.kind
    return str(body.__struct_config__.tag)


def seq_count(body: Body | UnknownBody) -> int:
    """How many positions of the journal the body occupies: its lines, or one."""
    return body.count if isinstance(body, Line) else 1


def split_lines(line: Line) -> list[bytes]:
    """Cuts the data of a line event into its ``count`` lines; joined they are the data again."""
    parts = line.data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    if parts[-1]:
        lines.append(parts[-1])
    return lines


def panic_target(seq: int) -> str:
    """How decode events name the panic at a position, or the bare backtrace in the line at that position."""
    return f"panic:{seq}"
