"""A decode report as lines for people: the reason and the frames of what crashed. Pure.

The report is JSON as the contract describes it; it is read leniently, because an older or newer daemon may have
written it, and what is not JSON is shown as the text it is.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from esperctl.safe_text import safe_text

_MAX_FRAMES: Final = 40
_MAX_TEXT_LINES: Final = 200


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """An argument that a function was called with."""

    name: str = "?"
    value: str = "?"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a stack."""

    level: int | None = None
    pc: int | None = None
    function: str | None = None
    file: str | None = None
    line: int | None = None
    inlined: bool | None = None
    how: str | None = None
    args: list[Argument] = []


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task."""

    name: str | None = None
    crashed: bool | None = None
    frames: list[Frame] = []


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What this module shows of a report."""

    reason: str | None = None
    crashed_task: str | None = None
    tasks: list[Task] = []
    frames: list[Frame] = []
    places: list[Frame] = []
    unwind_stop: str | None = None
    warnings: list[str] = []


def report_lines(report: str) -> list[str]:
    """The report of a core dump as safe lines without line ends."""
    return _safe_lines(report, _lines)


def panic_lines(report: str) -> list[str]:
    """The same of a panic, whose reason was told with it: what the addresses in it are, and the frames."""
    return _safe_lines(report, _panic_lines)


def _safe_lines(report: str, describe: Callable[[Report], Iterator[str]]) -> list[str]:
    try:
        parsed = msgspec.json.decode(report, type=Report)
    except msgspec.DecodeError:
        lines = report.splitlines()[:_MAX_TEXT_LINES]
    else:
        lines = list(describe(parsed))
    return [safe_text(line) for line in lines]


def _lines(report: Report) -> Iterator[str]:
    if report.reason:
        yield report.reason
    crashed = next((task for task in report.tasks if task.crashed), None)
    frames = crashed.frames if crashed is not None else report.frames
    if name := (crashed.name if crashed is not None and crashed.name else report.crashed_task):
        yield f"in task {name}"
    yield from _frames_and_warnings(frames, report.warnings)


def _panic_lines(report: Report) -> Iterator[str]:
    for place in report.places[:_MAX_FRAMES]:
        if place.pc is not None:
            yield f"0x{place.pc:08x} is in {_call(place)}"
    yield from _frames_and_warnings(report.frames, report.warnings)
    if not report.frames and not report.places:
        yield f"no frames: {report.unwind_stop or 'unknown why'}"


def _frames_and_warnings(frames: list[Frame], warnings: list[str]) -> Iterator[str]:
    for index, frame in enumerate(frames[:_MAX_FRAMES]):
        yield _frame_text(frame, index)
    if len(frames) > _MAX_FRAMES:
        yield f"… {len(frames) - _MAX_FRAMES} more frames"
    for warning in warnings:
        yield f"warning: {warning}"


def _frame_text(frame: Frame, index: int) -> str:
    level = frame.level if frame.level is not None else index
    address = f"0x{frame.pc:08x} in " if frame.pc is not None else ""
    guessed = "  (guessed)" if frame.how in ("scan", "inferred") else ""
    return f"#{level:<2} {address}{_call(frame)}{' (inlined)' if frame.inlined else ''}{guessed}"


def _call(frame: Frame) -> str:
    place = f" at {frame.file}" if frame.file else ""
    if frame.file and frame.line is not None:
        place += f":{frame.line}"
    arguments = ", ".join(f"{argument.name}={argument.value}" for argument in frame.args)
    call = f"{frame.function or '??'} ({arguments})" if arguments else frame.function or "??"
    return f"{call}{place}"
