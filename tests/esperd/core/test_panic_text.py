from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from esperd.core.panic_text import ANCHORS, find_opening, parse_backtrace

# line, cause, reason, core, task, fatal
OPENING_LINES = [
    (
        b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.",
        ("exception", "LoadProhibited", 0, None, True),
    ),
    (
        b"Guru Meditation Error: Core  1 panic'ed (Unhandled debug exception). ",
        ("exception", "Unhandled debug exception", 1, None, True),
    ),
    (
        b"Guru Meditation Error of type StoreProhibited occurred on core  1. Exception was unhandled.",
        ("exception", "StoreProhibited", 1, None, True),
    ),
    (
        b"Guru Meditation Error: Core  0 panic'ed (Interrupt wdt timeout on CPU0). ",
        ("interrupt_watchdog", "Interrupt wdt timeout on CPU0", 0, None, True),
    ),
    (
        b"Guru Meditation Error: Core  0 panic'ed (Stack protection fault). ",
        ("stack_overflow", "Stack protection fault", 0, None, True),
    ),
    (b"Guru Meditation Error: Core  0 panic'ed (Cache error). ", ("exception", "Cache error", 0, None, True)),
    (b"Guru Meditation Error: Core  0 panic'ed (Double exception). ", ("exception", "Double exception", 0, None, True)),
    (
        b"abort() was called at PC 0x400d66b9 on core 1",
        ("abort", "abort() was called at PC 0x400d66b9 on core 1", 1, None, True),
    ),
    (b"abort() was called at PC 0x400D66B9", ("abort", "abort() was called at PC 0x400D66B9", None, None, True)),
    (
        b"assert failed: xQueueSemaphoreTake queue.c:1545 (( pxQueue ))",
        ("assert", "assert failed: xQueueSemaphoreTake queue.c:1545 (( pxQueue ))", None, None, True),
    ),
    (
        b'assertion "ptr != NULL" failed: file "../main/main.c", line 12, function: app_main',
        (
            "assert",
            'assertion "ptr != NULL" failed: file "../main/main.c", line 12, function: app_main',
            None,
            None,
            True,
        ),
    ),
    (
        b"***ERROR*** A stack overflow in task wifi task has been detected.",
        (
            "stack_overflow",
            "***ERROR*** A stack overflow in task wifi task has been detected.",
            None,
            "wifi task",
            True,
        ),
    ),
    (
        b"Stack smashing protect failure!",
        ("stack_smashing", "Stack smashing protect failure!", None, None, True),
    ),
    (
        b"CORRUPT HEAP: Bad head at 0x3ffb1234. Expected 0xabba1234 got 0x00000000",
        (
            "heap_corruption",
            "CORRUPT HEAP: Bad head at 0x3ffb1234. Expected 0xabba1234 got 0x00000000",
            None,
            None,
            False,
        ),
    ),
    (
        b"ESP_ERROR_CHECK failed: esp_err_t 0x101 (ESP_ERR_NO_MEM) at 0x400d1b6e",
        ("abort", "ESP_ERROR_CHECK failed: esp_err_t 0x101 (ESP_ERR_NO_MEM) at 0x400d1b6e", None, None, True),
    ),
    (
        b"Undefined behavior of type out_of_bounds",
        ("other", "Undefined behavior of type out_of_bounds", None, None, True),
    ),
    (b"Brownout detector was triggered", ("brownout", "Brownout detector was triggered", None, None, True)),
    (b"E BOD: Brownout detector was triggered", ("brownout", "Brownout detector was triggered", None, None, True)),
    (
        b"E (1234) BOD: Brownout detector was triggered",
        ("brownout", "Brownout detector was triggered", None, None, True),
    ),
    (
        b"E (9496) task_wdt: Task watchdog got triggered. The following tasks/users did not reset the watchdog:",
        ("task_watchdog", "Task watchdog got triggered.", None, None, False),
    ),
    (
        b"task_wdt: Task watchdog got triggered. The following tasks did not reset the watchdog in time:",
        ("task_watchdog", "Task watchdog got triggered.", None, None, False),
    ),
]
LINES = [line for line, _ in OPENING_LINES]


