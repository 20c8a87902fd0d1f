from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from esperd.core.capture import ENDINGS, CoreDumpCapture, Signal, classify, is_prompt, is_start
from esperd.core.limits import CoreLimits
from esperd.core.text import strip_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.esperd.core.conftest import DumpMaker

START = b"================= CORE DUMP START ================="
END = b"================= CORE DUMP END ================="
PROMPT = b"Press Enter to print core dump to UART..."


def feed(capture: CoreDumpCapture, lines: Iterable[bytes], first_seq: int = 2, now: float = 0.0) -> list[Signal]:
    return [capture.on_line(line, strip_line(line), seq, now) for seq, line in enumerate(lines, first_seq)]


def open_capture(limits: CoreLimits | None = None) -> CoreDumpCapture:
    return CoreDumpCapture("bench-1", limits or CoreLimits(), first_seq=1, now=0.0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (START, True),
        (b"=== CORE DUMP START ===", True),
        (b"half a line of the other core" + START, True),
        (b"I (5) app: " + START, False),
        (b'"' + START, False),
        (START + b" was seen", False),
        (b"== CORE DUMP START ==", False),
        (b"CORE DUMP START", False),
        (END, False),
    ],
)
def test_the_start_marker_begins_a_dump_unless_it_is_quoted(line: bytes, expected: bool) -> None:
    assert is_start(line) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (PROMPT, True),
        (b"I (1537) esp_core_dump_uart: " + PROMPT, True),
        (b"I (1537) esp_core_dump: " + PROMPT, True),
        (b"I (1537) app: " + PROMPT, False),
        (b"I (1537) esp_core_dump_uart: said " + PROMPT, False),
        (b"I (1537) esp_core_dump_uart: " + PROMPT + b" or not", False),
        (b'"' + PROMPT + b'"', False),
        (b"esp> " + PROMPT, False),
        (PROMPT[:-1], False),
        (PROMPT + b" now", False),
    ],
)
def test_the_prompt_is_a_whole_line_or_the_message_of_the_core_dump_code(line: bytes, expected: bool) -> None:
    assert is_prompt(line) is expected


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        (b"mAwAAAIBBQAAAAAAAAAAAAAAAAADAAAA", Signal.BASE64),
        (b"AAAAAA==", Signal.BASE64),
        (b"A" * 128, Signal.BASE64),
        (b"A" * 132, Signal.OTHER),
        (b"AAA", Signal.OTHER),
        (b"AAAA==AAAA", Signal.OTHER),
        (b"I (5) app: a log line of another core", Signal.OTHER),
        (END, Signal.END),
        (b"AAAA" + END, Signal.END),
        (b"I (5) app: " + END, Signal.OTHER),
        (b'"' + END, Signal.OTHER),
        (START, Signal.START),
        (b"I (5) app: " + START, Signal.OTHER),
        (b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", Signal.BANNER),
        (b"\xff\xfe\x00rst:0x1 (POWERON_RESET)", Signal.BANNER),
        (b"ets Jul 29 2019 12:21:46", Signal.BANNER),
        (b"AAAAets Jul 29 2019 12:21:46", Signal.BANNER),
        (b"ESP-ROM:esp32c3-api1-20210207", Signal.BANNER),
        (b"I (25) boot: ESP-IDF v5.3 2nd stage bootloader", Signal.BANNER),
        (b"I (5) app: the ROM is ESP-ROM:esp32c3", Signal.OTHER),
        (b"E (5) esp_core_dump_common: Core dump write failed with error=-1", Signal.WRITE_FAILED),
        (b"Core dump write binary failed with error=-1", Signal.WRITE_FAILED),
        (b"I (5) app: Core dump write failed with error=-1", Signal.OTHER),
        (b"I (5) esp_core_dump_common: Core dump has been written to uart.", Signal.WRITTEN),
        (b"I (5) app: Core dump has been written to uart.", Signal.OTHER),
        (PROMPT, Signal.OTHER),
        (b"\x00\xff", Signal.OTHER),
    ],
)
def test_a_line_inside_a_dump_means(line: bytes, signal: Signal) -> None:
    assert classify(line) is signal


def test_every_signal_ends_a_capture_or_goes_on() -> None:
    assert set(ENDINGS) == set(Signal) - {Signal.BASE64, Signal.OTHER}


