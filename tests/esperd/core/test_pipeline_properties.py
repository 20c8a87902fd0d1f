"""What holds whatever a board says, and however it is cut."""

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
    CoredumpEnded,
    CoredumpPrompted,
    CoredumpStarted,
    GdbStub,
    Line,
    Panic,
    split_lines,
)
from esperd.core.capture import CaptureEnding
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import CaptureOpened, Effect, Output
from esperd.testing.board_texts import (
    ABORT,
    APP,
    BACKTRACE,
    BANNER,
    BOOTLOADER,
    CALLING,
    CRASH,
    END,
    FIRST_LINE,
    LOG,
    LONG_PACKET,
    PROMPT,
    RESET,
    SHA,
    START,
)

if TYPE_CHECKING:
    from tests.esperd.core.conftest import Driver

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
