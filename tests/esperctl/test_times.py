import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from esperctl.errors import UsageError
from esperctl.times import LocalClock, local_text, parse_time, rfc3339

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
NS = 1_000_000_000


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T08:30:00Z", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
        ("2026-01-31t08:30:00z", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
        ("2026-01-31T08:30:00+02:00", datetime(2026, 1, 31, 8, 30, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-01-31 08:30:00 +02:00", datetime(2026, 1, 31, 8, 30, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-01-31 08:30", datetime(2026, 1, 31, 8, 30).astimezone()),
        ("2026-01-31 08:30:15", datetime(2026, 1, 31, 8, 30, 15).astimezone()),
        ("2026-01-30", datetime(2026, 1, 30).astimezone()),
        ("8:05", datetime(2026, 1, 31, 8, 5).astimezone()),
        ("08:30:15", datetime(2026, 1, 31, 8, 30, 15).astimezone()),
        ("10m", NOW - timedelta(minutes=10)),
        ("2h", NOW - timedelta(hours=2)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("3d ago", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("now", NOW),
        ("today", datetime(2026, 1, 31).astimezone()),
        ("Yesterday", datetime(2026, 1, 30).astimezone()),
    ],
)
def test_every_form_of_a_time_is_understood(text: str, expected: datetime) -> None:
    assert parse_time(text, NOW) == ns(expected)


def test_fractions_of_a_second_are_kept() -> None:
    assert parse_time("2026-01-31T08:30:00.123456Z", NOW) == ns(datetime(2026, 1, 31, 8, 30, tzinfo=UTC)) + 123_456_000


@pytest.mark.parametrize(
    "text",
    ["", "soon", "25:00", "2026-13-01", "2026-02-30", "20260131", "10x", "-10m", "999999999w", "10 m", "1²m", "0x10s"],
)
def test_what_is_no_time_is_an_error_that_lists_the_forms(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_time(text, NOW)
    assert caught.value.hint is not None
    assert "yesterday" in caught.value.hint
    assert caught.value.exit_code == 2


@given(st.text(max_size=40))
def test_no_text_gives_anything_but_a_time_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(parse_time(text, NOW), int)


@given(st.integers(0, 4_000_000_000 * NS))
def test_printed_times_are_understood_again(at_ns: int) -> None:
    assert parse_time(rfc3339(at_ns), NOW) == at_ns // 1000 * 1000


def test_rfc_3339_is_in_utc_with_microseconds() -> None:
    assert rfc3339(1_769_848_200 * NS + 123_456_789) == "2026-01-31T08:30:00.123456Z"


def test_the_local_clock_shows_milliseconds() -> None:
    clock = LocalClock()
    at_ns = ns(datetime(2026, 1, 31, 8, 30, 15).astimezone()) + 42_900_000
    assert clock.time(at_ns) == "08:30:15.042"
    assert clock.time(at_ns + NS) == "08:30:16.042"
    assert clock.date(at_ns) == "2026-01-31"


def test_a_record_time_that_is_malformed_is_shown_as_it_is() -> None:
    assert local_text("yesterday or so") == "yesterday or so"
