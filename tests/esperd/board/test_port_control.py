"""What reaches a board is in its journal with who sent it, whatever becomes of the rest."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import BreakSent, ResetSent, SessionClosed, SessionOpened, SessionReleased, Tx
from esperd.errors import CommandError
from esperd.testing.boards import open_boards

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from esperd.board.board import Board
    from esperd.testing.terminal import BoardTerminal
    from tests.esperd.board.conftest import Recorder

# More than a pseudo-terminal holds, less than may be sent at once.
MUCH = b"erase_flash\r\n" * 4000
# Source: RFC 2217, "Com Port Control Option": SET-CONTROL of the client, and its values for RTS and break.
DO_COM_PORT = b"\xff\xfd\x2c"
RTS_ON = b"\xff\xfa\x2c\x05\x0b\xff\xf0"
RTS_OFF = b"\xff\xfa\x2c\x05\x0c\xff\xf0"
BREAK_ON = b"\xff\xfa\x2c\x05\x05\xff\xf0"


async def all_that_arrived(terminal: BoardTerminal, size: int) -> bytes:
    arrived = b""
    with trio.fail_after(20):
        while len(arrived) < size:
            arrived += await terminal.receive()
        with trio.move_on_after(0.1):
            arrived += await terminal.receive()
    return arrived


@contextlib.asynccontextmanager
async def connected(tmp_path: Path, port: str, recorder: Recorder) -> AsyncGenerator[Board]:
    async with open_boards(tmp_path, f"b={port}", own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        yield board


async def begin_to_send(board: Board) -> None:
    """Sends more than the board takes, until it is cancelled or refused."""
    with contextlib.suppress(CommandError):
        await board.send(MUCH, "alice (pid 7)")


async def test_a_write_that_times_out_is_told_as_far_as_it_got(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder, autojump_clock: trio.testing.MockClock
) -> None:
    async with connected(tmp_path, terminal.path, recorder) as board:
        with pytest.raises(CommandError) as caught:
            await board.send(MUCH, "alice (pid 7)")
        assert caught.value.code == "timed_out"
        (tx,) = recorder.bodies(Tx)
        assert (tx.who, tx.why) == ("alice (pid 7)", "typed")
        assert 0 < len(tx.data) < len(MUCH)
        assert f"b: the board took no input for 5 s; {len(tx.data)} of {len(MUCH)} bytes" in str(caught.value)
        assert await all_that_arrived(terminal, len(tx.data)) == tx.data == MUCH[: len(tx.data)]


async def test_a_write_whose_client_goes_is_told_as_far_as_it_got(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with connected(tmp_path, terminal.path, recorder) as board:
        with trio.move_on_after(0.1):
            await board.send(MUCH, "alice (pid 7)")
        (tx,) = recorder.bodies(Tx)
        assert await all_that_arrived(terminal, len(tx.data)) == tx.data


async def test_a_write_that_is_refused_at_once_is_no_event(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder, autojump_clock: trio.testing.MockClock
) -> None:
    async with connected(tmp_path, terminal.path, recorder) as board:
        # The kernel moves what waits from buffer to buffer when it likes, and takes more then: until it is really full.
        refusal, told = "", 0
        while f"; 0 of {len(MUCH)} bytes were written" not in refusal:
            told = len(recorder.bodies(Tx))
            with pytest.raises(CommandError) as caught:
                await board.send(MUCH, "bob (pid 8)")
            refusal = str(caught.value)
        assert len(recorder.bodies(Tx)) == told


@pytest.mark.parametrize("how", ["lent", "configured anew", "stopped"])
async def test_a_write_that_the_end_of_its_session_cuts_stands_before_that_end(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder, how: str
) -> None:
    async with connected(tmp_path, terminal.path, recorder) as board, trio.open_nursery() as nursery:
        nursery.start_soon(begin_to_send, board)
        nursery.start_soon(begin_to_send, board)
        with trio.fail_after(20):
            while (await trio.to_thread.run_sync(terminal.waiting_bytes)) == 0:
                pass
        if how == "lent":
            await board.lend(1, "bob (pid 8)", "idf.py flash", force=False)
        elif how == "configured anew":
            board.reconfigure(board.parts.endpoint, 9600, board.parts.core_limits)
            await recorder.wait_for(SessionClosed)
    kinds = [type(event.body) for event in recorder.events]
    end = SessionReleased if how == "lent" else SessionClosed
    assert kinds.count(Tx) == 1
    assert kinds.index(Tx) < kinds.index(end)


class SerialServer:
    """An RFC 2217 server that hangs up when it was asked for *last*; ``asked`` is what it was asked for."""

    def __init__(self, last: bytes) -> None:
        self._last = last
        self.asked = b""
        self.has_answered = False

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            if self.has_answered:
                return
            self.has_answered = True
            await stream.send_all(DO_COM_PORT)
            async for data in stream:
                self.asked += data
                if self._last in self.asked:
                    return


async def serve_once(nursery: trio.Nursery, last: bytes) -> tuple[str, SerialServer]:
    server = SerialServer(last)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, server.serve, [listener])
    return f"rfc2217://127.0.0.1:{listener.socket.getsockname()[1]}", server


async def test_a_reset_whose_port_goes_in_the_middle_is_told(
    tmp_path: Path, recorder: Recorder, nursery: trio.Nursery
) -> None:
    url, _ = await serve_once(nursery, RTS_ON)
    async with connected(tmp_path, url, recorder) as board:
        with pytest.raises(CommandError) as caught:
            await board.control.reset("alice (pid 7)", bootloader=True)
        assert caught.value.code == "absent"
        assert recorder.bodies(ResetSent) == [ResetSent("alice (pid 7)", True)]
    nursery.cancel_scope.cancel()


async def test_a_break_whose_port_goes_in_the_middle_is_told(
    tmp_path: Path, recorder: Recorder, nursery: trio.Nursery
) -> None:
    url, _ = await serve_once(nursery, BREAK_ON)
    async with connected(tmp_path, url, recorder) as board:
        with pytest.raises(CommandError):
            await board.control.send_break("alice (pid 7)", 0.2)
        assert recorder.bodies(BreakSent) == [BreakSent("alice (pid 7)", 0.2)]
    nursery.cancel_scope.cancel()


async def test_a_break_whose_client_goes_is_told(tmp_path: Path, recorder: Recorder, nursery: trio.Nursery) -> None:
    url, server = await serve_once(nursery, b"never asked for")
    async with connected(tmp_path, url, recorder) as board:
        with trio.move_on_after(0.1):
            await board.control.send_break("alice (pid 7)", 5)
        assert recorder.bodies(BreakSent) == [BreakSent("alice (pid 7)", 5)]
        with trio.fail_after(20):
            while BREAK_ON not in server.asked:
                await trio.lowlevel.checkpoint()
    nursery.cancel_scope.cancel()


async def test_of_many_resets_at_once_none_is_cut_and_leaves_the_board_in_reset(
    tmp_path: Path, recorder: Recorder, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    url, server = await serve_once(nursery, b"never asked for")
    async with connected(tmp_path, url, recorder) as board:
        refused: list[str] = []

        async def reset() -> None:
            try:
                await board.control.reset("alice (pid 7)", bootloader=False)
            except CommandError as error:
                refused.append(error.code)

        async with trio.open_nursery() as resets:
            for _ in range(30):
                resets.start_soon(reset)
        done = len(recorder.bodies(ResetSent))
        # Each is done in full, or not at all.
        assert refused == ["timed_out"] * (30 - done)
        assert 0 < done < 30
        with trio.fail_after(20):
            while server.asked.count(RTS_OFF) < done:
                await trio.lowlevel.checkpoint()
        assert server.asked.count(RTS_ON) == server.asked.count(RTS_OFF) == done
    nursery.cancel_scope.cancel()
