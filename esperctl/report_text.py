"""A decode report as lines for people: the reason and the frames of what crashed. Pure.

The report is JSON as the contract describes it; it is read leniently, because an older or newer daemon may have
written it, and what is not JSON is shown as the text it is.
"""

from collections.abc import Callable, Iterator
from typing import Final

from esperctl.report import Frame, Report, parse_report
from esperctl.safe_text import safe_text

_MAX_FRAMES: Final = 40
_MAX_TEXT_LINES: Final = 200


def report_lines(report: str) -> list[str]:
    """The report of a core dump as safe lines without line ends."""
    return _safe_lines(report, _lines)


def panic_lines(report: str) -> list[str]:
    """The same of a panic, whose reason was told with it: what the addresses in it are, and the frames."""
    return _safe_lines(report, _panic_lines)


def _safe_lines(report: str, describe: Callable[[Report], Iterator[str]]) -> list[str]:
    parsed = parse_report(report)
    lines = report.splitlines()[:_MAX_TEXT_LINES] if parsed is None else list(describe(parsed))
    return [safe_text(line) for line in lines]


def _lines(report: Report) -> Iterator[str]:
    if report.reason:
        yield report.reason
    if report.task_name:
        yield f"in task {report.task_name}"
    yield from _frames_and_warnings(report.crash_frames, report.warnings)


def _panic_lines(report: Report) -> Iterator[str]:
    for place in report.places[:_MAX_FRAMES]:
        if place.pc is not None:
            yield f"0x{place.pc:08x} is in {place.call}"
    yield from _frames_and_warnings(report.frames, report.warnings)
    if not report.frames and not report.places:
        yield f"no frames: {report.unwind_stop or 'unknown why'}"


def _frames_and_warnings(frames: list[Frame], warnings: list[str]) -> Iterator[str]:
    for index, frame in enumerate(frames[:_MAX_FRAMES]):
        yield frame.text(index)
    if len(frames) > _MAX_FRAMES:
        yield f"… {len(frames) - _MAX_FRAMES} more frames"
    for warning in warnings:
        yield f"warning: {warning}"
