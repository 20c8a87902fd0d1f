"""What a command of ``on_crash`` gets on its standard input: one JSON document (docs/configuration.md describes it)."""

from pathlib import Path
from typing import Any, Final

import msgspec

from esper_protocol.records import CoredumpRecord
from esperd.board.board import Board
from esperd.hooks.crash_watch import Crash
from esperd.system.clock import rfc3339

# A report may hold every task of a large program; of it only the crashed one's functions are told.
_MAX_REPORT_BYTES: Final = 64 * 1024 * 1024


class CrashRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A crash.

    Attributes:
        version: Of this document; fields may be added without a new one.
        board: Its name.
        port: Where it is.
        at: RFC 3339.
        generation: The session.
        boot: The start of the firmware that crashed.
        seq: The position of the first event of it in the board's journal.
        cause: As in a panic event; null when only a core dump was seen.
        reason: The firmware's own words.
        core: Which processor.
        task: The task that crashed.
        project: What the boot log said of the application.
        app_version: Likewise.
        app_sha256: Of its ELF file, or the beginning of it.
        frames: The functions, innermost first, as in a report; empty when nothing was decoded.
        coredump: Its record, as `esperctl coredumps info --json` shows it; null without one.
        untold: Crashes of this board since the last that was told, that were too many to be told.
        socket: Of the daemon.
    """

    version: int = 1
    board: str
    port: str
    at: str
    generation: int
    boot: int
    seq: int
    cause: str | None
    reason: str | None
    core: int | None
    task: str | None
    project: str | None
    app_version: str | None
    app_sha256: str | None
    frames: list[dict[str, Any]]
    coredump: CoredumpRecord | None
    untold: int
    socket: str


class _Report(msgspec.Struct, frozen=True):
    """What is read of a report."""

    frames: list[dict[str, Any]] = []


def make_record(
    board: Board,
    crash: Crash,
    coredump: CoredumpRecord | None,
    frames: list[dict[str, Any]],
    *,
    untold: int,
    socket: str,
) -> CrashRecord:
    """Puts together what is known; what the panic and the dump both say is taken from the panic."""
    panic, app = crash.panic, crash.app
    reasons = [None if panic is None else panic.reason, None if coredump is None else coredump.reason]
    tasks = [None if panic is None else panic.task, None if coredump is None else coredump.task]
    sums = [
        None if app is None else app.elf_sha256,
        None if panic is None else panic.app_sha256,
        None if coredump is None else coredump.app_sha256,
    ]
    return CrashRecord(
        board=board.name,
        port=board.parts.endpoint.text,
        at=rfc3339(crash.at),
        generation=crash.generation,
        boot=crash.boot,
        seq=crash.seq,
        cause=None if panic is None else panic.cause,
        reason=_first(reasons),
        core=None if panic is None else panic.core,
        task=_first(tasks),
        project=None if app is None else app.project,
        app_version=None if app is None else app.version,
        app_sha256=_first(sums),
        frames=frames,
        coredump=coredump,
        untold=untold,
        socket=socket,
    )


def frames_of(coredump: CoredumpRecord | None, panic_report: str | None) -> list[dict[str, Any]]:
    """The functions of a crash: as the dump says, else as the panic did. Blocks."""
    if coredump is not None and coredump.decode.state == "done" and coredump.decode.report_path is not None:
        frames = _frames_in(Path(coredump.decode.report_path))
        if frames:
            return frames
    return [] if panic_report is None else _frames(panic_report.encode())


def _frames_in(path: Path) -> list[dict[str, Any]]:
    try:
        return _frames(path.read_bytes()) if path.stat().st_size <= _MAX_REPORT_BYTES else []
    except OSError:
        return []  # it was removed meanwhile


def _frames(report: bytes) -> list[dict[str, Any]]:
    try:
        return msgspec.json.decode(report, type=_Report).frames
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _first(candidates: list[str | None]) -> str | None:
    return next((candidate for candidate in candidates if candidate), None)
