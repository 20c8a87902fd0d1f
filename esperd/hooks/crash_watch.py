"""Which events of a board are one crash, and when it is time to tell of it. Pure: time comes in as an argument.

A crash is a panic after which the program does not run on, or a core dump, or both in the same start of the firmware.
It is told once, as soon as nothing more is to come: the dump has arrived, what can be decoded is decoded, and the
firmware has started again or was silent for a while. A limit ends the waiting in any case.
"""

from dataclasses import dataclass, field
from typing import Final

from esper_protocol.events import (
    App,
    Body,
    Boot,
    CoredumpEnded,
    CoredumpStarted,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeTimedOut,
    Event,
    Panic,
    SessionClosed,
    SessionLost,
    SessionReleased,
    panic_target,
)

# A dump begins within milliseconds after a panic; a chip that waits for a debugger, or halts, says no more.
SETTLE_S: Final = 5.0


@dataclass(slots=True)
class Crash:
    """What is known of one; ``at`` is in nanoseconds, ``report`` is the decoded panic as JSON.

    ``app`` is what the boot log before it said of the program.
    """

    at: int
    generation: int
    boot: int
    seq: int
    panic: Panic | None
    app: App | None = None
    coredump: str | None = None
    report: str | None = None
    awaited: set[str] = field(default_factory=set[str])
    is_over: bool = False
    noticed_at: float = 0.0
    changed_at: float = 0.0

    @property
    def panic_target(self) -> str:
        """How events name the decode of the panic."""
        return panic_target(self.seq)


class CrashWatch:
    """Watches the events of one board.

    Args:
        wait_s: The longest that a crash may wait for what belongs to it.
    """

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self._open: Crash | None = None
        self._app: App | None = None

    @property
    def deadline(self) -> float | None:
        """When ``on_deadline`` is to be called; None while there is no crash."""
        crash = self._open
        if crash is None:
            return None
        latest = crash.noticed_at + self.wait_s
        if crash.awaited:
            return latest
        return crash.changed_at if crash.is_over else min(latest, crash.changed_at + SETTLE_S)

    def receive(self, event: Event, now: float) -> Crash | None:
        """Takes an event; gives the crash before, when another one begins."""
        crash, body = self._open, event.body
        self._note_app(body)
        match body:
            case Panic() if body.fatal:
                return None if self._is_of_open(event) else self._begin(event, body, None, now)
            case CoredumpStarted():
                if crash is None or not self._is_of_open(event):
                    return self._begin(event, None, body.id, now)
                # A second dump of the same crash is in the journal; the first is the one that is told.
                if crash.coredump is None:
                    crash.coredump = body.id
                    crash.awaited.add(body.id)
            case CoredumpEnded() if crash is not None and body.id == crash.coredump and not body.decoded_bytes:
                crash.awaited.discard(body.id)
            case DecodeQueued() if crash is not None and body.target in (crash.panic_target, crash.coredump):
                crash.awaited.add(body.target)
            case DecodeFinished() | DecodeFailed() | DecodeTimedOut() | DecodeCancelled():
                if crash is None or body.target not in crash.awaited:
                    return None
                crash.awaited.discard(body.target)
                if isinstance(body, DecodeFinished) and body.target == crash.panic_target:
                    crash.report = body.report
            case Boot() | SessionLost() | SessionClosed() | SessionReleased() if crash is not None:
                crash.is_over = True
            case _:
                return None
        crash.changed_at = now
        return None

    def on_deadline(self, now: float) -> Crash | None:
        """Gives the crash when it is time to tell of it."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return None
        crash, self._open = self._open, None
        return crash

    def _note_app(self, body: Body) -> None:
        if isinstance(body, App):
            self._app = body
        elif isinstance(body, Boot):
            self._app = None

    def _is_of_open(self, event: Event) -> bool:
        crash = self._open
        return crash is not None and (crash.generation, crash.boot) == (event.generation, event.boot)

    def _begin(self, event: Event, panic: Panic | None, coredump: str | None, now: float) -> Crash | None:
        before = self._open
        self._open = Crash(event.at, event.generation, event.boot, event.seq, panic, self._app)
        self._open.coredump = coredump
        if coredump is not None:
            self._open.awaited.add(coredump)
        self._open.noticed_at = self._open.changed_at = now
        return before
