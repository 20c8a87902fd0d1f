"""Core dumps in what a board says: how they begin, what is answered, and how they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import (
    App,
    CoredumpEnded,
    CoredumpPrompted,
    CoredumpStarted,
    Panic,
)
from esperd.core.capture import CaptureEnding
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import CaptureOpened, Effect, WriteToBoard
from esperd.testing.board_texts import (
    ABORT,
    APP,
    CALLING,
    CRASH,
    END,
    FIRST_LINE,
    LOG,
    PROMPT,
    RESET,
    START,
)

if TYPE_CHECKING:
    from tests.esperd.core.conftest import Driver, DumpMaker

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
