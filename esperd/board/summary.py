"""What is known of a board at this moment, folded from its own events."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from esper_protocol.events import (
    App,
    Body,
    Boot,
    CoredumpStarted,
    Event,
    Panic,
    SessionClosed,
    SessionFailed,
    SessionLost,
    SessionOpened,
    SessionReleased,
    Telemetry,
    WriterChanged,
)
from esper_protocol.records import BoardState, CrashSummary
from esperd.system.clock import rfc3339


def _ignore_crash(crash: CrashSummary) -> None:
    """Nobody keeps it."""


@dataclass(slots=True)
class BoardSummary:
    """The present; null where nothing was seen yet.

    ``disk`` is set by who knows it, and is no event. ``on_crash`` is told of each crash, and again when it has a core
    dump; it must neither wait nor raise.
    """

    state: BoardState = "absent"
    state_detail: str | None = "not opened yet"
    app: App | None = None
    chip: str | None = None
    writer: str | None = None
    last_crash: CrashSummary | None = None
    telemetry: Telemetry | None = None
    disk: str | None = None
    on_crash: Callable[[CrashSummary], None] = _ignore_crash

    def fold(self, event: Event) -> None:
        """Takes one event, in order."""
        body: Body = event.body
        match body:
            case SessionOpened():
                self.state, self.state_detail = "connected", None
            case SessionFailed() | SessionLost():
                self.state, self.state_detail = "absent", body.error
            case SessionReleased():
                command = f": {body.command}" if body.command else ""
                self.state, self.state_detail = "released", f"lent to {body.who}{command}"
            case SessionClosed():
                self.state, self.state_detail = "absent", body.reason
            case Boot():
                self.app = None
            case App():
                self.app, self.chip = body, body.chip or self.chip
            case Panic() if body.fatal:
                at = rfc3339(event.at)
                self._note_crash(
                    CrashSummary(at=at, cause=body.cause, reason=body.reason, boot=event.boot, seq=event.seq)
                )
            case CoredumpStarted():
                self._note_coredump(event, body.id)
            case WriterChanged():
                self.writer = body.writer
            case Telemetry():
                self.telemetry = body
            case _:
                pass

    def _note_coredump(self, event: Event, coredump_id: str) -> None:
        crash = self.last_crash
        # A dump belongs to the crash of the same start of the firmware.
        if crash is not None and crash.boot == event.boot:
            self._note_crash(msgspec.structs.replace(crash, coredump=coredump_id))

    def _note_crash(self, crash: CrashSummary) -> None:
        self.last_crash = crash
        self.on_crash(crash)
