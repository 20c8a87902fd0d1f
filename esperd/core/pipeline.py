"""The pure part as one machine: bytes and time in, event bodies and effects out, in the order they happened.

Rule: what comes out depends on the lines, not on how they were cut into chunks. Looking for anchors in a whole block
is only a short cut past lines that no detector would react to; while any detector is in the middle of something, it
is shown every line.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from esper_protocol.events import (
    App,
    Backtrace,
    Body,
    Boot,
    CaptureEndReason,
    CoredumpPrompted,
    CoredumpStarted,
    GdbStub,
    Line,
    Panic,
    seq_count,
)
from esperd.core import boot, capture, gdb_stub, panic_text
from esperd.core.anchors import AnchorSearch
from esperd.core.boot import BootDetector
from esperd.core.capture import CapturedBytes, CaptureEnding, CoreDumpCapture, Signal
from esperd.core.context import PanicContext
from esperd.core.limits import CoreLimits
from esperd.core.lines import Block, LineAssembler
from esperd.core.panic import PanicDetector
from esperd.core.text import strip_line

_ANCHORS: Final = (*boot.ANCHORS, *panic_text.ANCHORS, *capture.ANCHORS, gdb_stub.ANCHOR)


@dataclass(frozen=True, slots=True)
class CaptureOpened:
    """Effect: a dump's folder is to be made; ``context`` is the panic text before the dump."""

    id: str
    context: bytes
    app_sha256: str | None
    reason: str | None
    task: str | None
    first_seq: int


@dataclass(frozen=True, slots=True)
class WriteToBoard:
    """Effect: to write to the board, on the daemon's own account."""

    data: bytes
    why: str


Effect: TypeAlias = CaptureOpened | CapturedBytes | CaptureEnding | WriteToBoard
Output: TypeAlias = Body | Effect


