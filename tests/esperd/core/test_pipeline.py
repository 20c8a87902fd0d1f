from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from esper_protocol.events import (
    App,
    Backtrace,
    Boot,
    CaptureEndReason,
    CoredumpEnded,
    CoredumpProgress,
    CoredumpPrompted,
    CoredumpStarted,
    GdbStub,
    Line,
    Panic,
    split_lines,
)
from esperd.core.capture import CapturedBytes, CaptureEnding
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import CaptureOpened, Effect, Output, WriteToBoard

if TYPE_CHECKING:
    from tests.esperd.core.conftest import Driver, DumpMaker

START = b"================= CORE DUMP START =================\r\n"
END = b"================= CORE DUMP END =================\r\n"
PROMPT = b"\x1b[0;32mI (1537) esp_core_dump_uart: Press Enter to print core dump to UART...\x1b[0m\r\n"
BANNER = b"ets Jul 29 2019 12:21:46\r\n"
RESET = b"rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
BOOTLOADER = b"I (25) boot: ESP-IDF v5.3 2nd stage bootloader\r\n"
APP = b"I (270) app_init: Project name:     hello\r\nI (287) app_init: ELF file SHA256:  aabbccdde...\r\n"
CALLING = b"I (300) main_task: Calling app_main()\r\n"
ABORT = b"abort() was called at PC 0x400d66b9 on core 0\r\n"
BACKTRACE = b"Backtrace: 0x400d66b6:0x3ffb5f20 0x400d6a14:0x3ffb5f40\r\n"
SHA = b"ELF file SHA256: 1b43c5e74\r\n"
CRASH = b"\r\n" + ABORT + b"\r\n\r\n" + BACKTRACE + b"\r\n\r\n" + SHA + b"\r\n"
LOG = b"I (5) app: hello\r\n"
LONG_PACKET = b"$T0b10:a85f0340;thread:1;#d5"
FIRST_LINE = b"5AAAAAIBAAAAAAAAAAAAAAAAAAAAAAAA\r\n"  # a header of version 1.2 that announces 228 bytes


# Blocks ------------------------------------------------------------------------------------------------


