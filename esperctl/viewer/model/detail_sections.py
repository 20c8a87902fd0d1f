"""Everything about one incident as sections of lines. Pure; all text is made printable here."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from esper_protocol.events import Boot, CoredumpEnded, GdbStub, Panic
from esper_protocol.messages import CoredumpFile
from esper_protocol.records import CoredumpRecord
from esperctl.report import Report, Task, parse_report
from esperctl.safe_text import safe_text
from esperctl.times import local_text, rfc3339
from esperctl.units import bytes_text
from esperctl.viewer.model.incident import Incident, capture_text
from esperctl.viewer.style import Span, Style
from esperctl.viewer.view import DetailSection

# A report comes from a board's memory: a stack that goes round must not make a view without end.
_MAX_FRAMES: Final = 200
_MAX_TASKS: Final = 100
_MAX_LINES: Final = 2000
_REGISTERS_IN_LINE: Final = 3
_FIRST_FRAME: Final = Style(bold=True)
_PLAIN: Final = Style()
_NAME: Final = Style(dim=True)

Line = tuple[Span, ...]
_Item = TypeVar("_Item")


def sections(
    incident: Incident, report_text: str | None, files: Sequence[CoredumpFile], dump: Incident | None
) -> tuple[DetailSection, ...]:
    """The sections; ``dump`` is the core dump that a panic made."""
    report = parse_report(report_text) if report_text else None
    parts = [DetailSection("Summary", tuple(filter(None, _summary(incident, report, dump))))]
    if report is not None:
        parts += _of_report(report)
    elif report_text:
        lines = report_text.splitlines()[:_MAX_LINES]
        parts.append(DetailSection("Report", tuple(_line(line) for line in lines)))
    if isinstance(incident.body, Panic):
        parts += _of_panic(incident.body, has_frames=report is not None and bool(report.crash_frames))
    if incident.record is not None:
        parts.append(DetailSection("Files", tuple(filter(None, _files(incident.record, files)))))
    return tuple(part for part in parts if part.lines)


def plain_text(title: str, parts: Iterable[DetailSection]) -> str:
    """The sections as text for a file or the clipboard."""
    lines = [title]
    for part in parts:
        lines += ["", part.title, *("  " + "".join(span.text for span in line) for line in part.lines)]
    return "\n".join(lines) + "\n"


def _summary(incident: Incident, report: Report | None, dump: Incident | None) -> Iterator[Line]:
    if incident.at_ns:
        yield _named("when", local_text(rfc3339(incident.at_ns)))
    if incident.boot >= 0:
        yield _named("boot", str(incident.boot))
    if incident.state_text:
        yield _named("state", incident.state_text)
    match incident.body:
        case Boot() as boot:
            yield _named("reset", f"{boot.reset_reason} (0x{boot.reset_code:x})")
            yield _named("boot mode", boot.boot_mode)
        case GdbStub() as stub:
            yield _named("packet", stub.packet)
        case Panic() as panic:
            yield from _of_panic_words(panic)
        case CoredumpEnded() | None:
            if incident.kind != "dump":
                yield _line(incident.title)
    if incident.record is not None:
        yield from _of_record(incident.record)
    elif incident.kind == "dump":
        yield _named("capture", incident.detail)
    if report is not None:
        yield from _of_crash(report)
    if dump is not None:
        yield _named("core dump", ", ".join(part for part in (dump.key, dump.detail, dump.state_text) if part))


def _of_panic_words(panic: Panic) -> Iterator[Line]:
    yield _named("cause", panic.cause.replace("_", " ") + ("" if panic.fatal else "; the program runs on"))
    yield _named("reason", panic.reason)
    yield _named("task", panic.task)
    yield _named("core", None if panic.core is None else str(panic.core))
    yield _named("program", panic.app_sha256)


def _of_record(record: CoredumpRecord) -> Iterator[Line]:
    yield _named("capture", capture_text(record))
    yield _named("chip", record.chip)
    yield _named("format", record.format)
    yield _named("program", record.app_sha256)
    yield _named("ELF file", record.decode.elf_path)
    yield _named("pinned", "yes: retention keeps it" if record.pinned else "no")
    yield _named("note", record.note)


def _of_crash(report: Report) -> Iterator[Line]:
    yield _named("reason", report.reason)
    yield _named("task", report.task_name)
    if report.in_isr:
        yield _line("in an interrupt handler")
    if report.elf_match not in (None, "sha256"):
        yield _named("ELF match", report.elf_match)
    if report.decoder is not None and report.decoder.backend:
        took = f" in {report.decoder.seconds:.1f} s" if report.decoder.seconds is not None else ""
        yield _named("decoded by", f"{report.decoder.backend} {report.decoder.version or ''}".strip() + took)


def _of_report(report: Report) -> Iterator[DetailSection]:
    frames = report.crash_frames
    lines = [_line(frame.text(index), _PLAIN if index else _FIRST_FRAME) for index, frame in _most(frames)]
    crashed = report.crashed
    stop = (crashed.unwind_stop if crashed is not None else None) or report.unwind_stop
    if stop and lines:
        lines.append(_line(f"stops here: {stop}", _NAME))
    yield DetailSection("Frames", tuple(lines))
    yield DetailSection("Warnings", tuple(_line(warning) for warning in report.warnings[:_MAX_TASKS]))
    yield DetailSection("Named addresses", tuple(_line(frame.text(index)) for index, frame in _most(report.places)))
    registers = report.registers or (crashed.registers if crashed is not None else {})
    yield DetailSection("Registers", tuple(_registers(registers)))
    yield DetailSection(f"Tasks ({len(report.tasks)})", tuple(_tasks(report.tasks)))
    memory = [f"0x{part.address:08x} {bytes_text(part.size):>10} {part.flags:<3} {part.name}" for part in report.memory]
    yield DetailSection("Memory", tuple(_line(line) for line in memory[:_MAX_TASKS]))


def _tasks(tasks: list[Task]) -> Iterator[Line]:
    left = _MAX_LINES
    for task in tasks[:_MAX_TASKS]:
        stack = f", stack {task.stack_used} B used" if task.stack_used is not None else ""
        stack += f", {task.stack_free} B free" if task.stack_free is not None else ""
        priority = f", priority {task.priority}" if task.priority is not None else ""
        crashed = ", crashed" if task.crashed else ""
        yield _line(f"{task.name or 'without a name'}{crashed}{priority}{stack}", _FIRST_FRAME)
        for index, frame in _most(task.frames):
            left -= 1
            if left < 0:
                return
            yield _line(f"  {frame.text(index)}")


def _of_panic(panic: Panic, *, has_frames: bool) -> Iterator[DetailSection]:
    if not has_frames:
        frames = [_line(f"#{index:<2} 0x{pc:08x} (sp 0x{sp:08x})") for index, (pc, sp) in _most(panic.backtrace)]
        if panic.backtrace_corrupted:
            frames.append(_line("the firmware found the stack corrupted", _NAME))
        yield DetailSection("Backtrace as printed", tuple(frames))
    yield DetailSection("Registers as printed", tuple(_registers(panic.registers)))


def _registers(registers: dict[str, int]) -> Iterator[Line]:
    # The names are a board's or a file's words, the values any integer.
    texts = [f"{name[:16]:<8} 0x{value:08x}" for name, value in list(registers.items())[:_MAX_TASKS]]
    for start in range(0, len(texts), _REGISTERS_IN_LINE):
        yield _line("   ".join(texts[start : start + _REGISTERS_IN_LINE]))


def _files(record: CoredumpRecord, files: Sequence[CoredumpFile]) -> Iterator[Line]:
    yield _named("raw dump", record.raw_path)
    yield _named("report", record.decode.report_path)
    for file in files[:_MAX_TASKS]:
        yield _named(file.name, bytes_text(file.size_bytes))


def _most(items: Sequence[_Item]) -> Iterator[tuple[int, _Item]]:
    return enumerate(items[:_MAX_FRAMES])


def _named(name: str, value: str | None) -> Line:
    """A line for a value; none (an empty line, which is left out) where it is not known."""
    return (Span(f"{safe_text(name)}: ", _NAME), Span(safe_text(value))) if value else ()


def _line(text: str, style: Style = _PLAIN) -> Line:
    return (Span(safe_text(text), style),)
