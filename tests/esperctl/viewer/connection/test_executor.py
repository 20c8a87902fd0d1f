"""The viewer's asyncio side against a real daemon; the board is played by the test, on trio."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import pytest
import trio

from esper_protocol.events import DaemonStarted, Line, Note, seq_count, split_lines
from esper_protocol.messages import Subscribe
from esperctl.subscription import AnyEvent
from esperctl.viewer import effects
from esperctl.viewer.connection.executor import Executor
from esperctl.viewer.messages import (
    Attached,
    BoardsListed,
    CoredumpsListed,
    Detached,
    EffectDone,
    EffectFailed,
    EventsArrived,
    Message,
    PageArrived,
    ScanProgressed,
)
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.terminal import BoardTerminal

DEADLINE_S: Final = 20.0
# More than an OSC 52 sequence takes, in this test.
CLIPBOARD_CHARACTERS: Final = 100

M = TypeVar("M", bound=Message)


class Session:
    """An executor, and what the model would have been told."""

    def __init__(self, executor: Executor, told: "Told", copied: list[str], left: list[int]) -> None:
        self.executor = executor
        self.told = told
        self.copied = copied
        self.left = left

    async def do(self, effect: effects.Effect, kind: type[M], where: Callable[[M], bool] = lambda _: True) -> M:
        """Starts an effect, and waits for the message that answers it."""
        self.told.messages.clear()
        self.executor.start(effect)
        return await self.told.wait_for(kind, where)


class Told:
    """Keeps the messages for the model; waits for more of them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._grew = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self._grew.set()

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.messages if isinstance(message, kind)]

    async def wait_until(self, is_enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not is_enough():
                await self._grew.wait()
                self._grew.clear()

    async def wait_for(self, kind: type[M], where: Callable[[M], bool] = lambda _: True) -> M:
        await self.wait_until(lambda: any(where(message) for message in self.of(kind)))
        return next(message for message in self.of(kind) if where(message))


async def with_session(daemon: Daemon, use: Callable[[Session], Awaitable[None]], *, is_writer: bool = True) -> None:
    """Runs *use* in asyncio, beside the trio side of the test."""

    async def main() -> None:
        told, copied, left = Told(), list[str](), list[int]()

        def copy(text: str) -> bool:
            fits = len(text) <= CLIPBOARD_CHARACTERS
            if fits:
                copied.append(text)
            return fits

        async with asyncio.TaskGroup() as tasks:
            executor = Executor(tasks, told, copy, left.append, socket=str(daemon.socket), interactive=True)
            executor.follow(str(daemon.socket), "b")
            assert (await told.wait_for(Attached)).subscribed.is_writer is is_writer
            await use(Session(executor, told, copied, left))
            executor.stop()

    await trio.to_thread.run_sync(lambda: asyncio.run(main()))


def data_of(events: tuple[AnyEvent, ...] | list[AnyEvent]) -> bytes:
    return b"".join(event.body.data for event in events if isinstance(event.body, Line))


def live_data(told: Told) -> bytes:
    return b"".join(data_of(message.events) for message in told.of(EventsArrived))


async def said(daemon: Daemon, terminal: BoardTerminal, data: bytes) -> list[AnyEvent]:
    """Has the board say *data*; the board's whole history, once the daemon has all of it."""
    await terminal.send(data)
    with trio.fail_after(DEADLINE_S):
        while True:
            history: list[AnyEvent] = list(await daemon.history("b"))
            if len(data_of(history)) >= len(data):
                return history
            await trio.sleep(0.02)


def numbered(count: int) -> bytes:
    return b"".join(b"I (%d) main: line %05d\r\n" % (number, number) for number in range(count))


async def test_what_the_board_says_arrives_in_order_after_the_last_lines(
    daemon: Daemon, terminal: BoardTerminal
) -> None:
    before = numbered(30)
    await said(daemon, terminal, before)

    async def use(session: Session) -> None:
        await session.told.wait_until(lambda: live_data(session.told) == before)
        attached = session.told.of(Attached)[0]
        assert (attached.board.board, attached.again, attached.subscribed.is_writer) == ("b", False, True)
        await asyncio.to_thread(trio.run, terminal.send, b"more\r\n")
        await session.told.wait_until(lambda: live_data(session.told) == before + b"more\r\n")

    await with_session(daemon, use)


async def test_a_restart_of_the_daemon_loses_and_repeats_nothing(
    bench: Bench, daemon: Daemon, terminal: BoardTerminal
) -> None:
    await said(daemon, terminal, b"one\r\n")
    follows, is_back = trio.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def use(session: Session) -> None:
        loops.append(asyncio.get_running_loop())
        await session.told.wait_until(lambda: live_data(session.told) == b"one\r\n")
        trio.from_thread.run_sync(follows.set)
        async with asyncio.timeout(DEADLINE_S):
            await is_back.wait()
        await session.told.wait_until(lambda: live_data(session.told) == b"one\r\ntwo\r\n")
        assert [message.again for message in session.told.of(Attached)] == [False, True]
        assert session.told.of(Detached)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(with_session, daemon, use)
        await follows.wait()
        assert await daemon.stop() == 0
        again = await bench.start(f"b={terminal.path}")
        await said(again, terminal, b"two\r\n")
        loops[0].call_soon_threadsafe(is_back.set)


async def test_pages_backwards_and_forwards_are_the_history(daemon: Daemon, terminal: BoardTerminal) -> None:
    lines = numbered(1000)
    history = await said(daemon, terminal, lines)
    end = max(event.seq for event in history) + 1000

    async def use(session: Session) -> None:
        pages: list[bytes] = []
        position, is_end = end, False
        while not is_end:
            page = await session.do(effects.FetchPage("older", position, 300, 1), PageArrived)
            pages.insert(0, data_of(page.events))
            position, is_end = page.events[0].seq if page.events else position, page.is_end
        assert b"".join(pages) == lines

        forward, position, is_end = b"", 0, False
        while not is_end:
            page = await session.do(effects.FetchPage("newer", position, 300, 1), PageArrived)
            position = max((event.seq + seq_count(event.body) - 1 for event in page.events), default=position)
            forward, is_end = forward + data_of(page.events), page.is_end
        assert forward == lines

    await with_session(daemon, use)


async def test_paging_does_not_fill_the_journal_with_viewers(daemon: Daemon, terminal: BoardTerminal) -> None:
    await said(daemon, terminal, numbered(10))

    async def use(session: Session) -> None:
        for _ in range(3):
            await session.do(effects.FetchPage("older", 10_000, 5, 1), PageArrived)

    await with_session(daemon, use)
    viewers = [event for event in await daemon.history("b") if type(event.body).__name__ == "ViewerAttached"]
    assert len(viewers) == 1


async def test_typed_bytes_reach_the_board_in_order(daemon: Daemon, terminal: BoardTerminal) -> None:
    typed = bytes(range(256)) * 200

    async def use(session: Session) -> None:
        for start in range(0, len(typed), 1000):
            session.executor.start(effects.SendToBoard(typed[start : start + 1000]))
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.to_thread(trio.run, _receive, terminal, typed)
        assert not session.told.of(EffectFailed)

    await with_session(daemon, use)


async def _receive(terminal: BoardTerminal, expected: bytes) -> None:
    received = b""
    while len(received) < len(expected):
        received += await terminal.receive()
    assert received == expected


async def test_typing_without_the_lease_is_refused_and_says_why(daemon: Daemon) -> None:
    async def use(session: Session) -> None:
        failed = await session.do(effects.SendToBoard(b"x"), EffectFailed)
        assert isinstance(failed.effect, effects.SendToBoard)
        assert failed.code == "busy"

    async with daemon.viewer() as writer:
        await writer.subscribe(Subscribe("b", interactive=True))
        await with_session(daemon, use, is_writer=False)


async def test_changes_are_answered_and_seen_by_all(daemon: Daemon) -> None:
    async def use(session: Session) -> None:
        await session.do(effects.AddNote("before the test"), EffectDone)
        await session.told.wait_for(
            EventsArrived,
            lambda message: any(isinstance(event.body, Note) for event in message.events),
        )
        released = await session.do(effects.ReleaseWriter(), EffectDone)
        assert isinstance(released.effect, effects.ReleaseWriter)
        taken = await session.do(effects.TakeWriter(), EffectDone)
        assert isinstance(taken.effect, effects.TakeWriter)
        refused = await session.do(effects.AbortCapture(), EffectFailed)
        assert "no core dump" in refused.error

    await with_session(daemon, use)


async def test_boards_and_dumps_are_listed(daemon: Daemon) -> None:
    async def use(session: Session) -> None:
        listed = await session.do(effects.ListBoards(), BoardsListed)
        assert [board.board for _, board in listed.boards] == ["b"]
        assert (await session.do(effects.ListCoredumps(), CoredumpsListed)).coredumps == ()
        unknown = await session.do(effects.FetchCoredump("b-99"), EffectFailed)
        assert unknown.code == "unknown_coredump"

    await with_session(daemon, use)


async def test_a_scan_finds_every_line_and_what_is_not_a_line(daemon: Daemon, terminal: BoardTerminal) -> None:
    lines = numbered(2000)
    history = await said(daemon, terminal, lines)
    end = history[-1].seq + 2000
    expected = [
        event.seq + index
        for event in history
        if isinstance(event.body, Line)
        for index, line in enumerate(split_lines(event.body))
        if b"LINE 0012" in line.upper()
    ]
    assert len(expected) == 10

    async def use(session: Session) -> None:
        for pattern, is_regex in (("LINE 0012", False), (r"line 0012\d$", True)):
            start = effects.StartScan(7, "search", end, pattern, is_regex=is_regex, wants_events=True)
            await session.do(start, ScanProgressed, lambda progress: progress.is_finished)
            progress = session.told.of(ScanProgressed)
            assert sorted(seq for message in progress for seq in message.matches) == expected
            kinds = {type(event.body).__name__ for message in progress for event in message.events}
            assert {"DaemonStarted", "SessionOpened"} <= kinds

    await with_session(daemon, use)


async def test_a_scan_finds_what_is_shown_and_is_no_line(daemon: Daemon, terminal: BoardTerminal) -> None:
    history = await said(daemon, terminal, b"one\r\n")
    started = next(event.seq for event in history if isinstance(event.body, DaemonStarted))
    line = next(event.seq for event in history if isinstance(event.body, Line))

    async def use(session: Session) -> None:
        start = effects.StartScan(7, "search", history[-1].seq + 1, "esperd .* started|^one$", is_regex=True)
        done = await session.do(start, ScanProgressed, lambda progress: progress.is_finished)
        assert done.matches == (started, line)
        assert done.events == ()

    await with_session(daemon, use)


async def test_a_pattern_that_never_ends_is_stopped(daemon: Daemon, terminal: BoardTerminal) -> None:
    history = await said(daemon, terminal, b"a" * 60 + b"!\r\n")

    async def use(session: Session) -> None:
        endless = effects.StartScan(1, "search", history[-1].seq + 1, "(a+)+$", is_regex=True)
        session.executor.start(endless)
        # The next scan of the same purpose takes its place, and its process with it.
        other = effects.StartScan(2, "search", history[-1].seq + 1, "a!", is_regex=False)
        done = await session.do(other, ScanProgressed, lambda progress: progress.is_finished)
        assert done.scan == 2
        assert [len(message.matches) for message in session.told.of(ScanProgressed)] == [1]

    await with_session(daemon, use)


async def test_what_is_copied_goes_to_a_file_when_it_is_too_large(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def use(session: Session) -> None:
        await session.do(effects.CopyText("short", "report.txt"), EffectDone)
        assert session.copied == ["short"]
        long = "x" * (CLIPBOARD_CHARACTERS + 1)
        await session.do(effects.CopyText(long, "report.txt"), EffectDone)
        second = await session.do(effects.SaveText("saved", "report.txt"), EffectDone)
        assert Path(second.detail).name == "report-2.txt"
        session.executor.start(effects.Leave(3))
        assert session.left == [3]

    await with_session(daemon, use)
    assert (tmp_path / "report.txt").read_text() == "x" * (CLIPBOARD_CHARACTERS + 1)
    assert (tmp_path / "report-2.txt").read_text() == "saved"


async def test_a_folder_that_can_not_be_written_to_is_named(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()

    async def use(session: Session) -> None:
        failed = await session.do(effects.SaveText("saved", "report.txt"), EffectFailed)
        assert "can't be written here" in failed.error

    await with_session(daemon, use)
