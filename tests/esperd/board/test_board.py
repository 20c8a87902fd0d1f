from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import Gap, Line, SessionClosed, SessionFailed, SessionLost, SessionOpened, Tx
from esperd.errors import CommandError
from esperd.settings import MIB, Limits
from esperd.testing.boards import open_boards
from esperd.testing.terminal import BoardTerminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperd.board.conftest import Recorder


async def test_a_port_that_is_not_there_is_told_once_and_tried_again(
    tmp_path: Path, recorder: Recorder, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_boards(tmp_path, "b=/nonexistent/tty", own_ports=True) as registry:
        registry.board("b").publisher.add_follower(recorder)
        await trio.sleep(60)

        (failed,) = recorder.bodies(SessionFailed)
        assert "/nonexistent/tty" in failed.error
        assert registry.board("b").publisher.summary.state == "absent"


async def test_a_port_that_comes_back_is_a_new_session_with_a_gap(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    link = tmp_path / "tty"
    link.symlink_to(terminal.path)
    async with open_boards(tmp_path / "state", f"b={link}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        link.unlink()
        terminal.hang_up()
        await recorder.wait_for(SessionLost)
        again = BoardTerminal()
        link.symlink_to(again.path)
        await recorder.wait_for(SessionOpened, 2)

        opened = [event.generation for event in recorder.events if isinstance(event.body, SessionOpened)]
        assert opened == [1, 2]
        assert [gap.reason for gap in recorder.bodies(Gap)] == ["unplugged"]
        await board.send(b"hello", "me")
        assert await again.receive() == b"hello"
        assert recorder.bodies(Tx) == [Tx(b"hello", "me")]
    again.hang_up()
    assert recorder.bodies(SessionClosed) == [SessionClosed(str(link), "the daemon stops")]


async def test_a_port_without_control_lines_says_so(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        for request in (board.control.reset("me", bootloader=False), board.control.send_break("me", 0.1)):
            with pytest.raises(CommandError, match="b: ") as caught:
                await request
            assert caught.value.code == "unsupported"


async def test_a_journal_does_not_outgrow_its_limit_by_its_last_segment(tmp_path: Path) -> None:
    # With segments of the default size, the one that is never removed would be eight times as large.
    async with open_boards(tmp_path, "b", limits=Limits(journal_bytes=2 * MIB, free_disk_percent=0)) as registry:
        board = registry.board("b")
        for _ in range(100):
            board.publisher.publish(Line((b"x" * 99 + b"\n") * 500, 500))
            await board.parts.disk.progress.wait()

        assert MIB < board.parts.journal.size_bytes <= 2 * MIB
