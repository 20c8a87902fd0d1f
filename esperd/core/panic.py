"""Panic reports: from the line that says what happened to the line where something else begins.

A report is IDLE or OPEN. It opens with one of ``panic_text.OPENINGS`` and is closed, and thereby published, by the
next opening, by the SHA line that ends it, by what follows it (a dump, a reboot), by silence, or by its line limit.
Two openings make one report when the first only introduces the second and nothing was printed in between.
"""

from dataclasses import dataclass, field
from typing import Final

from esper_protocol.events import Backtrace, Panic, PanicCause
from esperd.core import panic_text as texts
from esperd.core.limits import CoreLimits
from esperd.core.text import LOG_PREFIX, is_quoted, to_text

# A report has the registers of one core: at most 40 on any chip.
_REGISTERS: Final = 64
_REASON_CHARACTERS: Final = 1024


@dataclass(slots=True)
class _Report:
    """A report that is being printed."""

    opening: texts.Opening
    cause: PanicCause
    reason: str
    fatal: bool
    core: int | None
    task: str | None
    first_seq: int
    last_seq: int
    lines: int = 1
    dumps: int = 0
    registers: dict[str, int] = field(default_factory=dict[str, int])
    backtrace: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    backtrace_corrupted: bool = False
    app_sha256: str | None = None

    @property
    def has_body(self) -> bool:
        return bool(self.registers or self.backtrace or self.app_sha256)

    def to_event(self) -> Panic:
        return Panic(
            self.cause,
            self.reason,
            self.fatal,
            self.core,
            self.task,
            self.registers,
            self.backtrace,
            self.backtrace_corrupted,
            self.app_sha256,
            self.first_seq,
            self.last_seq,
        )


class PanicDetector:
    """Collects one report at a time."""

    def __init__(self, limits: CoreLimits) -> None:
        self._limits = limits
        self._report: _Report | None = None
        self.deadline: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether a report is open, so that every line must be shown to it."""
        return self._report is not None

    @property
    def first_seq(self) -> int | None:
        """Where the open report began."""
        return None if self._report is None else self._report.first_seq

    def on_line(self, text: bytes, seq: int, now: float) -> list[Panic | Backtrace]:
        """Looks at one stripped line."""
        found: list[Panic | Backtrace] = []
        nested = texts.NESTED.search(text)
        if nested is not None and not is_quoted(text, nested.start()):
            found += self.close()
            reason = to_text(nested["reason"])
            found.append(Panic("nested", reason, True, None, None, {}, [], False, None, seq, seq))
            return found
        backtrace = texts.parse_backtrace(text)
        opened = texts.find_opening(text)
        if opened is not None:
            found += self._open(opened, seq)
        elif self._report is not None:
            found += self._on_report_line(self._report, text, seq, backtrace)
        if backtrace is not None and backtrace[0]:
            found.append(Backtrace(backtrace[0], backtrace[1], seq))
        self.deadline = None if self._report is None else now + self._limits.panic_idle_s
        return found

    def close(self) -> list[Panic | Backtrace]:
        """Publishes the open report, if there is one."""
        report, self._report = self._report, None
        self.deadline = None
        return [] if report is None else [report.to_event()]

    def _open(self, opened: texts.Opened, seq: int) -> list[Panic | Backtrace]:
        report = self._report
        if report is not None and not report.has_body and self._is_same_crash(report, opened.opening):
            report.fatal = report.fatal or opened.opening.fatal
            report.core = opened.core if report.core is None else report.core
            report.opening = opened.opening
            report.last_seq = seq
            report.lines += 1
            return self.close() if report.lines > self._limits.panic_lines else []
        closed = self.close()
        self._report = _Report(
            opened.opening, opened.cause, opened.reason, opened.opening.fatal, opened.core, opened.task, seq, seq
        )
        return closed

    @staticmethod
    def _is_same_crash(report: _Report, following: texts.Opening) -> bool:
        if report.opening.introduces:
            return following is not texts.TASK_WATCHDOG
        # The watchdog that is set to panic says "Aborting." and then aborts.
        return report.cause == "task_watchdog" and report.fatal and following is texts.ABORT

    def _on_report_line(
        self, report: _Report, text: bytes, seq: int, backtrace: tuple[list[tuple[int, int]], bool] | None
    ) -> list[Panic | Backtrace]:
        report.lines += 1
        if texts.CLOSING.search(text) or report.lines > self._limits.panic_lines:
            return self.close()
        if backtrace is not None:
            if not report.backtrace:
                report.backtrace, report.backtrace_corrupted = backtrace
            report.last_seq = seq
            if report.app_sha256:
                return self.close()
        elif sha := texts.ELF_SHA256.match(text):
            report.app_sha256 = to_text(sha[1]).lower()
            report.last_seq = seq
            # Printed last, but by ESP-IDF 4.0 and 4.1 before the backtrace, which only RISC-V chips do without.
            if report.backtrace or "MEPC" in report.registers:
                return self.close()
        elif self._take_detail(report, text):
            report.last_seq = seq
        elif not report.fatal and text and self._goes_on(report, text):
            return self.close()
        return []

    @staticmethod
    def _goes_on(report: _Report, text: bytes) -> bool:
        """Whether *text* shows that the program runs on after a report that was not fatal."""
        if report.opening.introduces:
            return LOG_PREFIX.match(text) is not None
        return bool(report.backtrace) or LOG_PREFIX.match(text) is not None

    @staticmethod
    def _take_detail(report: _Report, text: bytes) -> bool:
        """Takes what *text* adds to the report; False if it is no part of one."""
        if dump := texts.REGISTER_DUMP.match(text):
            # A second core's registers follow the crashed core's.
            report.dumps += 1
            if report.core is None and dump[1]:
                report.core = int(dump[1])
        elif texts.REGISTERS.match(text):
            if report.dumps <= 1 and not report.backtrace:
                for name, value in texts.REGISTER.findall(text)[: _REGISTERS - len(report.registers)]:
                    report.registers.setdefault(to_text(name), int(value, 16))
        elif debug := texts.DEBUG_REASON.match(text):
            report.reason = f"{report.reason}: {to_text(debug[1].strip())}"[:_REASON_CHARACTERS]
            if canary := texts.CANARY_TASK.search(text):
                report.cause, report.task = "stack_overflow", to_text(canary[1])
        elif task := texts.STACK_FAULT_TASK.match(text):
            report.task = to_text(task[1])
        elif report.cause == "task_watchdog" and (detail := texts.WATCHDOG_DETAIL.match(text)):
            # What starves an idle task is not the other core's idle task.
            if detail["task"] and report.task is None and not detail["task"].startswith(b"IDLE"):
                report.task = to_text(detail["task"])
            # The first core's is the backtrace that is kept.
            if detail["core"] and report.core is None:
                report.core = int(detail["core"])
            if detail["aborting"]:
                report.fatal = True
        else:
            return text.startswith((b"Stack memory:", b"Memory dump at 0x")) or bool(texts.STACK_WORDS.match(text))
        return True