def test_a_dump_is_decoded_line_by_line(dumps: DumpMaker) -> None:
    capture = open_capture()
    lines = dumps.lines(200)
    assert feed(capture, [*lines, dumps.end]) == [Signal.BASE64] * len(lines) + [Signal.END]
    taken = capture.take_bytes()
    assert taken is not None
    assert taken.text == b"".join(lines)
    assert taken.decoded == b"".join(base64.b64decode(line) for line in lines)
    assert taken.rejected == b""
    assert capture.take_bytes() is None
    ending = capture.end("end_marker")
    event = ending.event
    assert (event.id, event.capture, event.end_reason, event.checksum) == ("bench-1", "captured", "end_marker", "ok")
    assert (event.raw_lines, event.rejected_lines, event.raw_bytes) == (len(lines), 0, len(taken.text))
    assert event.decoded_bytes == event.expected_bytes == len(taken.decoded) == 228
    assert (event.first_seq, event.last_seq, event.path) == (1, len(lines) + 2, "")
    assert ending.header is not None
    assert ending.header.format == "elf 1.2"


def test_lines_of_another_core_are_kept_apart_and_counted(dumps: DumpMaker) -> None:
    capture = open_capture()
    first, *rest = dumps.lines()
    log = b"\x1b[0;31mE (5) app: hello\x1b[0m\r\n"
    assert feed(capture, [first, log, b"\r\n", b"AAA=AAA=\r\n", *rest])[1:4] == [Signal.OTHER] * 3
    taken = capture.take_bytes()
    assert taken is not None
    assert taken.rejected == log + b"AAA=AAA=\r\n"
    assert taken.text == first + b"".join(rest)
    event = capture.end("end_marker").event
    assert (event.rejected_lines, event.raw_lines, event.checksum) == (2, 1 + len(rest), "ok")


def test_base64_that_does_not_decode_is_rejected() -> None:
    capture = open_capture()
    assert feed(capture, [b"AAA=\r\n", b"AB==\r\n", b"A===\r\n"])[2] is Signal.OTHER


def test_only_lines_of_the_dump_keep_it_alive(dumps: DumpMaker) -> None:
    capture = open_capture(CoreLimits(coredump_idle_s=10.0))
    assert capture.deadline == 10.0
    feed(capture, dumps.lines()[:1], now=3.0)
    assert capture.deadline == 13.0
    feed(capture, [b"I (5) app: hello\r\n", b"\r\n"], now=9.0)
    assert capture.deadline == 13.0
    assert capture.deadline_reason() == "idle_timeout"


def test_a_dump_of_full_length_waits_only_shortly_for_its_end(dumps: DumpMaker) -> None:
    capture = open_capture(CoreLimits(complete_grace_s=1.0))
    feed(capture, dumps.lines(), now=3.0)
    assert capture.deadline == 4.0
    assert capture.deadline_reason() == "complete"


@pytest.mark.parametrize(
    "line", [b"Rebooting...\r\n", b"I (5) esp_core_dump_common: Core dump has been written to uart.\r\n"]
)
def test_a_dump_of_full_length_ends_with_any_other_line(line: bytes, dumps: DumpMaker) -> None:
    capture = open_capture()
    assert feed(capture, [*dumps.lines(), line])[-1] is Signal.WRITTEN
    event = capture.end(ENDINGS[Signal.WRITTEN]).event
    assert (event.capture, event.end_reason, event.rejected_lines) == ("captured", "complete", 0)


def test_a_wrong_checksum_is_captured_and_bad(dumps: DumpMaker) -> None:
    container = bytearray(b"".join(base64.b64decode(line) for line in dumps.lines()))
    container[100] ^= 1
    capture = open_capture()
    feed(capture, [*dumps.base64_lines(bytes(container), 24), dumps.end])
    event = capture.end("end_marker").event
    assert (event.capture, event.checksum) == ("captured", "bad")


def test_a_header_that_announces_too_little_loses_nothing(dumps: DumpMaker) -> None:
    container = b"".join(base64.b64decode(line) for line in dumps.lines())
    capture = open_capture()
    feed(capture, [*dumps.base64_lines(struct.pack("<I", 100) + container[4:], 24), dumps.end])
    event = capture.end("end_marker").event
    assert (event.capture, event.checksum, event.expected_bytes) == ("captured", "bad", 100)
    assert event.decoded_bytes == len(container)


def test_a_header_that_announces_too_much_makes_a_partial_dump(dumps: DumpMaker) -> None:
    container = b"".join(base64.b64decode(line) for line in dumps.lines())
    capture = open_capture()
    feed(capture, [*dumps.base64_lines(struct.pack("<I", 1000) + container[4:], 24), dumps.end])
    event = capture.end("end_marker").event
    assert (event.capture, event.checksum, event.expected_bytes) == ("partial", "absent", 1000)


