"""What a person is told of the events that are not lines, one sentence each. Pure.

Not told: what repeats what a line already says (a backtrace), what is only bookkeeping (viewers, telemetry), and what
somebody typed.
"""

from collections.abc import Callable
from typing import Final

from esper_protocol.events import (
    App,
    Body,
    Boot,
    BreakSent,
    CoredumpEnded,
    CoredumpProgress,
    CoredumpPrompted,
    CoredumpStarted,
    DaemonStarted,
    DaemonStopping,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
    Failure,
    FailureOver,
    Gap,
    GdbStub,
    Note,
    Panic,
    Recovered,
    ResetSent,
    SessionClosed,
    SessionFailed,
    SessionLost,
    SessionOpened,
    SessionReleased,
    WriterChanged,
)
from esperctl.units import bytes_text, plural

# How the target of a decode begins that is of no core dump, and has no file.
PANIC_TARGET: Final = "panic:"
DECODE_BODIES: Final = (DecodeQueued, DecodeStarted, DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)


def marker(body: Body) -> str | None:
    """The sentence for *body*, or None where there is nothing to say."""
    for describe in _DESCRIPTIONS:
        if (text := describe(body)) is not None:
            return text
    return None


def _gap(body: Body) -> str | None:
    if not isinstance(body, Gap):
        return None
    lost = "" if body.lost_bytes is None else f" of {plural(body.lost_bytes, 'byte')}"
    if body.first_lost_seq is not None and body.last_lost_seq is not None:
        lost += f", positions {body.first_lost_seq} to {body.last_lost_seq}"
    return f"gap{lost} ({body.reason}): {body.detail}"


def _session(body: Body) -> str | None:
    match body:
        case SessionOpened():
            return f"{body.port} opened at {body.baud} baud"
        case SessionFailed():
            return f"{body.port} can't be opened: {body.error}; it is tried again"
        case SessionLost():
            return f"{body.port} is gone: {body.error}"
        case SessionReleased():
            return f"{body.port} is lent to {body.who}{f': {body.command}' if body.command else ''}"
        case SessionClosed():
            return f"{body.port} closed: {body.reason}"
        case _:
            return None


def _firmware(body: Body) -> str | None:
    match body:
        case Boot():
            mode = f", boot mode {body.boot_mode}" if body.boot_mode else ""
            return f"boot: {body.reset_reason} (0x{body.reset_code:x}){mode}"
        case App():
            parts = [body.project or "application", body.version or ""]
            parts.append(f"(IDF {body.idf_version})" if body.idf_version else "")
            parts.append(f"ELF {body.elf_sha256}" if body.elf_sha256 else "")
            return " ".join(part for part in parts if part)
        case Panic():
            where = "".join(
                [f" on core {body.core}" if body.core is not None else "", f" in {body.task}" if body.task else ""]
            )
            return f"{'panic' if body.fatal else 'report'}, {body.cause}{where}: {body.reason}"
        case GdbStub():
            return f"the firmware waits in its GDB stub ({body.packet})"
        case _:
            return None


def _coredump(body: Body) -> str | None:
    match body:
        case CoredumpPrompted():
            return f"the firmware asked for Enter before a core dump; {'answered' if body.answered else 'not answered'}"
        case CoredumpStarted():
            return f"core dump {body.id} begins"
        case CoredumpEnded():
            rejected = f", {plural(body.rejected_lines, 'line')} rejected" if body.rejected_lines else ""
            return (
                f"core dump {body.id} {body.capture} ({body.end_reason}): {bytes_text(body.decoded_bytes)}, "
                f"{plural(body.raw_lines, 'line')}{rejected}, checksum {body.checksum}"
            )
        case _:
            return None


def progress(body: CoredumpProgress) -> str:
    """How far a capture is."""
    if not body.expected_bytes:
        return f"core dump {body.id}: {bytes_text(body.decoded_bytes)}"
    share = min(body.decoded_bytes * 100 // body.expected_bytes, 100)
    return f"core dump {body.id}: {bytes_text(body.decoded_bytes)} of {bytes_text(body.expected_bytes)}, {share} %"


def _decode(body: Body) -> str | None:
    match body:
        case DecodeQueued() if body.target.startswith(PANIC_TARGET):
            return "decoding in background"
        case DecodeStarted() if not body.target.startswith(PANIC_TARGET):
            return f"decoding {body.target} ({body.backend})"
        case DecodeFinished(report_path=""):
            return f"decoded {body.target} in {body.seconds:.1f} s ({body.backend})"
        case DecodeFinished():
            return f"decoded {body.target} in {body.seconds:.1f} s ({body.backend}): {body.report_path}"
        case DecodeFailed():
            return f"decoding {body.target} failed ({body.backend}): {body.error}"
        case DecodeTimedOut():
            return f"decoding {body.target} was stopped after {body.timeout_s:g} s ({body.backend})"
        case DecodeCancelled():
            return f"decoding {body.target} was cancelled: {body.reason}"
        case _:
            return None


def _people(body: Body) -> str | None:
    match body:
        case ResetSent():
            return f"{body.who} reset the board{' into its bootloader' if body.bootloader else ''}"
        case BreakSent():
            return f"{body.who} sent a break of {body.duration_s:g} s"
        case WriterChanged(writer=None):
            return f"{body.previous or 'nobody'} types no more"
        case WriterChanged():
            taken = f", who took over from {body.previous}" if body.stolen and body.previous else ""
            return f"typing: {body.writer}{taken}"
        case Note():
            return f"note by {body.who}: {body.text}"
        case _:
            return None


def _daemon(body: Body) -> str | None:
    match body:
        case DaemonStarted():
            return f"esperd {body.version} started"
        case DaemonStopping():
            return f"esperd stops: {body.reason}"
        case Recovered():
            return f"esperd repaired its journal: {body.text}"
        case Failure():
            again = "; it is tried again" if body.retry_s is not None else ""
            return f"esperd failed ({body.part}): {body.error}{again}"
        case FailureOver():
            return body.text
        case _:
            return None


_DESCRIPTIONS: Final[tuple[Callable[[Body], str | None], ...]] = (
    _gap,
    _session,
    _firmware,
    _coredump,
    _decode,
    _people,
    _daemon,
)
