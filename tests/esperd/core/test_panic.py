from __future__ import annotations

import pytest

from esperd.testing.panic_texts import (
    ABORT,
    BACKTRACE,
    FRAMES,
    GURU,
    OTHER_BACKTRACE,
    OTHER_CORE_REGISTERS,
    RISCV_REGISTERS,
    SHA,
    XTENSA_REGISTERS,
    panic,
)


def test_an_xtensa_exception_has_registers_backtrace_and_application() -> None:
    text = GURU + b"\nCore  0 register dump:\n" + XTENSA_REGISTERS + b"\n\n" + BACKTRACE + b"\n\n\n\n" + SHA + b"\n"
    found = panic(text, close=False)
    assert (found.cause, found.reason, found.fatal, found.core, found.task) == (
        "exception",
        "LoadProhibited",
        True,
        0,
        None,
    )
    assert found.registers["PC"] == 0x400D66B9
    assert found.registers["EXCCAUSE"] == 0x1D
    assert len(found.registers) == 12
    assert found.backtrace == FRAMES
    assert not found.backtrace_corrupted
    assert found.app_sha256 == "1b43c5e74"
    assert (found.first_seq, found.last_seq) == (1, 14)


def test_a_riscv_exception_has_stack_memory_within_its_lines() -> None:
    guru = b"Guru Meditation Error: Core  0 panic'ed (Store access fault). Exception was unhandled.\n\n"
    found = panic(guru + RISCV_REGISTERS + b"\n\n" + SHA, close=False)
    assert (found.reason, found.core, found.backtrace, found.app_sha256) == ("Store access fault", 0, [], "1b43c5e74")
    assert found.registers["MEPC"] == 0x42006B1C
    assert found.registers["S0/FP"] == 4
    assert (found.first_seq, found.last_seq) == (1, 14)


def test_stack_memory_belongs_to_a_report_that_is_cut_in_it() -> None:
    assert panic(ABORT + RISCV_REGISTERS).last_seq == 10


def test_version_1_names_the_core_later_and_no_core_in_its_dump() -> None:
    found = panic(
        b"Guru Meditation Error of type StoreProhibited occurred on core  1. Exception was unhandled.\n"
        b"Register dump:\n" + XTENSA_REGISTERS + b"\n" + BACKTRACE + b"\nCPU halted.\n",
        close=False,
    )
    assert (found.cause, found.reason, found.core) == ("exception", "StoreProhibited", 1)
    assert found.registers["PC"] == 0x400D66B9
    assert found.backtrace == FRAMES


def test_an_interrupt_watchdog_keeps_the_registers_of_the_core_that_it_names() -> None:
    found = panic(
        b"Guru Meditation Error: Core  1 panic'ed (Interrupt wdt timeout on CPU1).\n\nCore  1 register dump:\n"
        + XTENSA_REGISTERS
        + b"Core  0 register dump:\n"
        + OTHER_CORE_REGISTERS
        + BACKTRACE
        + OTHER_BACKTRACE
        + SHA,
        close=False,
    )
    assert (found.cause, found.core) == ("interrupt_watchdog", 1)
    assert found.registers["PC"] == 0x400D66B9
    assert found.backtrace == FRAMES
    assert found.last_seq == 13


def test_the_second_cores_registers_behind_the_backtrace_are_not_taken() -> None:
    found = panic(
        GURU + b"Core  0 register dump:\n" + BACKTRACE + b"Core  1 register dump:\n" + OTHER_CORE_REGISTERS + SHA
    )
    assert found.registers == {}


