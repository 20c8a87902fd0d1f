"""Toasts: what the eye may have missed, said for some seconds. Pure; time is passed in."""

from dataclasses import dataclass
from typing import Final

from esperctl.safe_text import safe_text
from esperctl.viewer.view import Severity, Toast

DURATIONS_S: Final[dict[Severity, float]] = {"info": 3.0, "success": 3.0, "warning": 5.0, "error": 10.0}
# More would cover the log; the oldest goes first.
MAX_TOASTS: Final = 2
_MAX_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class _Said:
    topic: str
    text: str
    severity: Severity
    until: float
    count: int
    counts: bool


class Toasts:
    """What is said now."""

    def __init__(self) -> None:
        self._said: list[_Said] = []

    def say(
        self,
        text: str,
        severity: Severity,
        now: float,
        *,
        topic: str = "",
        counts: bool = False,
        at_least_s: float = 0.0,
    ) -> None:
        """Says something.

        Args:
            text: By anybody; it is made printable.
            severity: Says how long it stays.
            now: Monotonic seconds.
            topic: What is said of the same topic replaces what was said before; without one, the same text does.
            counts: Whether it says how often, when the one before of its topic counted, too.
            at_least_s: How long it stays, if that is longer than its severity has it.
        """
        text = safe_text(text[:_MAX_CHARACTERS])
        topic = topic or text
        before = next((said for said in self._said if said.topic == topic), None)
        count = before.count + 1 if counts and before is not None and before.counts else 1
        self._said = [said for said in self._said if said.topic != topic]
        self._said.append(_Said(topic, text, severity, now + max(DURATIONS_S[severity], at_least_s), count, counts))
        del self._said[:-MAX_TOASTS]

    def expire(self, now: float) -> None:
        """Forgets what was said for long enough."""
        self._said = [said for said in self._said if said.until > now]

    @property
    def next_at(self) -> float | None:
        """When the first one goes."""
        return min((said.until for said in self._said), default=None)

    def view(self) -> tuple[Toast, ...]:
        """What is to be seen, newest last."""
        return tuple(
            Toast(said.text if said.count == 1 else f"{said.text} ({said.count} times)", said.severity)
            for said in self._said
        )
