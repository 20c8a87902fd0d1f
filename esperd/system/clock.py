"""The only reader of the wall clock. Monotonic time is ``trio.current_time()``, taken where the waiting is done."""

import datetime
import time


def wall_ns() -> int:
    """Nanoseconds since the Unix epoch."""
    return time.time_ns()


def rfc3339(at_ns: int) -> str:
    """UTC, to the microsecond: ``2026-03-01T03:12:45.123456Z``."""
    moment = datetime.datetime.fromtimestamp(at_ns // 1_000_000_000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ns // 1000 % 1_000_000:06d}Z"