def test_lines_are_published_in_blocks_and_split_where_something_was_found(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(LOG * 3 + b"\n" + BACKTRACE + LOG * 2 + b"no newline")
    assert board.all(Line) == [Line(LOG * 3 + b"\n" + BACKTRACE, 5), Line(LOG * 2, 2)]
    assert board.one(Backtrace).line_seq == 5
    board.wait(1.0)
    assert board.all(Line)[-1] == Line(b"no newline", 1, "fragment")


def test_a_line_that_is_too_long_is_split_and_marked(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(line_bytes=50))
    board.send(LOG + b"x" * 120 + b"\n")
    assert [(line.count, line.end) for line in board.all(Line)] == [
        (1, "newline"),
        (1, "split"),
        (1, "split"),
        (1, "newline"),
    ]
    assert board.text() == LOG + b"x" * 120 + b"\n"


def test_a_split_line_in_which_something_is_found_stays_marked(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(line_bytes=50))
    board.send(b"$T0b#e6" + b"x" * 50)
    assert board.one(Line).end == "split"
    assert board.one(GdbStub) == GdbStub("$T0b#e6", 1)


def test_nothing_said_means_nothing_due(make_driver: type[Driver]) -> None:
    board = make_driver()
    assert board.pipeline.deadline is None
    assert board.pipeline.on_deadline(1e9, 1) == []
    assert board.pipeline.end_capture("aborted", 1e9, 1) == []
    assert board.hang_up() == []


# Fragments ---------------------------------------------------------------------------------------------


def test_a_prompt_without_newline_is_published_after_silence(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(fragment_s=0.1))
    board.send(b"esp32> ")
    assert board.pipeline.deadline == 0.1
    assert board.pipeline.on_deadline(0.05, 1) == []
    board.wait(0.1)
    assert board.all(Line) == [Line(b"esp32> ", 1, "fragment")]
    assert board.pipeline.deadline is None


@pytest.mark.parametrize("at", range(1, len(ABORT)))
def test_a_line_in_fragments_is_detected_whole_and_at_its_first_position(at: int, make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(LOG + ABORT[:at])
    board.wait(0.2)
    board.send(ABORT[at:] + b"\r\n" + SHA + BACKTRACE)
    assert board.text() == LOG + ABORT + b"\r\n" + SHA + BACKTRACE
    panic = board.one(Panic)
    assert (panic.cause, panic.first_seq, panic.last_seq) == ("abort", 2, 6)


def test_a_line_in_many_fragments_is_one_line(make_driver: type[Driver]) -> None:
    board = make_driver()
    for byte in BACKTRACE:
        board.send(bytes([byte]))
        board.wait(0.2)
    assert board.one(Backtrace) == Backtrace([(0x400D66B6, 0x3FFB5F20), (0x400D6A14, 0x3FFB5F40)], False, 1)


@pytest.mark.parametrize("packet", [b"$T0b#e6", LONG_PACKET])
def test_a_stop_reply_is_found_once_wherever_it_is_cut(packet: bytes, make_driver: type[Driver]) -> None:
    for at in range(1, len(packet) + 1):
        for silence in (0.0, 0.2):
            board = make_driver()
            board.send(LOG + packet[:at])
            board.wait(silence)
            board.send(packet[at:])
            board.wait(1.0)
            board.send(b"+$m0,4#fd\r\n")
            assert board.one(GdbStub).packet == packet.decode()
            assert packet[-1:] in board.lines()[board.one(GdbStub).line_seq]


def test_each_stop_reply_of_a_line_is_found_once(make_driver: type[Driver]) -> None:
    board = make_driver()
    for _ in range(2):
        board.send(b"$T0b#e6$T05#b9")
        board.wait(0.2)
    board.send(b"\n$T0b#e6\n")
    assert [(stub.packet, stub.line_seq) for stub in board.all(GdbStub)] == [
        ("$T0b#e6", 1),
        ("$T05#b9", 1),
        ("$T0b#e6", 4),
        ("$T05#b9", 4),
        ("$T0b#e6", 8),
    ]


def test_fragments_longer_than_a_line_are_searched_to_the_end(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(line_bytes=20))
    for part in (b"$T0b#e6", b"0123456789", b"$T05#b9", b"0123456789", b"$T0b#e6", b"\n"):
        board.send(part)
        board.wait(0.2)
    assert [stub.line_seq for stub in board.all(GdbStub)] == [1, 4, 7]


# Boots -------------------------------------------------------------------------------------------------


def test_a_boot_is_told_with_its_application(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(BANNER + b"\r\n" + RESET + b"configsip: 0\r\n" + BOOTLOADER + APP + CALLING + LOG)
    assert board.one(Boot) == Boot(12, "SW_CPU_RESET", "0x13 (SPI_FAST_FLASH_BOOT)", 3)
    assert board.one(App) == App("hello", None, "v5.3", "aabbccdde", 3, 8, "esp32")


def test_a_boot_log_ends_by_silence(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(RESET + APP)
    assert board.all(App) == []
    board.wait(10.0)
    assert board.one(App).project == "hello"
    assert board.pipeline.deadline is None


@pytest.mark.parametrize(
    "start", [BANNER, RESET, b"\xff\xfe" + RESET, BOOTLOADER], ids=["banner", "reset", "noise", "boot"]
)
def test_a_boot_cuts_a_panic_report(start: bytes, make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(ABORT + start + RESET + BACKTRACE)
    panic = board.one(Panic)
    assert (panic.cause, panic.backtrace, panic.last_seq) == ("abort", [], 1)
    kinds = [type(output) for _, output in board.outputs if isinstance(output, (Panic, Boot))]
    assert kinds[:2] == [Panic, Boot]


def test_the_text_before_a_boot_is_not_the_context_of_a_dump_after_it(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(CRASH + b"Rebooting...\r\n" + RESET + START)
    opened = board.one(CaptureOpened)
    assert (opened.context, opened.reason, opened.app_sha256) == (b"", None, None)


# Panics ------------------------------------------------------------------------------------------------


def test_a_panic_without_any_end_is_told_after_silence(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(ABORT + BACKTRACE)
    assert board.all(Panic) == []
    board.wait(10.0)
    panic = board.one(Panic)
    assert (panic.first_seq, panic.last_seq) == (1, 2)
    assert board.pipeline.deadline is None


def test_a_panic_behind_a_console_prompt_is_found(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(b"esp32> ")
    board.wait(0.2)
    board.send(ABORT + BACKTRACE + SHA)
    assert (board.one(Panic).cause, board.one(Panic).first_seq) == ("abort", 1)


def test_quoted_texts_mean_nothing(make_driver: type[Driver]) -> None:
    board = make_driver()
    for text in (ABORT, START, PROMPT, BANNER, RESET, b"Guru Meditation Error: Core  0 panic'ed (x)\r\n"):
        board.send(b"I (5) app: " + text, b'echo "' + text.strip() + b'"\r\n')
    board.wait(20.0)
    assert all(isinstance(output, Line) for _, output in board.outputs)


# Core dumps: the beginning -----------------------------------------------------------------------------


def test_a_dump_begins_with_the_text_of_its_panic(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver(next_coredump=17)
    board.send(LOG + CRASH + PROMPT + START)
    assert (board.pipeline.capture_id, board.pipeline.next_coredump) == ("bench-17", 18)
    reason = ABORT.strip().decode()
    assert board.one(CaptureOpened) == CaptureOpened("bench-17", CRASH[2:] + PROMPT, "1b43c5e74", reason, None, 15)
    assert board.one(CoredumpStarted) == CoredumpStarted("bench-17", 15)
    board.send(*dumps.lines(), END)
    assert board.pipeline.capture_id is None
    ending = board.ending()
    assert ending.event == board.one(CoredumpEnded)
    assert (ending.event.end_reason, ending.event.capture, ending.event.checksum) == ("end_marker", "captured", "ok")
    captured = board.captured()["bench-17"]
    assert captured.text == b"".join(dumps.lines())
    assert len(captured.decoded) == 228
    order = [type(output) for _, output in board.outputs if isinstance(output, Effect)]
    assert order[0] is WriteToBoard
    assert order[1] is CaptureOpened
    assert order[-1] is CaptureEnding


def test_the_application_is_known_from_its_boot_where_the_panic_does_not_say(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(RESET + APP + CALLING + ABORT + START)
    assert board.one(CaptureOpened).app_sha256 == "aabbccdde"


def test_a_dump_during_the_boot_log_knows_its_application(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(RESET + APP + START)
    assert board.one(CaptureOpened).app_sha256 == "aabbccdde"
    assert board.one(App).elf_sha256 == "aabbccdde"


def test_a_dump_without_anything_before_it_is_captured(make_driver: type[Driver], dumps: DumpMaker) -> None:
    board = make_driver()
    board.send(dumps.text())
    assert board.one(CaptureOpened) == CaptureOpened("bench-1", b"", None, None, None, 1)
    assert board.ending().event.checksum == "ok"


def test_the_context_of_a_dump_is_bounded(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(context_bytes=200))
    board.send(CRASH + LOG * 100 + START)
    context = board.one(CaptureOpened).context
    assert context.startswith(CRASH[2:] + LOG)
    assert 200 - len(LOG) < len(context) <= 200


def test_the_task_watchdogs_report_is_no_context(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(b"E (9) task_wdt: Task watchdog got triggered.\r\n" + LOG + LOG + START)
    assert board.one(Panic).fatal is False
    assert (board.one(CaptureOpened).context, board.one(CaptureOpened).reason) == (b"", None)


def test_a_later_crash_is_the_context_although_an_earlier_text_was_too_long(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(context_bytes=300))
    board.send(b"assert failed: f main.c:1 (x)\r\n", LOG * 500, CRASH + START)
    opened = board.one(CaptureOpened)
    assert opened.context == CRASH[2:]
    assert opened.reason == ABORT.strip().decode()


# Core dumps: the prompt --------------------------------------------------------------------------------


def test_every_prompt_is_answered_once(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(PROMPT)
    board.wait(5.0)
    board.send(PROMPT[:40], PROMPT[40:], LOG)
    assert board.all(CoredumpPrompted) == [CoredumpPrompted(True, 1), CoredumpPrompted(True, 3)]
    assert board.all(WriteToBoard) == [WriteToBoard(b"\n", "answer to the core dump prompt")] * 2


def test_a_prompt_in_fragments_is_answered_once(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(PROMPT[:-2])
    board.wait(0.2)
    board.send(PROMPT[-2:])
    assert len(board.all(WriteToBoard)) == 1


def test_answering_can_be_switched_off(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(answer_prompt=False))
    board.send(PROMPT)
    assert board.all(CoredumpPrompted) == [CoredumpPrompted(False, 1)]
    assert board.all(WriteToBoard) == []


def test_a_prompt_that_is_quoted_or_inside_a_dump_is_not_answered(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(b"I (5) app: " + PROMPT, b"esp> " + PROMPT, START + PROMPT + FIRST_LINE + PROMPT)
    assert board.all(CoredumpPrompted) == []
    assert board.all(WriteToBoard) == []


# Core dumps: the end -----------------------------------------------------------------------------------


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


# Properties --------------------------------------------------------------------------------------------

PIECES = [
    START, END, PROMPT, BANNER, RESET, BOOTLOADER, APP, CALLING, ABORT, BACKTRACE, SHA, CRASH, LOG, FIRST_LINE,
    b"ESP-ROM:esp32c3-api1-20210207\r\n", b"A" * 64 + b"\r\n", b"AAAA\r\n", b"AAA=\r\n", b"A===\r\n", b"AAAA" * 3,
    b"$T0b#e6", LONG_PACKET, b"$T", b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). \r\n",
    b"E (9) task_wdt: Task watchdog got triggered.\r\n", b"E (9) task_wdt: CPU 0: main\r\n", b"CORRUPT HEAP: x\r\n",
    b"PC      : 0x400d66b9  PS      : 0x00060b30\r\n", b"Core  0 register dump:\r\n", b"Stack memory:\r\n",
    b"Re-entered core dump! Exception happened during core dump!\r\n", b"Rebooting...\r\n",
    b"Core dump write failed with error=-1\r\n", b"Core dump has been written to uart.\r\n",
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff\xfe", b"\x1b[0;31m", b"\x1b[0m", b'"', b"esp> ", b"= CORE DUMP START =",
]  # fmt: skip
CUT_PIECES = st.tuples(st.sampled_from(PIECES), st.integers(0, 80)).map(lambda cut: cut[0][: cut[1]])
STREAMS = st.lists(st.sampled_from(PIECES) | CUT_PIECES | st.binary(max_size=12), max_size=40).map(b"".join)
SIZES = st.lists(st.integers(0, 150), max_size=40)
SMALL = CoreLimits(
    line_bytes=100, coredump_text_bytes=300, coredump_lines=8, panic_lines=6, context_bytes=150, answer_prompt=False
)
LIMITS = st.sampled_from([CoreLimits(), SMALL])
WHAT_A_LINE_HOLDS: dict[type[Output], tuple[bytes, ...]] = {
    Boot: (b"rst:0x", b"2nd stage bootloader"),
    App: (b"rst:0x", b"2nd stage bootloader"),
    Backtrace: (b"Backtrace:",),
    CoredumpPrompted: (b"Press Enter to print core dump to UART...",),
    CoredumpStarted: (b"CORE DUMP START",),
    CoredumpEnded: (b"CORE DUMP START",),
    CaptureOpened: (b"CORE DUMP START",),
    Panic: (b"abort()", b"Guru", b"task_wdt", b"CORRUPT", b"Re-entered"),
    GdbStub: (b"$T",),
}


def feed(board: Driver, data: bytes, sizes: list[int]) -> None:
    for size in sizes:
        board.send(data[:size])
        data = data[size:]
    board.send(data)
    board.hang_up()


@settings(deadline=None)
@given(STREAMS, SIZES, LIMITS)
def test_any_chunking_gives_the_same_lines_events_and_effects(
    make_driver: type[Driver], data: bytes, sizes: list[int], limits: CoreLimits
) -> None:
    whole, cut = make_driver(limits), make_driver(limits)
    feed(whole, data, [])
    feed(cut, data, sizes)
    assert cut.observed() == whole.observed()


@settings(deadline=None)
@given(STREAMS, SIZES, LIMITS, st.lists(st.sampled_from([0.0, 0.05, 0.2, 3.0, 20.0]), min_size=40, max_size=40))
def test_no_byte_is_lost_or_changed_and_limits_hold_whatever_the_timing(
    make_driver: type[Driver], data: bytes, sizes: list[int], limits: CoreLimits, pauses: list[float]
) -> None:
    board = make_driver(limits)
    rest = data
    for size, pause in zip(sizes, pauses, strict=False):
        board.send(rest[:size])
        board.wait(pause)
        rest = rest[size:]
    board.send(rest)
    board.hang_up()
    assert board.text() == data
    for line in board.all(Line):
        assert line.count == len(split_lines(line))
        assert all(len(part) <= limits.line_bytes for part in split_lines(line))
    assert all(len(opened.context) <= limits.context_bytes for opened in board.all(CaptureOpened))
    ended = [ending.event.id for ending in board.all(CaptureEnding)]
    assert ended == [opened.id for opened in board.all(CaptureOpened)]
    assert board.pipeline.deadline is None


@settings(deadline=None)
@given(STREAMS, SIZES)
def test_every_position_in_an_event_is_that_of_its_line(
    make_driver: type[Driver], data: bytes, sizes: list[int]
) -> None:
    board = make_driver()
    feed(board, data, sizes)
    lines = board.lines()
    for seq, output in board.outputs:
        first = getattr(output, "line_seq", None) or getattr(output, "first_seq", None)
        if first is None:
            continue
        last = getattr(output, "last_seq", first)
        assert first <= last < seq
        assert last in lines
        assert any(text in lines[first] for text in WHAT_A_LINE_HOLDS[type(output)]), output


# Hostile boards ----------------------------------------------------------------------------------------

HOSTILE = [
    b"=", b"= CORE DUMP START =", b"=== CORE DUMP START ", b"Guru Meditation Error: Core ", b"E (", b"E (1", b"$T00",
    b"Guru Meditation Error of type ", b"abort() was called at PC 0x1", b"assert failed: ", b'assertion "',
    b"***ERROR*** A stack overflow in task ", b"CORRUPT HEAP: ", b"task_wdt: Task watchdog got triggered",
    b"E (1) BOD: ", b"Re-entered core dump!", b"Backtrace: 0x40000000:0x40000000 ", b"\xffrst:0x1 (A),boot:0x",
    b"boot: ESP-IDF x 2nd stage bootloader", b"ets Jul 29 2019 12:21:4", b"ESP-ROM:esp", b"\x1b[0", b"A : 0x00000000 ",
    b"Core dump write failed",
]  # fmt: skip
OPENERS = [b"", START, ABORT, RESET]
MEGABYTE = 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("opener", OPENERS, ids=["idle", "dump", "panic", "boot"])
@pytest.mark.parametrize("line_bytes", [0, 65_000], ids=["a line each", "long lines"])
@pytest.mark.parametrize("seed", HOSTILE)
def test_much_of_it_is_neither_slow_nor_large(
    seed: bytes, line_bytes: int, opener: bytes, make_driver: type[Driver]
) -> None:
    line = seed * (line_bytes // len(seed) or 1) + b"\r\n"
    # Where work grew with the square of the length, a megabyte of long lines would take minutes.
    data = opener + line * ((MEGABYTE if line_bytes else MEGABYTE // 8) // len(line))
    board = make_driver()
    for at in range(0, len(data), 65536):
        board.send(data[at : at + 65536])
    board.hang_up()
    assert board.text() == data
    others = (body for _, body in board.outputs if not isinstance(body, (Line, Effect)))
    assert all(len(msgspec.msgpack.encode(body)) < 256 * 1024 for body in others)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        b"x",
        b"A : 0x00000000 " * 4000 + b"\n",
        b"Debug exception reason: " + b"x" * 60_000 + b"\n",
        b"I (1) app_init: Project name: " + b"x" * 60_000 + b"\n",
        b"!" * 60_000 + b"\n",
        b"CORRUPT HEAP: " + b"x" * 60_000 + b"\n",
    ],
)
@pytest.mark.parametrize("opener", OPENERS, ids=["idle", "dump", "panic", "boot"])
def test_a_board_that_never_stops_does_not_make_the_pipeline_large(
    text: bytes, opener: bytes, make_driver: type[Driver]
) -> None:
    pipeline = make_driver(CoreLimits(panic_lines=10_000)).pipeline
    chunk = (text * (65536 // len(text) + 1))[:65536] if len(text) == 1 else text
    pipeline.receive_data(opener, 0.0, 1)
    tracemalloc.start()
    try:
        for _ in range(20):
            pipeline.receive_data(chunk, 0.0, 2)
        used_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used_bytes < 512 * 1024


# What the caller may ask, and tell ---------------------------------------------------------------------


def test_the_program_that_runs_is_known_before_its_boot_log_is_over(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(BANNER, RESET, APP)
    assert board.all(App) == []
    assert board.pipeline.app_sha256 == "aabbccdde"
    board.wait(10.0)
    assert board.one(App).elf_sha256 == "aabbccdde"
    assert board.pipeline.app_sha256 == "aabbccdde"


def test_a_panic_that_is_being_printed_is_known_by_its_first_line(make_driver: type[Driver]) -> None:
    board = make_driver()
    board.send(LOG, ABORT)
    assert board.pipeline.open_panic_seq == 2
    board.wait(10.0)
    assert board.pipeline.open_panic_seq is None


def test_other_limits_hold_from_the_next_line_on(make_driver: type[Driver]) -> None:
    board = make_driver(CoreLimits(line_bytes=100))
    board.pipeline.set_limits(CoreLimits(line_bytes=10))
    board.send(b"x" * 25 + b"\n")
    assert [line.end for line in board.all(Line)] == ["split", "split", "newline"]
