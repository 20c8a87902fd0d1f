"""Where a panic report ends, and that it is bounded."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import Backtrace, Panic
from esperd.core.limits import CoreLimits
from esperd.core.panic import PanicDetector
from esperd.testing.panic_texts import (
    ABORT,
    BACKTRACE,
    FRAMES,
    GURU,
    RISCV_REGISTERS,
    SHA,
    WATCHDOG,
    XTENSA_REGISTERS,
    detect,
    panic,
    panics,
)


def test_a_crash_after_a_body_is_another_crash() -> None:
    first, second = panics(GURU + BACKTRACE + b"assert failed: f main.c:1 (x)\n")
    assert (first.cause, second.cause) == ("exception", "assert")
    assert (first.backtrace, second.backtrace) == (FRAMES, [])


@pytest.mark.parametrize(
    "line",
    [
        b"Re-entered core dump! Exception happened during core dump!",
        b"Panic handler entered multiple times. Abort panic handling. Rebooting ...",
    ],
)
def test_a_panic_in_the_panic_handler_is_an_event_of_its_own(line: bytes) -> None:
    first, second = panics(GURU + BACKTRACE + line + b"\n", close=False)
    assert (first.cause, first.last_seq) == ("exception", 2)
    assert (second.cause, second.fatal, second.first_seq, second.last_seq) == ("nested", True, 3, 3)
    assert line.decode().startswith(second.reason)
    assert panics(b"I (1) app: I once saw " + line) == []


def test_a_corrupted_backtrace_is_marked() -> None:
    found = detect(GURU + BACKTRACE.strip() + b" |<-CORRUPTED\n")
    assert found == [Backtrace(FRAMES, True, 2), panic(GURU + BACKTRACE.strip() + b" |<-CORRUPTED\n")]
    assert panic(GURU + BACKTRACE.strip() + b" |<-CORRUPTED\n").backtrace_corrupted


def test_a_backtrace_without_a_panic_is_only_a_backtrace() -> None:
    assert detect(BACKTRACE) == [Backtrace(FRAMES, False, 1)]
    assert detect(b"Backtrace: |<-CORRUPTED\n") == []


@pytest.mark.parametrize("registers", [b"", b"Core  0 register dump:\n" + XTENSA_REGISTERS])
def test_the_order_of_versions_4_0_and_4_1_is_one_report(registers: bytes) -> None:
    text = (
        (GURU if registers else ABORT) + b"\n" + registers + b"\nELF file SHA256: " + b"aB" * 32 + b"\n\n" + BACKTRACE
    )
    found = panic(text + b"\nRebooting...\n", close=False)
    assert (found.app_sha256, found.backtrace) == ("ab" * 32, FRAMES)
    assert found.last_seq == text.count(b"\n")


@pytest.mark.parametrize("digits", [9, 16, 64])
def test_the_applications_hash_has_as_many_digits_as_were_printed(digits: int) -> None:
    assert panic(GURU + BACKTRACE + b"ELF file SHA256:  " + b"c" * digits + b"\n").app_sha256 == "c" * digits


def test_too_few_digits_are_no_hash() -> None:
    assert panic(GURU + b"ELF file SHA256: abc\n").app_sha256 is None


@pytest.mark.parametrize(
    "line",
    [
        b"Rebooting...",
        b"CPU halted.",
        b"Entering gdb stub now.",
        b"I (1537) esp_core_dump_uart: Press Enter to print core dump to UART...",
        b"I (1553) esp_core_dump_uart: Print core dump to uart...",
        b"I (1553) esp_core_dump_flash: Save core dump to flash...",
        b"================= CORE DUMP START =================",
    ],
)
def test_a_report_ends_with_what_follows_it(line: bytes) -> None:
    found = panic(GURU + line + b"\n" + BACKTRACE, close=False)
    assert (found.backtrace, found.last_seq) == ([], 1)


def test_silence_ends_a_report() -> None:
    detector = PanicDetector(CoreLimits(panic_idle_s=2.0))
    assert not detector.on_line(ABORT.strip(), 7, 10.0)
    assert (detector.is_active, detector.first_seq, detector.deadline) == (True, 7, 12.0)
    assert not detector.on_line(b"", 8, 11.0)
    assert (detector.is_active, detector.first_seq, detector.deadline) == (True, 7, 13.0)
    (found,) = detector.close()
    assert isinstance(found, Panic)
    assert (found.first_seq, found.last_seq) == (7, 7)


def test_nothing_is_left_of_a_closed_report() -> None:
    detector = PanicDetector(CoreLimits())
    detector.on_line(ABORT.strip(), 7, 10.0)
    detector.close()
    assert (detector.deadline, detector.is_active, detector.first_seq, detector.close()) == (None, False, None, [])


def test_a_report_has_a_limit_of_lines() -> None:
    limits = CoreLimits(panic_lines=5)
    (found,) = detect(ABORT + b"text\n" * 10, limits, close=False)
    assert isinstance(found, Panic)
    assert found.last_seq == 1


def test_introductions_without_end_are_published_all_the_same() -> None:
    found = detect(b"CORRUPT HEAP: Bad head\n" * 12, CoreLimits(panic_lines=5), close=False)
    assert [(body.first_seq, body.last_seq) for body in found if isinstance(body, Panic)] == [(1, 6), (7, 12)]


def test_a_report_stays_small_whatever_is_printed() -> None:
    registers = b"".join(b"R%d : 0x00000000 " % index for index in range(3000)).strip()
    lines = [registers, b"Debug exception reason: " + b"\xff" * 60_000, b"CPU 1: " + b"x" * 60_000]
    found = panic(GURU + b"\n".join(lines * 100) + b"\n" + SHA)
    assert len(found.registers) == 64
    assert len(msgspec.msgpack.encode(found)) < 8 * 1024


PIECES = [
    *(line for text in (GURU, ABORT, WATCHDOG, RISCV_REGISTERS, XTENSA_REGISTERS) for line in text.splitlines()),
    BACKTRACE,
    SHA,
    b"Rebooting...",
    b"Core  1 register dump:",
    b"E (1) task_wdt: Aborting.",
    b"E (1) task_wdt: Print CPU 1 backtrace",
    b"I (1) app: x",
    b"CORRUPT HEAP: x",
    b"Re-entered core dump! Exception happened during core dump!",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=40))
def test_no_lines_raise_and_reports_neither_overlap_nor_run_backwards(lines: list[bytes]) -> None:
    last_seq = 0
    for body in detect(b"\n".join(lines)):
        if isinstance(body, Panic):
            assert last_seq < body.first_seq <= body.last_seq
            last_seq = body.last_seq
