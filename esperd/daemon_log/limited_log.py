"""Logging what clients can cause as often as they like: of each kind of line some a minute, and how many more came."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_PERIOD_S: Final = 60.0
_LINES_A_PERIOD: Final = 20


@dataclass(slots=True)
class _Kind:
    """The lines of one kind: when their period began, how many came in it, and the number of those left out before."""

    since: float
    count: int = 0


class LimitedLog:
    """A logger that leaves lines out.

    Args:
        log: Where lines go.
        clock: Seconds, monotonic.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def write(self, level: int, text: str, *values: object, error: Exception | None = None) -> None:
        """Logs a line, or counts it.

        Args:
            level: Of ``logging``.
            text: With a place for each of the values; what it is the same for is one kind.
            values: What is filled in.
            error: Whose stack is logged, too.
        """
        now = self._clock()
        kind = self._kinds.setdefault(text, _Kind(now))
        left_out = 0
        if now - kind.since >= _PERIOD_S:
            left_out = max(kind.count - _LINES_A_PERIOD, 0)
            kind.since, kind.count = now, 0
        kind.count += 1
        if kind.count > _LINES_A_PERIOD:
            return
        if left_out:
            text, values = f"{text} (%d such lines were left out before)", (*values, left_out)
        if kind.count == _LINES_A_PERIOD:
            text, values = f"{text} (more are left out for %d s)", (*values, kind.since + _PERIOD_S - now)
        self._log.log(level, text, *values, exc_info=error)