@pytest.mark.parametrize(
    ("text", "cause", "reason"),
    [
        (
            (
                b"Guru Meditation Error: Core  0 panic'ed (Cache error). \n"
                b"Cached memory region accessed while ibus or cache is disabled.\n"
            ),
            "exception",
            "Cache error",
        ),
        (b"Guru Meditation Error: Core  0 panic'ed (Double exception). \n", "exception", "Double exception"),
        (
            (
                b"Guru Meditation Error: Core  0 panic'ed (IllegalInstruction). Exception was unhandled.\n"
                b"Memory dump at 0x400d6a14: bad00bad bad00bad bad00bad\n"
            ),
            "exception",
            "IllegalInstruction",
        ),
        (ABORT, "abort", "abort() was called at PC 0x400d66b9 on core 0"),
        (
            b"Undefined behavior of type out_of_bounds\n" + ABORT,
            "other",
            "Undefined behavior of type out_of_bounds",
        ),
        (b"\nStack smashing protect failure!\n\n" + ABORT, "stack_smashing", "Stack smashing protect failure!"),
        (
            b"***ERROR*** A stack overflow in task main has been detected.\n" + ABORT,
            "stack_overflow",
            "***ERROR*** A stack overflow in task main has been detected.",
        ),
        (
            b"ESP_ERROR_CHECK failed: esp_err_t 0x101 (ESP_ERR_NO_MEM) at 0x400d1b6e\n"
            b'file: "./main/main.c" line 12\nfunc: app_main\nexpression: nvs_flash_init()\n\n' + ABORT,
            "abort",
            "ESP_ERROR_CHECK failed: esp_err_t 0x101 (ESP_ERR_NO_MEM) at 0x400d1b6e",
        ),
        (
            b"\nassert failed: app_main main.c:12 (ptr != NULL)\n",
            "assert",
            "assert failed: app_main main.c:12 (ptr != NULL)",
        ),
        (
            b'assertion "ptr" failed: file "../main/main.c", line 12, function: app_main\n' + ABORT,
            "assert",
            'assertion "ptr" failed: file "../main/main.c", line 12, function: app_main',
        ),
        (
            (
                b"CORRUPT HEAP: Bad tail at 0x3ffb. Expected 0xbaad5678 got 0x0\n"
                b"assert failed: multi_heap_free multi_heap_poisoning.c:259 (head != NULL)\n"
            ),
            "heap_corruption",
            "CORRUPT HEAP: Bad tail at 0x3ffb. Expected 0xbaad5678 got 0x0",
        ),
        (
            b"CORRUPT HEAP: Bad head at 0x3ffb. Expected 0xabba1234 got 0x0\n"
            b'assertion "head != NULL" failed: file "x.c", line 206, function: multi_heap_free\n' + ABORT,
            "heap_corruption",
            "CORRUPT HEAP: Bad head at 0x3ffb. Expected 0xabba1234 got 0x0",
        ),
    ],
)
def test_every_crash_is_one_fatal_event_with_its_cause(text: bytes, cause: str, reason: str) -> None:
    found = panic(text + b"\n\n" + BACKTRACE + b"\n\n" + SHA + b"\nRebooting...\n", close=False)
    assert (found.cause, found.reason, found.fatal) == (cause, reason, True)
    assert found.backtrace == FRAMES
    assert found.app_sha256 == "1b43c5e74"
    assert found.first_seq == 1 + (text[:1] == b"\n")


def test_a_stack_canary_names_the_task() -> None:
    found = panic(
        b"Guru Meditation Error: Core  0 panic'ed (Unhandled debug exception). \n"
        b"Debug exception reason: Stack canary watchpoint triggered (main) \n" + BACKTRACE
    )
    assert (found.cause, found.task) == ("stack_overflow", "main")
    assert found.reason == "Unhandled debug exception: Stack canary watchpoint triggered (main)"


def test_another_debug_exception_is_an_exception() -> None:
    found = panic(
        b"Guru Meditation Error: Core  0 panic'ed (Unhandled debug exception). \nDebug exception reason: BREAK instr \n"
    )
    assert (found.cause, found.task, found.reason) == ("exception", None, "Unhandled debug exception: BREAK instr")


def test_a_riscv_stack_protection_fault_names_the_task() -> None:
    found = panic(
        b"Guru Meditation Error: Core  0 panic'ed (Stack protection fault). \n\n"
        b'Detected in task "main" at 0x42006b1c\nStack pointer: 0x3fc91f50\nStack bounds: 0x3fc91f5c - 0x3fc93f50\n\n'
        + RISCV_REGISTERS
        + SHA,
        close=False,
    )
    assert (found.cause, found.reason, found.task) == ("stack_overflow", "Stack protection fault", "main")


def test_a_crash_in_a_task_takes_the_core_from_the_later_line() -> None:
    found = panic(b"***ERROR*** A stack overflow in task main has been detected.\n" + ABORT)
    assert (found.task, found.core) == ("main", 0)
    assert panic(b"assert failed: f main.c:1 (x)\n" + RISCV_REGISTERS).core == 0


@pytest.mark.parametrize(
    "line",
    [
        b"Brownout detector was triggered",
        b"E BOD: Brownout detector was triggered",
        b"E (9) BOD: Brownout detector was triggered",
    ],
)
def test_a_brownout_is_all_in_its_line(line: bytes) -> None:
    found = panic(line + b"\n\n")
    assert (found.cause, found.fatal, found.registers, found.backtrace) == ("brownout", True, {}, [])
