"""When a line came, as text of one fixed width. Pure."""

from typing import Final, Literal

from esperctl.times import LocalClock

Timestamps = Literal["off", "wall", "boot", "delta"]

_WIDTHS: Final[dict[Timestamps, int]] = {"off": 0, "wall": 12, "boot": 10, "delta": 10}
_NS_IN_S: Final = 1_000_000_000
# Boots of months; the oldest are forgotten.
_MOST_BOOTS: Final = 4096


def time_width(kind: Timestamps) -> int:
    """The columns that times take."""
    return _WIDTHS[kind]


class LineTimes:
    """Makes the text, and knows when boots began."""

    def __init__(self) -> None:
        self._clock = LocalClock()
        self._began_at: dict[int, int] = {}

    def boot_began(self, boot: int, at_ns: int) -> None:
        """Takes note of a boot."""
        self._began_at[boot] = at_ns
        if len(self._began_at) > _MOST_BOOTS:
            del self._began_at[min(self._began_at)]

    def forget(self) -> None:
        """Forgets all boots: another board counts its own."""
        self._began_at.clear()

    def text(self, kind: Timestamps, at_ns: int, boot: int, before_ns: int | None) -> str:
        """The time of a line.

        Args:
            kind: Which time.
            at_ns: When the line came, nanoseconds since the Unix epoch.
            boot: The boot that it belongs to.
            before_ns: When the line above it came, if there is one.
        """
        match kind:
            case "off":
                return ""
            case "wall":
                return self._clock.time(at_ns)
            case "boot":
                since_ns = self._began_at.get(boot)
                text = "?" if since_ns is None else _seconds(at_ns - since_ns)
            case _:
                text = "" if before_ns is None else f"+{_seconds(at_ns - before_ns)}"
        return text.rjust(_WIDTHS[kind])[: _WIDTHS[kind]]


def _seconds(duration_ns: int) -> str:
    # A clock that was set back gives no negative durations: they would only puzzle.
    milliseconds = max(duration_ns, 0) // 1_000_000
    seconds = f"{milliseconds // 1000}.{milliseconds % 1000:03}"
    return seconds if len(seconds) <= 9 else f"{milliseconds // 1000}"
