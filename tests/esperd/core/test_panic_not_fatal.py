"""Reports after which the program may run on: the task watchdog's, and those of the heap."""

from __future__ import annotations

import pytest

from esperd.testing.panic_texts import (
    ABORT,
    BACKTRACE,
    FRAMES,
    OTHER_BACKTRACE,
    SHA,
    WATCHDOG,
    panic,
    panics,
)


def test_heap_corruption_alone_is_no_crash() -> None:
    (found,) = panics(
        b"CORRUPT HEAP: Bad head at 0x3ffb. Expected 0xabba1234 got 0x0\n"
        b"CORRUPT HEAP: Bad tail at 0x3ffb. Expected 0xbaad5678 got 0x0\n"
        b"something without a prefix\nI (5) app: I go on\n",
        close=False,
    )
    assert (found.cause, found.fatal, found.first_seq, found.last_seq) == ("heap_corruption", False, 1, 2)


@pytest.mark.parametrize("case", [bytes.lower, bytes.upper])
def test_the_task_watchdog_is_no_crash_and_its_hex_comes_in_both_cases(case: type[bytes]) -> None:
    backtrace = b"Backtrace: " + b" ".join(b"0x%s:0x%s" % (case(b"400d66b6"), case(b"3ffb5f20")) for _ in range(2))
    text = WATCHDOG + b"E (9496) task_wdt: Print CPU 0 (current core) backtrace\n\n\n" + backtrace + b"\n\n"
    text += b"E (9496) task_wdt: Print CPU 1 backtrace\n\n\n" + OTHER_BACKTRACE + b"\nI (9500) app: still here\n"
    found = panic(text, close=False)
    assert (found.cause, found.fatal, found.task, found.core) == ("task_watchdog", False, "hog", 0)
    assert found.reason == "Task watchdog got triggered."
    assert found.backtrace == [(0x400D66B6, 0x3FFB5F20)] * 2
    assert (found.first_seq, found.last_seq) == (1, 14)


def test_a_task_watchdog_report_ends_with_what_the_program_prints_next() -> None:
    found = panic(WATCHDOG + OTHER_BACKTRACE + b"\nhello from printf\n", close=False)
    assert (found.fatal, found.last_seq) == (False, 6)
    assert panic(WATCHDOG + b"printf\nI (5) app: log\n", close=False).last_seq == 5


def test_two_reports_of_the_task_watchdog_are_two_events() -> None:
    text = WATCHDOG + OTHER_BACKTRACE + b"\n"
    assert [(found.first_seq, found.last_seq) for found in panics(text + text)] == [(1, 6), (8, 13)]


def test_the_task_watchdog_that_aborts_is_one_crash() -> None:
    text = WATCHDOG + b"E (9496) task_wdt: Aborting.\n" + ABORT + b"\n" + BACKTRACE + SHA
    found = panic(text, close=False)
    assert (found.cause, found.fatal, found.core, found.backtrace) == ("task_watchdog", True, 0, FRAMES)


def test_an_abort_after_a_task_watchdog_that_did_not_abort_is_another_event() -> None:
    first, second = panics(WATCHDOG + ABORT)
    assert (first.cause, first.fatal) == ("task_watchdog", False)
    assert (second.cause, second.fatal, second.first_seq) == ("abort", True, 6)


def test_a_task_watchdog_does_not_belong_to_the_introduction_before_it() -> None:
    assert [found.cause for found in panics(b"CORRUPT HEAP: Bad head\n" + WATCHDOG)] == [
        "heap_corruption",
        "task_watchdog",
    ]
