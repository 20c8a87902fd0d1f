"""Who may type on a board, and what everybody sees of it."""

import os
import sys
from pathlib import Path

import pytest
import trio

from esper_protocol.events import CoredumpEnded, CoredumpStarted, SessionLost, Tx, ViewerDetached, WriterChanged
from esper_protocol.messages import (
    AbortCapture,
    Boards,
    Done,
    ListBoards,
    ReleaseWriter,
    Send,
    Subscribe,
    TakeWriter,
)
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.dumps import END_LINE, START_LINE, base64_lines, container
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import RefusedError, Viewer, bodies, joined_lines

# The name that the daemon gives to this process as a client.
ME = f"(pid {os.getpid()})"


@pytest.fixture
async def daemon(bench: Bench, terminal: BoardTerminal) -> Daemon:
    return await bench.start(f"b={terminal.path}")


async def board_writer(viewer: Viewer) -> str | None:
    boards = await viewer.request(ListBoards())
    assert isinstance(boards, Boards)
    return boards.boards[0].writer


async def test_the_first_interactive_viewer_may_write_and_the_second_is_told_who_does(daemon: Daemon) -> None:
    async with daemon.viewer() as first, daemon.viewer() as second:
        subscribed = await first.subscribe(Subscribe("b", after=0, interactive=True))
        assert subscribed.is_writer
        assert ME in (subscribed.writer or "")
        subscribed = await second.subscribe(Subscribe("b", after=0, interactive=True))
        assert not subscribed.is_writer
        assert ME in (subscribed.writer or "")
        with pytest.raises(RefusedError) as refused:
            await second.request(TakeWriter("b"))
        assert refused.value.error.code == "busy"
        assert ME in refused.value.error.message
        with pytest.raises(RefusedError) as refused:
            await second.request(Send("b", b"me, too\r"))
        assert refused.value.error.code == "busy"
        assert not bodies(first.events, Tx)


async def test_a_viewer_that_only_watches_takes_no_lease(daemon: Daemon) -> None:
    async with daemon.viewer() as viewer:
        assert (await viewer.subscribe(Subscribe("b"))).writer is None
        assert await board_writer(viewer) is None


async def test_a_stolen_lease_is_seen_by_all(daemon: Daemon, terminal: BoardTerminal) -> None:
    async with daemon.viewer() as holder, daemon.viewer() as thief, daemon.viewer() as watcher:
        await watcher.subscribe(Subscribe("b", after=0))
        await holder.subscribe(Subscribe("b", after=0, interactive=True))
        await thief.subscribe(Subscribe("b", after=0))
        await thief.request(TakeWriter("b", steal=True))
        for viewer in (holder, thief, watcher):
            stolen = (await viewer.wait_for(WriterChanged, count=2)).body
            assert isinstance(stolen, WriterChanged)
            assert stolen.stolen
            assert ME in (stolen.writer or "")
            assert ME in (stolen.previous or "")
        with pytest.raises(RefusedError):
            await holder.request(Send("b", b"not any more\r"))
        await thief.request(Send("b", b"mine\r"))
        assert await terminal.receive() == b"mine\r"


@pytest.mark.parametrize("how", ["detaches", "vanishes", "gives it back"])
async def test_a_lease_is_free_when_its_holder_leaves(daemon: Daemon, how: str) -> None:
    async with daemon.viewer() as watcher:
        await watcher.subscribe(Subscribe("b", after=0))
        async with daemon.viewer() as holder:
            await holder.subscribe(Subscribe("b", interactive=True))
            await watcher.wait_for(WriterChanged)
            if how == "vanishes":
                await trio.aclose_forcefully(holder.stream)
            elif how == "gives it back":
                assert await holder.request(ReleaseWriter("b")) == Done()
        freed = (await watcher.wait_for(WriterChanged, count=2)).body
        assert isinstance(freed, WriterChanged)
        assert freed.writer is None
        await watcher.wait_for(ViewerDetached)
        assert await board_writer(watcher) is None
        assert await watcher.request(TakeWriter("b")) == Done()