def test_a_dump_of_no_length_is_partial() -> None:
    capture = open_capture()
    assert feed(capture, [END]) == [Signal.END]
    ending = capture.end("end_marker")
    assert (ending.event.capture, ending.event.expected_bytes, ending.event.checksum) == ("partial", None, "absent")
    assert ending.header is None


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        (b"AAAAAAAAets Jul 29 2019 12:21:46", 6),
        (b"AAAAAAAets Jul 29 2019 12:21:46", 3),
        (b"AAAets Jul 29 2019 12:21:46", 0),
        (b"AAA=AAA=ets Jul 29 2019 12:21:46", 0),
        (b"A===ESP-ROM:esp32c3-api1-20210207", 0),
        (b"I (5) app: hellets Jul 29 2019 12:21:46", 0),
        (b"rst:0x1 (POWERON_RESET)", 0),
    ],
)
def test_a_line_cut_by_a_reboot_gives_its_whole_groups(cut: bytes, kept: int, dumps: DumpMaker) -> None:
    capture = open_capture()
    header = dumps.lines()[0]
    assert feed(capture, [header, cut])[-1] is Signal.BANNER
    event = capture.end("reboot").event
    assert (event.capture, event.end_reason, event.decoded_bytes) == ("partial", "reboot", 24 + kept)
    assert event.last_seq == (3 if kept else 2)


def test_nothing_is_salvaged_behind_the_full_length(dumps: DumpMaker) -> None:
    capture = open_capture()
    feed(capture, dumps.lines())
    capture.salvage(b"prompt", 99)
    event = capture.end("idle_timeout").event
    assert event.decoded_bytes == event.expected_bytes
    assert event.last_seq != 99


def test_the_size_limit_counts_the_text() -> None:
    capture = open_capture(CoreLimits(coredump_text_bytes=60))
    feed(capture, [b"A" * 28 + b"\r\n"])
    assert capture.limit_reached() is None
    feed(capture, [b"A" * 28 + b"\r\n"])
    assert capture.limit_reached() == "size_limit"


def test_the_size_limit_counts_what_does_not_belong_to_the_dump_too() -> None:
    capture = open_capture(CoreLimits(coredump_text_bytes=60))
    feed(capture, [b"A" * 28 + b"\r\n", b"!" * 59])
    assert capture.limit_reached() is None
    feed(capture, [b"!"])
    assert capture.limit_reached() == "size_limit"


def test_the_line_limit_counts_accepted_and_rejected_lines() -> None:
    capture = open_capture(CoreLimits(coredump_lines=3))
    feed(capture, [b"AAAA\r\n", b"!\r\n", b"\r\n"])
    assert capture.limit_reached() is None
    feed(capture, [b"AAAA\r\n"])
    assert capture.limit_reached() == "line_limit"


def test_progress_is_told_at_most_as_often_as_the_limit_says(dumps: DumpMaker) -> None:
    capture = open_capture(CoreLimits(progress_s=0.25))
    assert capture.progress(0.2) is None
    without_header = capture.progress(0.25)
    assert without_header is not None
    assert without_header.expected_bytes is None
    feed(capture, dumps.lines()[:2])
    assert capture.progress(0.4) is None
    progress = capture.progress(0.5)
    assert progress is not None
    assert (progress.raw_lines, progress.decoded_bytes, progress.expected_bytes) == (2, 72, 228)
    assert (progress.raw_bytes, progress.elapsed_s) == (34 + 66, 0.5)


@given(
    st.lists(
        st.sampled_from([b"AAAA\n", b"mAwAAAIBBQAAAAAAAAAAAAAAAAADAAAA\n", b"AB==\n", b"A===\n", b"=\n", END, START])
        | st.binary(max_size=70),
        max_size=30,
    )
)
def test_no_lines_raise_and_every_line_is_accepted_or_rejected_or_ends(lines: list[bytes]) -> None:
    capture = open_capture()
    signals = feed(capture, lines)
    event = capture.end("idle_timeout").event
    taken = capture.take_bytes()
    assert event.raw_lines >= signals.count(Signal.BASE64)
    assert event.raw_bytes == (len(taken.text) if taken else 0)
    assert event.decoded_bytes == (len(taken.decoded) if taken else 0)
    assert event.rejected_lines <= signals.count(Signal.OTHER)
