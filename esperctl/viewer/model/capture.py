"""The core dump that is arriving: how far, how fast, for how long. Pure; time is passed in."""

from typing import Final

from esper_protocol.events import Body, CoredumpEnded, CoredumpProgress, CoredumpStarted
from esperctl.safe_text import safe_text
from esperctl.viewer.view import CaptureProgress

# How often the elapsed time is shown anew while nothing arrives.
TICK_S: Final = 1.0
# The share of the newest measurement in the rate: steady enough to be read, quick enough to show a stall.
_NEWEST_SHARE: Final = 0.4


class Capture:
    """The one that is under way, or none."""

    def __init__(self) -> None:
        self.id: str | None = None
        self._decoded_bytes = 0
        self._total_bytes: int | None = None
        self._bytes_per_s = 0.0
        self._elapsed_s = 0.0
        self._told_at = 0.0
        self._ticks_at = 0.0

    def start(self, coredump: str | None, now: float) -> None:
        """A dump begins to arrive, or is found arriving; None: there is none."""
        self.id = coredump
        self._decoded_bytes, self._total_bytes = 0, None
        self._bytes_per_s = self._elapsed_s = 0.0
        self._told_at = now
        self._ticks_at = now + TICK_S

    def follow(self, body: Body, now: float) -> None:
        """Takes note of an event."""
        match body:
            case CoredumpStarted():
                self.start(body.id, now)
            case CoredumpProgress():
                if self.id != body.id:
                    self.start(body.id, now)
                self._progress(body, now)
            case CoredumpEnded() if body.id == self.id:
                self.start(None, now)
            case _:
                pass

    def tick(self, now: float) -> None:
        """Time has passed."""
        if now >= self._ticks_at:
            self._ticks_at = now + TICK_S

    @property
    def next_at(self) -> float | None:
        """When the elapsed time changes."""
        return None if self.id is None else self._ticks_at

    def view(self, now: float) -> CaptureProgress | None:
        """What is to be seen."""
        if self.id is None:
            return None
        elapsed_s = self._elapsed_s + max(now - self._told_at, 0.0)
        return CaptureProgress(safe_text(self.id), self._decoded_bytes, self._total_bytes, self._bytes_per_s, elapsed_s)

    def _progress(self, body: CoredumpProgress, now: float) -> None:
        passed_s = body.elapsed_s - self._elapsed_s
        if passed_s > 0:
            rate = max(body.decoded_bytes - self._decoded_bytes, 0) / passed_s
            is_first = self._bytes_per_s == 0
            self._bytes_per_s = rate if is_first else self._bytes_per_s + _NEWEST_SHARE * (rate - self._bytes_per_s)
        self._decoded_bytes = body.decoded_bytes
        self._total_bytes = body.expected_bytes or self._total_bytes
        self._elapsed_s = body.elapsed_s
        self._told_at = now
