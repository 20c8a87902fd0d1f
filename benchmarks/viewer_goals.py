"""The goals of the viewer."""

from collections.abc import Sequence
from typing import Final

from benchmarks.goals import Goal, metric

_KEY_P50_MS: Final = 50.0
_KEY_P99_MS: Final = 200.0
_GROWTH_MB: Final = 2.0
_START_MS: Final = 600.0
_SIZES: Final = ("80x24", "160x50")


def _goals_of_keys(what: str, use: str, kind: str, size: str) -> list[Goal]:
    keys, subject = "viewer-keys", f"{use}-{size}"
    p50, p99 = metric(f"{kind}p50_ms", subject), metric(f"{kind}p99_ms", subject)
    return [
        Goal(20, f"{what}, {size}: p50, ms", keys, p50, _KEY_P50_MS, _KEY_P50_MS, is_wall=True),
        Goal(20, "same: p99, ms", keys, p99, _KEY_P99_MS, _KEY_P99_MS, is_wall=True),
    ]


def _goal_of_processor(size: str) -> Goal:
    percent = metric("core_percent", f"watching-{size}")
    return Goal(21, f"300 kB/s, {size}: viewer, % of a core", "viewer-keys", percent, 25, 50)


def _goal_of_memory(use: str) -> Goal:
    what = f"viewer, {use}: growth, MB"
    return Goal(22, what, "viewer-memory", metric("growth_mb", use), _GROWTH_MB, _GROWTH_MB)


VIEWER_GOALS: Final[Sequence[Goal]] = (
    *(goal for size in _SIZES for goal in _goals_of_keys("300 kB/s: a command", "commands", "", size)),
    *(goal for size in _SIZES for goal in _goals_of_keys("300 kB/s: an echo", "typing", "echo_", size)),
    *map(_goal_of_processor, _SIZES),
    *map(_goal_of_memory, ("following", "scrolled-back", "everything")),
    Goal(23, "viewer, idle: wake-ups per second", "viewer-idle", metric("wakeups_per_s", "attach"), 0.1, 1),
    Goal(
        24, "viewer: start to picture, ms", "viewer-start", metric("wall_ms", "attach"), _START_MS, 1000, is_wall=True
    ),
    Goal(25, "viewer: 100 MB to catch up, s", "viewer-history", metric("seconds", "stopped"), 10, 30, is_wall=True),
    Goal(25, "same: a key, greatest, ms", "viewer-history", metric("max_ms", "stopped"), 200, 500, is_wall=True),
)