class Pipeline:
    """Everything between the bytes of one board and its events.

    Args:
        board: The board's name, for the ids of its core dumps.
        limits: See CoreLimits.
        next_coredump: The number of the next dump, one more than any that was ever given.

    A pipeline lives for one session: what a board had half said when its port went is over then.
    """

    def __init__(self, board: str, limits: CoreLimits, next_coredump: int) -> None:
        self._board = board
        self._limits = limits
        self._next_coredump = next_coredump
        self._assembler = LineAssembler(limits.line_bytes)
        self._boot = BootDetector(limits)
        self._panic = PanicDetector(limits)
        self._capture: CoreDumpCapture | None = None
        self._context = PanicContext(limits.context_bytes)
        self._app_sha256: str | None = None
        self._fragment_deadline: float | None = None
        # The logical line whose beginning was published as a fragment; how far it was searched for stop replies.
        self._prefix = b""
        self._prefix_seq = 0
        self._stub_scanned = 0
        # What the current call gives, the position after it, and what the current line gives.
        self._out: list[Output] = []
        self._seq = 0
        self._found: list[Output] = []

    def set_limits(self, limits: CoreLimits) -> None:
        """Takes other limits; a dump that is arriving keeps the ones that it began with."""
        self._limits = limits
        self._assembler.line_bytes = limits.line_bytes

    # What the caller may ask --------------------------------------------------------------------------

    @property
    def capture_id(self) -> str | None:
        """The id of the dump that is arriving."""
        return None if self._capture is None else self._capture.id

    @property
    def next_coredump(self) -> int:
        """The number that the next dump will get."""
        return self._next_coredump

    @property
    def open_panic_seq(self) -> int | None:
        """Where the panic began that is being printed."""
        return self._panic.first_seq

    @property
    def app_sha256(self) -> str | None:
        """What the boot log told of the program that runs, also before its ``app`` event."""
        return self._boot.elf_sha256 or self._app_sha256

    @property
    def deadline(self) -> float | None:
        """When ``on_deadline`` is to be called, unless something arrives before."""
        deadlines = (
            self._fragment_deadline,
            self._boot.deadline,
            self._panic.deadline,
            None if self._capture is None else self._capture.deadline,
            None if self._capture is None else self._capture.progress_deadline,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # Inputs -------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float, seq: int) -> list[Output]:
        """Takes what the board sent; *seq* is the position that the first event will get."""
        self._begin(seq)
        for block in self._assembler.receive_data(data):
            self._on_block(block, now)
        self._fragment_deadline = now + self._limits.fragment_s if self._assembler.has_pending else None
        return self._finish(now)

    def on_deadline(self, now: float, seq: int) -> list[Output]:
        """Does what silence means; harmless when it is too early."""
        self._begin(seq)
        if _is_due(self._fragment_deadline, now):
            self._flush_fragment()
        if _is_due(self._boot.deadline, now):
            self._take_boot(self._boot.finish())
        if _is_due(self._panic.deadline, now):
            self._take_panic(self._panic.close())
        if self._capture is not None and _is_due(self._capture.deadline, now):
            self._end_capture(self._capture.deadline_reason())
        return self._finish(now)

    def receive_hangup(self, reason: CaptureEndReason, now: float, seq: int) -> list[Output]:
        """The session ends; *reason* is the one for a dump that is cut by it."""
        self._begin(seq)
        self._flush_fragment()
        self._take_boot(self._boot.finish())
        self._take_panic(self._panic.close())
        self._end_capture(reason)
        return self._finish(now)

    def end_capture(self, reason: CaptureEndReason, now: float, seq: int) -> list[Output]:
        """Ends the capture by an order from outside; nothing happens when there is none."""
        self._begin(seq)
        self._end_capture(reason)
        return self._finish(now)

    # Blocks -------------------------------------------------------------------------------------------

    def _begin(self, seq: int) -> None:
        self._out = []
        self._seq = seq

    def _finish(self, now: float) -> list[Output]:
        self._emit(self._found)
        if self._capture is not None:
            if captured := self._capture.take_bytes():
                self._out.append(captured)
            if progress := self._capture.progress(now):
                self._emit([progress])
        return self._out

    def _emit(self, outputs: list[Output]) -> None:
        for output in outputs:
            self._out.append(output)
            if not isinstance(output, Effect):
                self._seq += seq_count(output)
        if outputs is self._found:
            self._found = []

    def _on_block(self, block: Block, now: float) -> None:
        data = block.data
        anchors = AnchorSearch(data, _ANCHORS)
        published = 0  # up to where lines were emitted
        counted = 0  # lines from there to `position`
        position = 0  # where the next line to look at begins
        while position < len(data):
            start = position
            if not self._watches_every_line:
                hit = anchors.find(position)
                if hit is None:
                    break
                start = data.rfind(b"\n", position, hit) + 1 or position
                counted += data.count(b"\n", position, start)
            position = data.find(b"\n", start) + 1 or len(data)
            self._on_line(data[start:position], self._seq + counted, now)
            counted += 1
            if self._found:
                end = block.end if position == len(data) else "newline"
                self._emit([Line(data[published:position], counted, end)])
                self._emit(self._found)
                published, counted = position, 0
        if published < len(data):
            counted += data.count(b"\n", position) + (position < len(data) and block.end != "newline")
            self._emit([Line(data[published:], counted, block.end)])

    def _flush_fragment(self) -> None:
        self._fragment_deadline = None
        block = self._assembler.flush()
        if block is None:
            return
        if not self._prefix:
            self._prefix_seq = self._seq
        prefix = self._prefix + block.data
        self._prefix = prefix[-self._limits.line_bytes :]
        self._stub_scanned = max(self._stub_scanned - (len(prefix) - len(self._prefix)), 0)
        seq = self._seq
        self._emit([Line(block.data, 1, block.end)])
        self._look_for_stop_reply(self._prefix, seq)
        self._emit(self._found)

    # Lines --------------------------------------------------------------------------------------------

    @property
    def _watches_every_line(self) -> bool:
        return (
            self._capture is not None
            or self._panic.is_active
            or self._boot.is_active
            or self._context.is_open
            or bool(self._prefix)
        )

    def _on_line(self, line: bytes, seq: int, now: float) -> None:
        if self._prefix:
            line, seq, self._prefix = self._prefix + line, self._prefix_seq, b""
        text = strip_line(line)
        if self._capture is not None and self._on_captured_line(self._capture, line, text, seq, now):
            return
        if boot.find_banner(text):
            self._on_banner(text)
        booted = self._boot.on_line(text, seq, now)
        if any(isinstance(body, Boot) for body in booted):
            self._take_panic(self._panic.close())
        self._take_boot(booted)
        self._take_panic(self._panic.on_line(text, seq, now))
        self._look_for_stop_reply(line, seq)
        if self._capture is None:
            if (first_seq := self._panic.first_seq) is not None:
                self._context.open(first_seq)
            if capture.is_start(text):
                self._start_capture(seq, now)
            elif capture.is_prompt(text):
                self._on_prompt(seq)
            self._context.append(line)

    def _on_captured_line(self, active: CoreDumpCapture, line: bytes, text: bytes, seq: int, now: float) -> bool:
        """Whether the line belongs to the dump, so that no other detector is to see it."""
        signal = active.on_line(line, text, seq, now)
        reason = capture.ENDINGS.get(signal) or active.limit_reached()
        if reason is not None:
            self._end_capture(reason)
        return signal is Signal.BASE64

    def _on_banner(self, text: bytes) -> None:
        self._take_panic(self._panic.close())
        self._take_boot(self._boot.finish())
        self._boot.note_banner(text)
        self._context.clear()

    def _on_prompt(self, seq: int) -> None:
        self._found.append(CoredumpPrompted(self._limits.answer_prompt, seq))
        if self._limits.answer_prompt:
            self._found.append(WriteToBoard(b"\n", "answer to the core dump prompt"))

    def _look_for_stop_reply(self, line: bytes, seq: int) -> None:
        start = self._stub_scanned
        while reply := gdb_stub.find_stop_reply(line, start):
            packet, start = reply
            self._found.append(GdbStub(packet, seq))
        # Kept only while the line goes on, so that a packet in a fragment is not found again with its line.
        self._stub_scanned = start if self._prefix else 0

    # What was found -----------------------------------------------------------------------------------

    def _take_boot(self, found: list[Boot | App]) -> None:
        for body in found:
            if isinstance(body, Boot):
                self._context.clear()
                self._app_sha256 = None
            else:
                self._app_sha256 = body.elf_sha256 or self._app_sha256
        self._found += found

    def _take_panic(self, found: list[Panic | Backtrace]) -> None:
        for body in found:
            if isinstance(body, Panic):
                self._context.note_panic(body)
        self._found += found

    def _start_capture(self, seq: int, now: float) -> None:
        self._take_boot(self._boot.finish())
        coredump_id = f"{self._board}-{self._next_coredump}"
        self._next_coredump += 1
        self._capture = CoreDumpCapture(coredump_id, self._limits, seq, now)
        panic = self._context.panic
        self._found += [
            CaptureOpened(
                coredump_id,
                self._context.take(),
                (panic.app_sha256 if panic else None) or self._app_sha256,
                panic.reason if panic else None,
                panic.task if panic else None,
                seq,
            ),
            CoredumpStarted(coredump_id, seq),
        ]

    def _end_capture(self, reason: CaptureEndReason) -> None:
        active, self._capture = self._capture, None
        if active is None:
            return
        if self._prefix:
            # The board stopped in mid-line; what came of it is the dump's.
            active.salvage(strip_line(self._prefix), self._prefix_seq)
        ending = active.end(reason)
        if captured := active.take_bytes():
            self._found.append(captured)
        self._found += [ending, ending.event]


def _is_due(deadline: float | None, now: float) -> bool:
    return deadline is not None and now >= deadline
