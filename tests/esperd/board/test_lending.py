"""A port that is lent: who may do what meanwhile, and what brings it back."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from esper_protocol.connection import ClientConnection
from esper_protocol.events import CoredumpEnded, CoredumpStarted, Gap, SessionClosed, SessionOpened, SessionReleased
from esper_protocol.messages import LendPort
from esperd.errors import CommandError
from esperd.ports.endpoint_kinds import DeviceEndpoint
from esperd.testing.boards import connected, open_boards
from esperd.testing.dumps import START_LINE, base64_lines, container
from esperd.testing.terminal import BoardTerminal

if TYPE_CHECKING:
    from esperd.board.board import Board
    from tests.esperd.board.conftest import Recorder


def has_open(path: str) -> int:
    """How often this process has a device open; the test's own terminal is one time."""
    found = 0
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        # The listing has a descriptor of its own.
        with contextlib.suppress(FileNotFoundError):
            found += str(descriptor.readlink()) == path
    return found


async def lend(board: Board, client: int = 1, *, force: bool = False) -> str:
    return await board.lend(client, "alice (pid 7)", "idf.py flash", force=force)


async def test_the_port_is_closed_when_it_is_lent_and_opened_when_it_is_given_back(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        assert has_open(terminal.path) == 2

        assert await lend(board) == terminal.path
        assert has_open(terminal.path) == 1
        assert recorder.bodies(SessionReleased) == [SessionReleased(terminal.path, "alice (pid 7)", "idf.py flash")]
        summary = board.publisher.summary
        assert (summary.state, summary.state_detail) == ("released", "lent to alice (pid 7): idf.py flash")

        await board.lending.give_back(1)
        assert has_open(terminal.path) == 2
        assert summary.state == "connected"
        (gap,) = recorder.bodies(Gap)
        assert (gap.reason, gap.detail[:21]) == ("released", "the port was away for")
        assert recorder.bodies(SessionClosed) == []
        await board.send(b"x", "alice")


async def test_whoever_wants_the_port_meanwhile_is_told_who_has_it(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        await lend(board)
        wanted = (
            lambda: board.send(b"x", "alice"),
            lambda: board.control.reset("bob", bootloader=False),
            lambda: board.control.send_break("bob", 0.1),
            lambda: lend(board, 2),
        )
        for want in wanted:
            with pytest.raises(CommandError, match=r"is lent to alice \(pid 7\) for `idf.py flash`") as caught:
                await want()
            assert caught.value.code == "busy"


async def test_a_lent_port_is_not_opened_however_often_the_task_is_asked_whether_it_lives(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        await lend(board)
        with trio.fail_after(5):
            for _ in range(3):
                await board.prove_reading()
        assert has_open(terminal.path) == 1
        await board.lending.give_back(2)
        await wait_all_tasks_blocked()
        assert len(recorder.bodies(SessionOpened)) == 1


async def test_a_board_that_is_not_there_is_not_lent(tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b") as registry:
        with pytest.raises(CommandError) as caught:
            await lend(registry.board("b"))
        assert caught.value.code == "absent"


async def test_a_port_that_is_not_closed_in_time_is_not_lent(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        released = trio.Event()

        async def hold_the_lines() -> None:
            # What closing waits for: a reset that never ends.
            async with board.control.lines:
                await released.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_the_lines)
            await wait_all_tasks_blocked()
            with pytest.raises(CommandError, match="did not close within 5 s") as caught:
                await lend(board)
            assert caught.value.code == "timed_out"
            released.set()
        await recorder.wait_for(SessionOpened, 2)
        assert recorder.bodies(SessionReleased) == []


async def test_a_core_dump_that_is_arriving_is_cut_by_force_only(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await terminal.send(START_LINE + b"".join(base64_lines(container(600, seed=3))[:5]))
        await recorder.wait_for(CoredumpStarted)
        with pytest.raises(CommandError, match="core dump b-1 is arriving") as caught:
            await lend(board)
        assert caught.value.code == "capturing"
        assert recorder.bodies(CoredumpEnded) == []
        await lend(board, force=True)
        ended = await recorder.wait_for(CoredumpEnded)
        assert (ended.capture, ended.end_reason) == ("partial", "port_released")


async def test_settings_that_change_meanwhile_hold_when_the_port_is_given_back(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    other = BoardTerminal()
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        await lend(board)
        assert board.reconfigure(DeviceEndpoint(other.path), 115_200, board.parts.core_limits)
        await board.standby.wait_begun()
        board.standby.end()
        await wait_all_tasks_blocked()
        assert (has_open(terminal.path), has_open(other.path)) == (1, 1)
        await board.lending.give_back(1)
        assert [opened.port for opened in recorder.bodies(SessionOpened)] == [terminal.path, other.path]
    other.hang_up()


async def test_a_loan_ends_with_the_connection_of_who_has_it(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        registry.board("b").publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        async with connected(registry) as stream:
            client = ClientConnection("a client")
            await stream.send_all(client.hello())
            client.receive_data(await stream.receive_some())
            await stream.send_all(client.request(LendPort("b", "x" * 4096))[1])
            await recorder.wait_for(SessionReleased)
            await stream.send_eof()
        await recorder.wait_for(SessionOpened, 2)


async def test_a_daemon_that_stops_while_the_port_is_lent_has_nothing_to_close(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        await lend(board)
    assert recorder.bodies(SessionClosed) == []