async def test_what_was_sent_reaches_the_board_and_is_an_event_that_names_the_sender(
    daemon: Daemon, terminal: BoardTerminal
) -> None:
    async with daemon.viewer() as watcher, daemon.viewer() as sender:
        await watcher.subscribe(Subscribe("b", after=0))
        await sender.request(Send("b", b"help\r\n\x00\xff"))
        assert await terminal.receive() == b"help\r\n\x00\xff"
        sent = (await watcher.wait_for(Tx)).body
    assert isinstance(sent, Tx)
    assert (sent.data, sent.why) == (b"help\r\n\x00\xff", "typed")
    assert ME in sent.who


async def test_a_command_of_ones_own_is_sent_beside_the_own_viewer(daemon: Daemon, terminal: BoardTerminal) -> None:
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0, interactive=True))
        command = [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket)]
        await trio.run_process([*command, "send", "help"])
        assert await terminal.receive() == b"help\r"
        sent = (await viewer.wait_for(Tx)).body
        assert isinstance(sent, Tx)
        assert ME not in sent.who
        asked = await trio.run_process([*command, "break"], capture_stderr=True, check=False)
        assert asked.returncode == 1
        assert asked.stderr.decode() == (
            f"esperctl: b: {terminal.path} carries no break (a pseudo-terminal): that takes a serial port, here or "
            "behind an rfc2217:// server\n"
        )
        assert await viewer.request(Send("b", b"mine\r")) == Done()
        # It has kept the lease.
        assert len(bodies(viewer.events, WriterChanged)) == 1


async def test_nothing_is_sent_while_a_core_dump_arrives(daemon: Daemon, terminal: BoardTerminal) -> None:
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0, interactive=True))
        await terminal.send(START_LINE)
        await viewer.wait_for(CoredumpStarted)
        with pytest.raises(RefusedError) as refused:
            await viewer.request(Send("b", b"x"))
        assert refused.value.error.code == "capturing"
        assert "b-1" in refused.value.error.message
        await terminal.send(b"".join(base64_lines(container(100, seed=1))) + END_LINE)
        await viewer.wait_for(CoredumpEnded)
        assert await viewer.request(Send("b", b"x")) == Done()
        assert await terminal.receive() == b"x"


async def test_an_aborted_capture_keeps_what_arrived(daemon: Daemon, terminal: BoardTerminal) -> None:
    lines = base64_lines(container(3000, seed=1))
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        said = START_LINE + b"".join(lines[:10])
        await terminal.send(said)
        await viewer.wait_for_bytes(len(said))
        await viewer.wait_for(CoredumpStarted)
        assert await viewer.request(AbortCapture("b")) == Done()
        ended = (await viewer.wait_for(CoredumpEnded)).body
        with pytest.raises(RefusedError) as refused:
            await viewer.request(AbortCapture("b"))
        assert refused.value.error.code == "failed"
        await terminal.send(b"".join(lines[10:]) + END_LINE)
        await viewer.wait_for_bytes(len(START_LINE + b"".join(lines) + END_LINE))
        assert joined_lines(viewer.events) == START_LINE + b"".join(lines) + END_LINE
    assert isinstance(ended, CoredumpEnded)
    assert (ended.capture, ended.end_reason) == ("partial", "aborted")
    assert await daemon.stop() == 0
    assert (Path(ended.path) / "core.b64").read_bytes() == b"".join(lines[:10])
    assert len(bodies(viewer.events, CoredumpEnded)) == 1


async def test_the_prompt_for_a_core_dump_is_answered_once_and_seen(daemon: Daemon, terminal: BoardTerminal) -> None:
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(b"Press Enter to print core dump to UART...\r\n")
        answered = (await viewer.wait_for(Tx)).body
        assert await terminal.receive() == b"\n"
    assert isinstance(answered, Tx)
    assert (answered.who, answered.data) == ("esperd", b"\n")


async def test_nothing_can_be_sent_to_a_board_that_is_absent(daemon: Daemon, terminal: BoardTerminal) -> None:
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        terminal.hang_up()
        await viewer.wait_for(SessionLost)
        with pytest.raises(RefusedError) as refused:
            await viewer.request(Send("b", b"x"))
    assert refused.value.error.code == "absent"
    assert not bodies(viewer.events, Tx)
