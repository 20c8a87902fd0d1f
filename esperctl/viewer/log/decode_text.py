"""What is said of a decode below the panic or dump that it is of. Pure."""

from typing import Final

from esper_protocol.events import (
    Body,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
)
from esperctl.markers import PANIC_TARGET
from esperctl.report import parse_report
from esperctl.report_text import panic_lines, report_lines
from esperctl.safe_text import safe_text

_MOST_LINES: Final = 12


def finished_lines(body: DecodeFinished) -> tuple[str, ...]:
    """The short form of a report, in safe lines; the whole of it is for the inspector."""
    if body.report is None:
        return (safe_text(f"decoded; the report is in {body.report_path}"),) if body.report_path else ("decoded",)
    if body.target.startswith(PANIC_TARGET):
        return _at_most(panic_lines(body.report))
    frames = [line for line in report_lines(body.report) if line.startswith("#")]
    return (_summary(body.report), *_at_most(frames))


def _at_most(lines: list[str]) -> tuple[str, ...]:
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    return (*lines[: _MOST_LINES - 1], "… the rest is in the report")


def _summary(text: str) -> str:
    """``decoded: task X crashed in f at file:line``."""
    report = parse_report(text)
    if report is None:
        return "decoded; the inspector shows the report"
    place = next((f" in {frame.place}" for frame in report.crash_frames if frame.function), "")
    who = f"task {report.task_name}" if report.task_name else "a task"
    return safe_text(f"decoded: {who} crashed{place}; the inspector shows the report")


def state_sentence(body: Body) -> str | None:
    """Where a decode is, as a sentence; None where its lines say it."""
    match body:
        case DecodeQueued() | DecodeStarted():
            return "decoding in background"
        case DecodeFailed():
            return safe_text(f"decoding failed ({body.backend}): {body.error}")
        case DecodeTimedOut():
            return f"decoding was stopped after {body.timeout_s:g} s"
        case DecodeCancelled():
            return safe_text(f"decoding was cancelled: {body.reason}")
        case _:
            return None
