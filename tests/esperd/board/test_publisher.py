from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import App, Boot, DaemonStopping, Line, Note, Panic, SessionLost, SessionOpened
from esperd.testing.boards import open_boards
from esperd.testing.journals import read_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperd.board.conftest import Recorder

PANIC = Panic("abort", "abort() was called", True, 0, None, {}, [], False, None, 1, 2)


async def test_each_event_takes_its_positions_and_reaches_memory_viewers_and_disk_as_the_same_bytes(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, "b") as registry:
        board = registry.board("b")
        publisher = board.publisher
        publisher.add_follower(recorder)
        first = publisher.next_seq
        assert publisher.publish(Line(b"a\nb\nc\n", 3)) == first
        assert publisher.publish(Note("hello", "me")) == first + 3
        assert publisher.next_seq == first + 4
        publisher.remove_follower(recorder)
        publisher.publish(Note("not for the recorder", "me"))

        assert [event.seq for event in recorder.events] == [first, first + 3]
        frames = b"".join(entry.frame for entry in recorder.entries)
        assert frames == b"".join(entry.frame for entry in publisher.tail.from_seq(first, 10**6)[:2])
        with trio.fail_after(10):
            await board.parts.disk.progress.wait()
        assert frames in read_all(board.parts.journal)
        assert (publisher.events, publisher.bytes) == (4 + 2, 6)


async def test_events_carry_the_session_and_the_boot_that_they_belong_to(tmp_path: Path, recorder: Recorder) -> None:
    async with open_boards(tmp_path, "b") as registry:
        publisher = registry.board("b").publisher
        publisher.add_follower(recorder)
        publisher.generation += 1
        publisher.publish(SessionOpened("/dev/ttyUSB0", 115_200))
        publisher.publish(Boot(1, "POWERON_RESET", None, 2))
        publisher.publish(Line(b"x\n", 1))

    assert [(event.generation, event.boot) for event in recorder.events] == [(1, 0), (1, 1), (1, 1)]


async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b") as registry:
        publisher = registry.board("b").publisher
        publisher.generation += 1
        publisher.publish(SessionOpened("/dev/ttyUSB0", 115_200))
        publisher.publish(Boot(1, "POWERON_RESET", None, 2))
        publisher.stop(DaemonStopping("SIGTERM"))
        next_seq = publisher.next_seq
        assert publisher.publish(Note("too late", "me")) == next_seq
        assert publisher.next_seq == next_seq

    async with open_boards(tmp_path, "b") as registry:
        again = registry.board("b").publisher
        assert again.tail.first_seq == next_seq
        assert (again.generation, again.boot) == (1, 1)


@pytest.mark.parametrize("urgent", [PANIC, SessionLost("/dev/ttyUSB0", "gone")])
async def test_what_may_come_with_a_power_cut_is_synced_at_once(tmp_path: Path, urgent: Panic | SessionLost) -> None:
    async with open_boards(tmp_path, "b") as registry:
        board = registry.board("b")
        await board.parts.disk.progress.wait()
        board.publisher.publish(Line(b"x\n", 1))
        await board.parts.disk.progress.wait()
        assert board.parts.journal.is_dirty
        board.publisher.publish(urgent)
        with trio.fail_after(0.5):
            await board.parts.disk.progress.wait()
        assert not board.parts.journal.is_dirty


async def test_the_summary_is_what_the_events_say(tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b") as registry:
        publisher = registry.board("b").publisher
        summary = publisher.summary
        assert (summary.state, summary.last_crash) == ("absent", None)
        publisher.publish(SessionOpened("/dev/ttyUSB0", 115_200))
        publisher.publish(Boot(1, "POWERON_RESET", None, 2))
        publisher.publish(App("blink", "1.0", None, None, 2, 3, "esp32"))
        assert (summary.state, summary.chip) == ("connected", "esp32")
        publisher.publish(PANIC)
        assert summary.last_crash is not None
        assert (summary.last_crash.cause, summary.last_crash.boot) == ("abort", 1)
        publisher.publish(SessionLost("/dev/ttyUSB0", "it hung up"))
        assert (summary.state, summary.state_detail) == ("absent", "it hung up")
        publisher.publish(Boot(1, "POWERON_RESET", None, 2))
        # Another application may have been flashed; the chip is the same.
        assert (summary.app, summary.chip) == (None, "esp32")
