"""Switching boards, and daemons that answer no more, against real daemons; the boards are played by the test."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import pytest
import trio

from esperctl.viewer import effects
from esperctl.viewer.connection.executor import Executor
from esperctl.viewer.messages import (
    Attached,
    BoardsListed,
    Detached,
    EffectFailed,
    EventsArrived,
    Message,
    PageArrived,
)
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.terminal import BoardTerminal

_DEADLINE_S: Final = 20.0

M = TypeVar("M", bound=Message)


class _Session:
    """An executor, and what the model would have been told."""

    def __init__(self, tasks: asyncio.TaskGroup, socket: str | None) -> None:
        self.messages: list[Message] = []
        self._grew = asyncio.Event()
        self.executor = Executor(tasks, self._tell, lambda _: True, lambda _: None, socket=socket, interactive=True)

    def _tell(self, message: Message) -> None:
        self.messages.append(message)
        self._grew.set()

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.messages if isinstance(message, kind)]

    async def wait_for(self, kind: type[M], where: Callable[[M], bool] = lambda _: True) -> M:
        async with asyncio.timeout(_DEADLINE_S):
            while not (found := [message for message in self.of(kind) if where(message)]):
                await self._grew.wait()
                self._grew.clear()
        return found[0]

    async def follow(self, daemon: Daemon) -> None:
        self.executor.start(effects.SwitchBoard(str(daemon.socket), daemon.socket.stem))
        await self.wait_for(Attached, lambda attached: attached.board.board == daemon.socket.stem)


async def _run(use: Callable[[_Session], Awaitable[None]], socket: str | None = None) -> float:
    """Runs *use* in asyncio; how long the viewer takes to end afterwards, in seconds."""

    async def main() -> float:
        async with asyncio.TaskGroup() as tasks:
            session = _Session(tasks, socket)
            try:
                await use(session)
            finally:
                began = time.monotonic()
                session.executor.stop()
        return time.monotonic() - began

    with trio.fail_after(2 * _DEADLINE_S):
        return await trio.to_thread.run_sync(lambda: asyncio.run(main()))


@pytest.fixture
async def other(bench: Bench) -> Daemon:
    return await bench.start("other=sim:console")


def _pause(daemon: Daemon) -> None:
    os.kill(daemon.process.pid, signal.SIGSTOP)


def _resume(daemon: Daemon) -> None:
    os.kill(daemon.process.pid, signal.SIGCONT)


async def test_what_was_not_answered_when_the_board_is_switched_is_told_to_have_failed(
    daemon: Daemon, other: Daemon
) -> None:
    async def use(session: _Session) -> None:
        await session.follow(daemon)
        _pause(daemon)
        waiting = (
            effects.AddNote("before the test"),
            effects.ListCoredumps(),
            effects.StartScan(1, "search", 100, "x"),
        )
        for effect in waiting:
            session.executor.start(effect)
        await session.follow(other)
        await session.wait_for(EffectFailed, lambda failed: failed.effect == waiting[-1])
        told = {failed.effect: failed.error for failed in session.of(EffectFailed)}
        assert told == dict.fromkeys(waiting, "the board was switched")

    try:
        await _run(use)
    finally:
        _resume(daemon)


async def test_the_list_of_boards_outlives_a_switch(daemon: Daemon, other: Daemon) -> None:
    async def use(session: _Session) -> None:
        await session.follow(daemon)
        session.executor.start(effects.ListBoards())
        session.executor.start(effects.SwitchBoard(str(other.socket), "other"))
        listed = await session.wait_for(BoardsListed)
        assert [board.board for _, board in listed.boards] == ["b"]

    await _run(use, str(daemon.socket))


async def test_what_was_typed_before_a_switch_reaches_its_board(
    daemon: Daemon, other: Daemon, terminal: BoardTerminal
) -> None:
    typed = bytes(range(256)) * 200

    async def use(session: _Session) -> None:
        await session.follow(daemon)
        session.executor.start(effects.SendToBoard(typed))
        session.executor.start(effects.SwitchBoard(str(other.socket), "other"))
        await session.wait_for(Attached, lambda attached: attached.board.board == "other")
        await session.executor.finish(_DEADLINE_S)
        assert not session.of(EffectFailed)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run, use)
        received = b""
        with trio.fail_after(_DEADLINE_S):
            while len(received) < len(typed):
                received += await terminal.receive()
    assert received == typed


async def test_of_a_board_that_was_left_nothing_is_told_any_more(
    daemon: Daemon, other: Daemon, terminal: BoardTerminal
) -> None:
    async def use(session: _Session) -> None:
        await session.follow(daemon)
        _pause(daemon)
        session.executor.start(effects.SendToBoard(b"x"))
        session.executor.start(effects.SwitchBoard(str(other.socket), "other"))
        _resume(daemon)
        session.messages.clear()
        await asyncio.to_thread(trio.run, terminal.send, b"from the board that was left\r\n")
        await session.wait_for(Attached, lambda attached: attached.board.board == "other")
        await session.executor.finish(_DEADLINE_S)
        told = {event.board for message in session.of(EventsArrived) for event in message.events}
        assert told <= {"other"}
        assert not session.of(Detached)

    await _run(use)


async def test_a_board_that_can_not_be_followed_is_named(daemon: Daemon) -> None:
    async def use(session: _Session) -> None:
        await session.follow(daemon)
        session.executor.start(effects.SwitchBoard(str(daemon.socket), "absent"))
        assert (await session.wait_for(Detached)).board == "absent"

    await _run(use)


async def test_a_page_for_the_log_of_the_board_before_is_not_asked_of_the_next_one(daemon: Daemon) -> None:
    async def use(session: _Session) -> None:
        await session.follow(daemon)
        session.executor.start(effects.SwitchBoard(str(daemon.socket), "absent"))
        session.executor.start(effects.FetchPage("older", 100, 5, 1))
        await session.wait_for(Detached)
        assert not session.of(PageArrived)
        assert not session.of(EffectFailed)

    await _run(use)


async def test_a_viewer_whose_daemon_was_stopped_ends_all_the_same(daemon: Daemon) -> None:
    async def use(session: _Session) -> None:
        await session.follow(daemon)
        _pause(daemon)
        # More than the socket takes.
        for number in range(300):
            session.executor.start(effects.AddNote(f"{number} " + "n" * 3000))
        await asyncio.sleep(0.1)

    try:
        assert await _run(use) < 5
    finally:
        _resume(daemon)


async def test_a_daemon_that_was_stopped_hides_only_its_own_boards(
    bench: Bench, other: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: f"{bench.state_dir}-{name}" for name in ("p1", "p2", "p3")}
    paused = [await bench.start(f"{name}=sim:console", "--state-dir", folder) for name, folder in folders.items()]
    # As in a user's runtime directory.
    folder = bench.runtime_dir.parent / "user" / "esperd"
    folder.parent.mkdir()
    folder.symlink_to(bench.runtime_dir)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder.parent))
    took: list[float] = []

    async def use(session: _Session) -> None:
        began = time.monotonic()
        session.executor.start(effects.ListBoards())
        listed = await session.wait_for(BoardsListed)
        took.append(time.monotonic() - began)
        assert [board.board for _, board in listed.boards if board.board in ("other", "p1", "p2", "p3")] == ["other"]

    for daemon in paused:
        _pause(daemon)
    try:
        await _run(use)
    finally:
        for daemon in paused:
            _resume(daemon)
    assert took[0] < 2.5
