"""What ends a core dump, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import (
    Backtrace,
    CaptureEndReason,
    CoredumpEnded,
    CoredumpProgress,
    Line,
    Panic,
)
from esperd.core.capture import CapturedBytes
from esperd.core.limits import CoreLimits
from esperd.testing.board_texts import (
    ABORT,
    BACKTRACE,
    BANNER,
    BOOTLOADER,
    END,
    LOG,
    RESET,
    SHA,
    START,
)

if TYPE_CHECKING:
    from tests.esperd.core.conftest import Driver, DumpMaker


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (END, "end_marker"),
        (BANNER, "reboot"),
        (b"ESP-ROM:esp32c3-api1-20210207\r\n", "reboot"),
        (RESET, "reboot"),
        (b"\xff\xfe" + RESET, "reboot"),
        (BOOTLOADER, "reboot"),
        (b"E (5) esp_core_dump_common: Core dump write failed with error=-1\r\n", "write_failed"),
        (b"I (5) esp_core_dump_uart: Core dump has been written to uart.\r\n", "write_failed"),
        (START, "new_dump"),
    ],
)
def test_a_line_ends_an_unfinished_dump_and_is_shown(
    after: bytes, reason: str, make_driver: type[Driver], dumps: DumpMaker
) -> None:
    board = make_driver()
    lines = dumps.lines()[:3]
    board.send(START + b"".join(lines) + after + LOG)
    event = board.all(CoredumpEnded)[0]
    assert (event.id, event.capture, event.end_reason, event.checksum) == ("bench-1", "partial", reason, "absent")
    assert (event.raw_lines, event.decoded_bytes, event.expected_bytes) == (3, 24 + 96, 228)
    assert board.captured()["bench-1"].text == b"".join(lines)
    assert board.text() == START + b"".join(lines) + after + LOG
    assert board.pipeline.capture_id == ("bench-2" if reason == "new_dump" else None)


ORDERS: list[CaptureEndReason] = ["aborted", "port_lost", "port_released", "daemon_stopped", "disk_full"]


@pytest.mark.parametrize("reason", ORDERS)
@pytest.mark.parametrize("complete", [False, True])
def test_an_order_from_outside_ends_a_dump(
    reason: CaptureEndReason, complete: bool, make_driver: type[Driver], dumps: DumpMaker
) -> None:
    board = make_driver()
    lines = dumps.lines() if complete else dumps.lines()[:2]
    board.send(START, *lines)
    finish = board.end_capture if reason in {"aborted", "disk_full"} else board.hang_up
    finish(reason)
    event = board.one(CoredumpEnded)
    assert event.end_reason == ("complete" if complete else reason)
    assert event.capture == ("captured" if complete else "partial")
    assert board.captured()["bench-1"].text == b"".join(lines)
    assert board.pipeline.deadline is None


def test_silence_ends_a_dump_although_other_lines_still_flow(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver(CoreLimits(coredump_idle_s=10.0))
    board.send(START, *dumps.lines()[:2])
    for _ in range(12):
        board.wait(1.0)
        board.send(LOG)
    event = board.one(CoredumpEnded)
    assert (event.end_reason, event.capture, event.rejected_lines) == ("idle_timeout", "partial", 9)
    assert board.captured()["bench-1"].rejected == LOG * 9


def test_a_dump_of_full_length_needs_no_end_marker(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver(CoreLimits(complete_grace_s=1.0))
    board.send(START, *dumps.lines())
    board.wait(0.9)
    assert board.all(CoredumpEnded) == []
    board.wait(0.1)
    event = board.one(CoredumpEnded)
    assert (event.end_reason, event.capture, event.checksum) == ("complete", "captured", "ok")
    board.send(END + LOG)
    assert board.pipeline.capture_id is None


@pytest.mark.parametrize("after", [b"Rebooting...\r\n", BANNER, START, b"Core dump has been written to uart.\r\n"])
def test_a_dump_of_full_length_is_complete_whatever_follows(
    after: bytes, make_driver: type[Driver], dumps: DumpMaker
) -> None:
    board = make_driver()
    board.send(START, *dumps.lines(), after)
    event = board.all(CoredumpEnded)[0]
    assert (event.end_reason, event.capture, event.checksum) == ("complete", "captured", "ok")


def test_a_dump_that_is_too_large_ends_at_the_limit(make_driver: type[Driver]) -> None:
    board = make_driver()
    line = b"A" * 64 + b"\r\n"
    lines = 4 * 1024 * 1024 // len(line) + 1
    board.send(START, *[line * 1000] * (lines // 1000 + 1))
    event = board.one(CoredumpEnded)
    assert (event.end_reason, event.raw_lines) == ("size_limit", lines)
    assert len(board.captured()["bench-1"].text) == event.raw_bytes == lines * len(line)


def test_a_dump_of_too_many_lines_ends_at_the_limit(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(coredump_lines=100))
    board.send(START + b"AAAA\r\n" * 60 + b"!\r\n" * 60)
    event = board.one(CoredumpEnded)
    assert (event.end_reason, event.raw_lines, event.rejected_lines) == ("line_limit", 60, 40)


def test_the_beginning_of_a_line_at_the_end_of_a_session_is_kept(make_driver: type[Driver], dumps: DumpMaker) -> None:
    header, line, *_ = dumps.lines()
    board = make_driver()
    board.send(START + header + line[:30])
    board.hang_up()
    event = board.one(CoredumpEnded)
    assert (event.end_reason, event.decoded_bytes, event.last_seq) == ("port_lost", 24 + 21, 4)
    assert board.text() == START + header + line[:30]


def test_a_base64_line_in_fragments_is_one_line_of_the_dump(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver()
    board.send(START)
    for line in dumps.lines():
        board.send(line[:7])
        board.wait(0.2)
        board.send(line[7:])
    board.send(END)
    assert board.ending().event.checksum == "ok"
    assert board.captured()["bench-1"].text == b"".join(dumps.lines())


def test_a_log_line_inside_a_dump_is_shown_and_detected_but_no_part_of_it(
    make_driver: type[Driver], dumps: DumpMaker
) -> None:
    board = make_driver()
    first, *rest = dumps.lines()
    board.send(START + first + LOG + BACKTRACE + b"".join(rest) + END)
    assert board.captured()["bench-1"] == CapturedBytes(
        "bench-1", first + b"".join(rest), board.captured()["bench-1"].decoded, LOG + BACKTRACE
    )
    assert board.ending().event.checksum == "ok"
    assert board.one(Backtrace).line_seq == 5


def test_a_quoted_marker_inside_a_dump_does_not_end_it(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver()
    first, *rest = dumps.lines()
    board.send(START + first + b"I (5) app: " + END + b"I (5) app: " + START + b"".join(rest) + END)
    assert (board.ending().event.end_reason, board.ending().event.rejected_lines) == ("end_marker", 2)


def test_a_panic_inside_a_dump_is_found(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver()
    board.send(START, *dumps.lines()[:2], ABORT + b"\r\n" + BACKTRACE + SHA)
    board.send(b"Re-entered core dump! Exception happened during core dump!\r\nRebooting...\r\n", BANNER)
    assert [panic.cause for panic in board.all(Panic)] == ["abort", "nested"]
    assert board.ending().event.end_reason == "reboot"


def test_a_dump_of_no_length(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(START + END)
    event = board.one(CoredumpEnded)
    assert (event.capture, event.end_reason, event.raw_bytes, event.expected_bytes) == (
        "partial",
        "end_marker",
        0,
        None,
    )
    assert (event.first_seq, event.last_seq) == (1, 3)


def test_two_dumps_in_a_row_are_two(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver()
    board.send(dumps.text(200) + dumps.text(300))
    assert [(event.id, event.checksum) for event in board.all(CoredumpEnded)] == [("bench-1", "ok"), ("bench-2", "ok")]
    assert len(board.captured()["bench-2"].decoded) == 328
    assert board.pipeline.next_coredump == 3


def test_an_end_marker_without_a_dump_means_nothing(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(END + LOG)
    assert board.all(Line) == [Line(END + LOG, 2)]


def test_progress_is_told_while_a_dump_arrives(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver(CoreLimits(progress_s=0.25))
    board.send(START)
    for line in dumps.lines():
        board.send(line)
        board.wait(0.1)
    progress = board.all(CoredumpProgress)
    assert [(step.raw_lines, step.expected_bytes) for step in progress] == [(3, 228), (5, 228)]


def test_progress_of_a_dump_that_stalls_tells_all_that_arrived(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver(CoreLimits(progress_s=0.25))
    lines = dumps.lines()
    board.send(START, *lines[:3])
    board.wait(5.0)
    progress = board.all(CoredumpProgress)
    assert [step.raw_lines for step in progress] == [3]
