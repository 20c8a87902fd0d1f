"""Times: what people type into nanoseconds since the Unix epoch, and those into RFC 3339. Pure.

The local time zone is the one of the ``now`` that is passed, or the machine's for a date without an offset.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from esperctl.errors import UsageError

_NS_IN_S: Final = 1_000_000_000
# What a wait of the system takes.
_LONGEST_DURATION_S: Final = 1e9
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = r"((?:\d{1,9}(?:s|m|h|d|w))+)(?:\s+ago)?"
_PART: Final = r"(\d+)([smhdw])"
_CLOCK: Final = r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?"
_DATE: Final = r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?\s*(?:[Zz]|[+-]\d\d:\d\d)?)?"
_FORMS: Final = (
    "write 2026-01-31T08:30:00Z, '2026-01-31 08:30', 2026-01-31, 08:30, 08:30:15, 10m, 2h, '3d ago', today or yesterday"
)


def parse_time(text: str, now: datetime) -> int:
    """The time that *text* names, as nanoseconds since the Unix epoch.

    Args:
        text: RFC 3339, a local date with or without a time, a local time of today, how long ago (``10m``,
            ``1h30m``, ``3d ago``), ``now``, ``today`` or ``yesterday`` (their midnight).
        now: The present, with a time zone.

    Raises:
        UsageError: it is none of these.
    """
    try:
        return _nanoseconds(_parse(text.strip(), now))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"'{text}' is not a time that esperctl understands", _FORMS) from error


def _parse(text: str, now: datetime) -> datetime:
    word = text.lower()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if word == "now":
        return now
    if word == "today":
        return midnight.astimezone()
    if word == "yesterday":
        return (midnight - timedelta(days=1)).astimezone()
    if match := re.fullmatch(_AGO, word):
        return now - _duration(match[1])
    if re.fullmatch(_CLOCK, word):
        hours, rest = word.split(":", 1)
        return datetime.fromisoformat(f"{midnight:%Y-%m-%d}T{hours:0>2}:{rest}").astimezone()
    if re.fullmatch(_DATE, text):
        parsed = datetime.fromisoformat(re.sub(r"\s+(?=[Zz+-])", "", text).upper().replace(" ", "T"))
        return parsed if parsed.tzinfo is not None else parsed.astimezone()
    raise ValueError(text)


def _duration(text: str) -> timedelta:
    return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in re.findall(_PART, text)), timedelta())


def parse_duration(text: str) -> float:
    """How long *text* is, in seconds: ``90``, ``1.5``, ``90s``, ``5m``, ``1h30m``.

    Raises:
        ValueError: it is none of these, or no time at all.
    """
    is_with_units = re.fullmatch(rf"(?:{_PART})+", text) is not None
    try:
        duration_s = _duration(text).total_seconds() if is_with_units else float(text)
    except OverflowError as error:
        raise ValueError(text) from error
    if not 0 < duration_s < _LONGEST_DURATION_S:
        raise ValueError(text)
    return duration_s


def _nanoseconds(moment: datetime) -> int:
    # Whole seconds and microseconds apart: a float of nanoseconds would lose the last digits.
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_epoch.days * 86_400 + since_epoch.seconds) * _NS_IN_S + since_epoch.microseconds * 1000


def rfc3339(at_ns: int) -> str:
    """*at_ns* in UTC with microseconds, e.g. ``2026-01-31T08:30:00.123456Z``."""
    seconds, nanoseconds = divmod(at_ns, _NS_IN_S)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1000:06}Z"


class LocalClock:
    """Local wall-clock text for times that mostly fall into the same second as the one before."""

    def __init__(self) -> None:
        self._second: int | None = None
        self._text = ""
        self._date = ""

    def time(self, at_ns: int) -> str:
        """*at_ns* as ``HH:MM:SS.mmm``."""
        self._look(at_ns)
        return f"{self._text}.{at_ns // 1_000_000 % 1000:03}"

    def date(self, at_ns: int) -> str:
        """*at_ns* as ``YYYY-MM-DD``."""
        self._look(at_ns)
        return self._date

    def _look(self, at_ns: int) -> None:
        second = at_ns // _NS_IN_S
        if second != self._second:
            moment = datetime.fromtimestamp(second, UTC).astimezone()
            self._second, self._text, self._date = second, f"{moment:%H:%M:%S}", f"{moment:%Y-%m-%d}"


def local_text(rfc3339_text: str) -> str:
    """A record's RFC 3339 time to the second, in the local zone, e.g. ``2026-01-31 08:30:00``."""
    try:
        return f"{datetime.fromisoformat(rfc3339_text).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return rfc3339_text
