from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import (
    App,
    Backtrace,
    Boot,
    GdbStub,
    Line,
    Panic,
)
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import CaptureOpened
from esperd.testing.board_texts import (
    ABORT,
    APP,
    BACKTRACE,
    BANNER,
    BOOTLOADER,
    CALLING,
    CRASH,
    LOG,
    LONG_PACKET,
    PROMPT,
    RESET,
    SHA,
    START,
)

if TYPE_CHECKING:
    from tests.esperd.core.conftest import Driver

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
