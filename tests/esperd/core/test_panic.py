from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import Backtrace, Panic
from esperd.core.limits import CoreLimits
from esperd.core.panic import PanicDetector
from esperd.core.text import strip_line

XTENSA_REGISTERS = b"""\
PC      : 0x400d66b9  PS      : 0x00060b30  A0      : 0x800d6a17  A1      : 0x3ffb5f20
A2      : 0x00000000  A3      : 0x00000005  A4      : 0x3ffb2a08  A5      : 0x00000000
SAR     : 0x0000001d  EXCCAUSE: 0x0000001d  EXCVADDR: 0x00000000  LBEG    : 0x4000c2e0
"""
OTHER_CORE_REGISTERS = XTENSA_REGISTERS.replace(b"0x400d66b9", b"0x40081111")
BACKTRACE = b"Backtrace: 0x400d66b6:0x3ffb5f20 0x400d6a14:0x3ffb5f40\n"
FRAMES = [(0x400D66B6, 0x3FFB5F20), (0x400D6A14, 0x3FFB5F40)]
OTHER_BACKTRACE = b"Backtrace: 0x40081111:0x3ffb0000\n"
SHA = b"ELF file SHA256: 1b43c5e74\n"
RISCV_REGISTERS = b"""\
Core  0 register dump:
MEPC    : 0x42006b1c  RA      : 0x42006b18  SP      : 0x3fc91f50  GP      : 0x3fc8b400
S0/FP   : 0x00000004  S1      : 0x3fc8ead4  A0      : 0x3fc8ea9c  A1      : 0x3fc8ead2
MSTATUS : 0x00001881  MTVEC   : 0x40380001  MCAUSE  : 0x00000007  MTVAL   : 0x00000000
MHARTID : 0x00000000

Stack memory:
3fc91f50: 0xa5a5a5a5 0xa5a5a5a5 0x3fc8ead0 0x403887b8 0xa5a5a5a5 0xa5a5a5a5 0xa5a5a5a5 0x3fc8a498
3fc91f70: 0x3fc8ead4 0x3fc8a4b4 0x3fc8ead0 0x726f6261 0x20292874 0x20736177 0x6c6c6163 0x61206465
"""
GURU = b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\n"
ABORT = b"abort() was called at PC 0x400d66b9 on core 0\n"
WATCHDOG = b"""\
E (9496) task_wdt: Task watchdog got triggered. The following tasks/users did not reset the watchdog in time:
E (9496) task_wdt:  - IDLE1 (CPU 1)
E (9496) task_wdt: Tasks currently running:
E (9496) task_wdt: CPU 0: IDLE0
E (9496) task_wdt: CPU 1: hog
"""


def detect(text: bytes, limits: CoreLimits | None = None, *, close: bool = True) -> list[Panic | Backtrace]:
    detector = PanicDetector(limits or CoreLimits())
    lines = enumerate(text.splitlines(), 1)
    found = [body for seq, line in lines for body in detector.on_line(strip_line(line), seq, 0.0)]
    return [*found, *detector.close()] if close else found


def panics(text: bytes, *, close: bool = True) -> list[Panic]:
    return [body for body in detect(text, close=close) if isinstance(body, Panic)]


def panic(text: bytes, *, close: bool = True) -> Panic:
    (found,) = panics(text, close=close)
    return found


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
