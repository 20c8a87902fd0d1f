"""What is known of a board at this moment, folded from its own events."""

from dataclasses import dataclass

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


@dataclass(slots=True)
class BoardSummary:
    """The present; null where nothing was seen yet. ``disk`` is set by who knows it, and is no event."""

    state: BoardState = "absent"
    state_detail: str | None = "not opened yet"
    app: App | None = None
    chip: str | None = None
    writer: str | None = None
    last_crash: CrashSummary | None = None
    telemetry: Telemetry | None = None
    disk: str | None = None

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
                self.last_crash = CrashSummary(
                    at=rfc3339(event.at), cause=body.cause, reason=body.reason, boot=event.boot, seq=event.seq
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
            self.last_crash = CrashSummary(
                at=crash.at,
                cause=crash.cause,
                reason=crash.reason,
                boot=crash.boot,
                seq=crash.seq,
                coredump=coredump_id,
            )
