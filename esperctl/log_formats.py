"""A board's journal as text for people, as its bytes, or as JSON lines: events in, output bytes out. Pure."""

from typing import Final, Literal, Protocol

from esper_protocol.events import Body, CoredumpProgress, CoredumpStarted, DecodeFinished, Event, Gap, Line
from esperctl.dump_folding import DumpFolding
from esperctl.event_json import json_lines
from esperctl.markers import DECODE_BODIES, PANIC_TARGET, marker, progress
from esperctl.report_text import panic_lines, report_lines
from esperctl.safe_text import safe_text
from esperctl.subscription import AnyEvent
from esperctl.terminal_text import RESET, TerminalText
from esperctl.times import LocalClock

DumpView = Literal["fold", "show", "hide"]
FormatName = Literal["short", "raw", "json"]

_DIM: Final = "\x1b[2m"
_CLEAR_LINE: Final = "\r\x1b[K"


def event_texts(body: Body, *, show_decode: bool = True) -> list[str]:
    """What a person is told of an event in safe lines: its sentence, and the lines of its report; none: nothing."""
    sentence = marker(body)
    if sentence is None or (not show_decode and isinstance(body, DECODE_BODIES)):
        return []
    report: list[str] = []
    if isinstance(body, DecodeFinished) and body.report:
        # What happened stands above a panic's already; here is where.
        report = panic_lines(body.report) if _is_of_panic(body) else report_lines(body.report)
    return [safe_text(sentence), *report]


def _is_of_panic(body: DecodeFinished) -> bool:
    return body.target.startswith(PANIC_TARGET)


class LogFormat(Protocol):
    """Turns one stream of events into output."""

    def render(self, event: AnyEvent) -> bytes:
        """The output for the next event."""
        ...

    def finish(self) -> bytes:
        """The output that ends the stream."""
        ...


class RawLog:
    """The data of the lines, byte for byte; on a terminal made safe for it."""

    def __init__(self, *, terminal: bool, colour: bool) -> None:
        self._text = TerminalText(colour=colour) if terminal else None

    def render(self, event: AnyEvent) -> bytes:
        """The lines' bytes; nothing for other events."""
        if not isinstance(event.body, Line):
            return b""
        data = event.body.data
        return data if self._text is None else self._text.feed(data).encode()

    def finish(self) -> bytes:
        """What the terminal filter still holds."""
        return b"" if self._text is None else self._text.flush().encode()


class JsonLog:
    """Lines and gaps as JSON lines."""

    def render(self, event: AnyEvent) -> bytes:
        """One object for each line, and one for a gap."""
        return json_lines(event) if isinstance(event.body, Line | Gap) else b""

    def finish(self) -> bytes:
        """Nothing: every object was complete."""
        return b""


class ShortLog:
    """``HH:MM:SS.mmm`` and the line; other events as ``--- … ---`` lines.

    Args:
        colour: Whether styles pass and markers are dim.
        terminal: Whether a line may be rewritten in place (the progress of a dump; what follows a carriage return).
        dump: Whether the base64 of dumps is shown.
        today: The local date as ``YYYY-MM-DD``; lines of other days follow a line with their date.
        show_decode: Whether decode events are told.
        whole_lines: End every line, also one that goes on in the next event; for lines without their neighbours.
        capturing: Whether the stream begins in the middle of a dump.
        width: Columns of the terminal.
    """

    def __init__(
        self,
        *,
        colour: bool,
        terminal: bool,
        dump: DumpView,
        today: str,
        show_decode: bool = True,
        whole_lines: bool = False,
        capturing: bool = False,
        width: int = 80,
    ) -> None:
        self._text = TerminalText(colour=colour)
        self._clock = LocalClock()
        self._dim, self._reset = (_DIM, RESET) if colour else ("", "")
        self._terminal = terminal
        self._width = width
        self._show_decode = show_decode
        self._whole_lines = whole_lines
        self._dump: DumpView = dump
        self._folding = None if dump == "show" else DumpFolding(capturing=capturing)
        self._line_is_open = False
        self._progress_is_shown = False
        self._date = today

    def render(self, event: AnyEvent) -> bytes:
        """The output for the next event."""
        if not isinstance(event, Event):
            return b""
        body = event.body
        return (self._lines(event.at, body) if isinstance(body, Line) else self._other(event.at, body)).encode()

    def finish(self) -> bytes:
        """Ends a line that is open, so that what comes after the command starts a line of its own."""
        return (self._end_progress() + self._end_line()).encode()

    def _lines(self, at_ns: int, line: Line) -> str:
        visible = line if self._folding is None else self._folding.visible(line)
        if visible is None:
            return ""
        start = self._end_progress() + self._new_date(at_ns)
        text = self._text.feed(visible.data)
        if not text:
            return start
        prefix = f"{self._clock.time(at_ns)} "
        if self._terminal:
            # Text after a carriage return must not take the place of the time.
            text = text.replace("\r", f"\r{prefix}")
        first = "" if self._line_is_open else prefix
        self._line_is_open = text[-1] != "\n"
        body = text if self._line_is_open else text[:-1]
        body = first + body.replace("\n", f"\n{prefix}") + ("" if self._line_is_open else "\n")
        return start + body + (self._end_line() if self._whole_lines else "")

    def _other(self, at_ns: int, body: Body) -> str:
        if self._folding is not None:
            self._folding.follow(body)
        if isinstance(body, CoredumpProgress):
            return self._show_progress(body)
        texts = event_texts(body, show_decode=self._show_decode)
        if not texts:
            return ""
        sentence, *report = texts
        if isinstance(body, CoredumpStarted) and self._folding is not None:
            sentence += "; its base64 is not shown (--dump show)"
        start = "--- " if isinstance(body, DecodeFinished) and _is_of_panic(body) else "    "
        return self._marker_line(at_ns, sentence) + "".join(f"{start}{line}\n" for line in report)

    def _marker_line(self, at_ns: int, sentence: str) -> str:
        start = self._end_progress() + self._end_line() + self._new_date(at_ns)
        return f"{start}{self._dim}--- {self._clock.time(at_ns)} {sentence} ---{self._reset}\n"

    def _new_date(self, at_ns: int) -> str:
        before, self._date = self._date, self._clock.date(at_ns)
        if before == self._date:
            return ""
        return f"{self._end_line()}{self._dim}--- {self._date} ---{self._reset}\n"

    def _end_line(self) -> str:
        rest = self._text.flush()
        was_open, self._line_is_open = self._line_is_open, False
        return f"{rest}\n" if was_open or rest else ""

    def _show_progress(self, body: CoredumpProgress) -> str:
        if self._dump != "fold" or not self._terminal:
            return ""
        text = f"--- {safe_text(progress(body))} ---"[: self._width - 1]
        start = self._end_progress() + self._end_line()
        self._progress_is_shown = True
        return f"{start}{self._dim}{text}{self._reset}"

    def _end_progress(self) -> str:
        was_shown, self._progress_is_shown = self._progress_is_shown, False
        return _CLEAR_LINE if was_shown else ""
