"""How often the screen is painted: at once for a key, not too often for what streams in."""

from collections.abc import Callable
from typing import Final, Protocol

# How long a board that is far away may take to echo what is typed.
_ANSWER_S: Final = 0.2


class _Timer(Protocol):
    def cancel(self) -> None: ...


class Frames:
    """Calls ``paint`` when there is something new.

    Args:
        paint: Draws and shows what is to be seen now.
        call_later: Of the event loop: calls a function after some seconds.
        now: Of the event loop: its time in seconds.
        interval_s: The least time between two paints that nobody waits for.
        short_interval_s: The same while somebody waits for what the board says to a key.
    """

    def __init__(
        self,
        paint: Callable[[], None],
        *,
        call_later: Callable[[float, Callable[[], None]], _Timer],
        now: Callable[[], float],
        interval_s: float = 1 / 12,
        short_interval_s: float = 1 / 40,
    ) -> None:
        self._paint = paint
        self._call_later = call_later
        self._now = now
        self._interval_s = interval_s
        self._short_interval_s = short_interval_s
        self._painted_at = -interval_s
        self._hurries_until = -interval_s
        self._timer: _Timer | None = None

    def soon(self) -> None:
        """Paints when the interval since the last time is over; many calls are one paint."""
        if self._timer is not None:
            return
        now = self._now()
        interval_s = self._short_interval_s if now < self._hurries_until else self._interval_s
        wait_s = self._painted_at + interval_s - now
        if wait_s <= 0:
            self._paint_now()
        else:
            self._timer = self._call_later(wait_s, self._paint_now)

    def at_once(self) -> None:
        """Paints now, for the effect of a key or a resize."""
        self._paint_now()

    def expect_answer(self) -> None:
        """What comes soon is the effect of a key, too: the board's echo."""
        self._hurries_until = self._now() + _ANSWER_S

    def _paint_now(self) -> None:
        self.stop()
        self._painted_at = self._now()
        self._paint()

    def stop(self) -> None:
        """Forgets a paint that is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