@pytest.mark.parametrize(("line", "expected"), OPENING_LINES)
@pytest.mark.parametrize("before", [b"", b"esp32> ", b"\x00\xff", b"I (123) app: half a li", b"half a word"])
def test_each_opening_is_found_at_the_start_and_behind_other_output(
    before: bytes, line: bytes, expected: tuple[str, str, int | None, str | None, bool]
) -> None:
    opened = find_opening((before + line).strip())
    assert opened is not None
    assert (opened.cause, opened.reason, opened.core, opened.task, opened.opening.fatal) == expected


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("before", [b"I (123) app: ", b"I (123) app: the last crash: ", b'said "', b"I (1) wifi:"])
def test_no_opening_is_found_where_it_is_quoted(before: bytes, line: bytes) -> None:
    assert find_opening(before + line) is None


@pytest.mark.parametrize("line", LINES)
def test_every_opening_has_an_anchor_by_which_a_block_is_searched(line: bytes) -> None:
    assert any(anchor in line for anchor in ANCHORS)


@pytest.mark.parametrize(
    "anchor",
    [b"Guru Meditation Error", b"abort() was called", b'assertion "', b"***ERROR***", b"Undefined behavior of type"],
)
def test_an_anchor_alone_opens_nothing(anchor: bytes) -> None:
    assert find_opening(anchor) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Guru Meditation Error: Core " + b"9" * 5000 + b" panic'ed (x)",
        b"Guru Meditation Error of type x occurred on core " + b"9" * 5000,
    ],
)
def test_a_number_of_thousands_of_digits_is_not_parsed(line: bytes) -> None:
    opened = find_opening(line)
    assert opened is None or (opened.core is not None and opened.core < 1000)


BACKTRACES: list[tuple[bytes, tuple[list[tuple[int, int]], bool] | None]] = [
    (b"Backtrace: 0x40081d85:0x3ffb5f20", ([(0x40081D85, 0x3FFB5F20)], False)),
    (
        b"Backtrace:0x40081D85:0x3FFB5F20 0x400D1B6E:0x3FFB5F40",
        ([(0x40081D85, 0x3FFB5F20), (0x400D1B6E, 0x3FFB5F40)], False),
    ),
    (
        b"Backtrace: 0x40081d85:0x3ffb5f20 0x400d1b6e:0x3ffb5f40 |<-CORRUPTED",
        ([(0x40081D85, 0x3FFB5F20), (0x400D1B6E, 0x3FFB5F40)], True),
    ),
    (b"Backtrace: 0x40081d85:0x3ffb5f20 |<-CONTINUES", ([(0x40081D85, 0x3FFB5F20)], False)),
    (b"Backtrace: |<-CORRUPTED", ([], True)),
    (b"Backtrace:", ([], False)),
    (b"Backtrace: 0x40081d85:0x3ffb5f20 0x400d1b", ([(0x40081D85, 0x3FFB5F20)], False)),
    (b"I (1) app: Backtrace: 0x40081d85:0x3ffb5f20", None),
    (b"", None),
]


@pytest.mark.parametrize(("line", "expected"), BACKTRACES)
def test_a_backtrace_is_its_pairs_innermost_first(
    line: bytes, expected: tuple[list[tuple[int, int]], bool] | None
) -> None:
    assert parse_backtrace(line) == expected


@given(st.lists(st.sampled_from([*LINES, *ANCHORS]) | st.binary(max_size=20), max_size=6).map(b"".join))
def test_no_bytes_raise_and_what_is_found_is_bounded(line: bytes) -> None:
    parse_backtrace(line)
    opened = find_opening(line)
    assert opened is None or len(opened.reason) <= 4 * 1024
