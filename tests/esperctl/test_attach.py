from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import CoredumpProgress, CoredumpStarted, Line, Note
from esper_protocol.messages import Subscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.esperctl.conftest import Esperctl, FakeDaemon, MakeBoard

    StartAttach = Callable[..., "Terminal"]
    Follower = Callable[..., subprocess.Popen[bytes]]


class Terminal:
    """The command on a terminal of its own that can only print, so that there is no full screen."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.master, self.slave = os.openpty()
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, env={**environment, "TERM": "dumb"}
        )
        self.seen = ""

    async def read_until(self, expected: str) -> str:
        """Reads until *expected* was shown, and returns all that was shown up to now."""
        with trio.fail_after(20):
            while expected not in self.seen:
                await trio.lowlevel.wait_readable(self.master)
                self.seen += os.read(self.master, 65536).decode().replace("\r\n", "\n")
        return self.seen

    async def wait(self) -> int:
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def attach(command: list[str], environment: dict[str, str]) -> Iterator[StartAttach]:
    terminals: list[Terminal] = []

    def start(*words: str, word: str = "attach") -> Terminal:
        terminals.append(Terminal([*command, word, *words], environment))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


async def test_attaching_shows_the_last_lines_and_follows(daemon: FakeDaemon, attach: StartAttach) -> None:
    daemon.add(Line(b"".join(b"old %d\n" % number for number in range(30)), 30))
    terminal = attach()
    await terminal.read_until("old 29")
    await daemon.publish(Line(b"\x1b[31mnew\x1b[6n\n", 1))
    seen = await terminal.read_until("new␛[6n\n")
    assert "--- attached to bench1 (connected, session 3, boot 12), Ctrl-C leaves ---" in seen
    assert "old 9\n" not in seen
    assert "old 10\n" in seen
    (request,) = await daemon.requested(Subscribe)
    assert request == Subscribe("bench1", last_lines=20)


async def test_a_dump_is_folded_on_a_terminal(daemon: FakeDaemon, attach: StartAttach, make_board: MakeBoard) -> None:
    terminal = attach()
    await terminal.read_until("attached to")
    await daemon.publish(CoredumpStarted("bench1-1", 1))
    await daemon.publish(Line(b"QUJD\n", 1))
    await daemon.publish(CoredumpProgress("bench1-1", 4, 1, 512, 1024, 0.1))
    await daemon.publish(Note("done", "bob"))
    seen = await terminal.read_until("note by bob: done")
    assert "QUJD" not in seen
    assert "core dump bench1-1: 512 B of 1.0 KiB, 50 %" in seen


async def test_a_daemon_that_comes_back_is_followed_from_the_cursor(
    nursery: trio.Nursery, daemon: FakeDaemon, attach: StartAttach
) -> None:
    daemon.add(Line(b"one\n", 1))
    daemon.hangs_up_after_history = True
    terminal = attach()
    await terminal.read_until("went away; waiting for it")
    daemon.hangs_up_after_history = False
    daemon.add(Line(b"two\n", 1))
    await terminal.read_until("attached to bench1 again")
    seen = await terminal.read_until("two\n")
    assert seen.count("went away") == 1
    assert seen.count("one\n") == 1
    assert (await daemon.requested(Subscribe, 2))[-1] == Subscribe("bench1", after=1)
    terminal.interrupt()
    assert await terminal.wait() == 130


async def test_waiting_for_a_daemon_can_be_left(daemon: FakeDaemon, attach: StartAttach) -> None:
    daemon.hangs_up_after_history = True
    terminal = attach()
    await terminal.read_until("waiting for it")
    await trio.Path(daemon.path).unlink()
    terminal.interrupt()
    assert await terminal.wait() == 130


async def test_in_a_pipe_nothing_is_read_and_the_stream_is_plain(daemon: FakeDaemon, follower: Follower) -> None:
    daemon.add(Line(b"\x1b[31mhello\x1b[0m\n", 1))
    process = follower("attach")
    assert process.stdout is not None
    seen = b""
    with trio.fail_after(20):
        while b"hello\n" not in seen:
            await trio.lowlevel.wait_readable(process.stdout)
            seen += os.read(process.stdout.fileno(), 65536)
    assert b"\x1b" not in seen
    assert await daemon.requested(Subscribe) == [Subscribe("bench1", last_lines=20, interactive=False)]
    process.send_signal(signal.SIGINT)
    with trio.fail_after(20):
        assert await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True) == 130


async def test_without_a_daemon_there_is_nothing_to_wait_for(esperctl: Esperctl) -> None:
    done = await esperctl("attach")
    assert done.code == 3


async def test_a_start_can_be_chosen(daemon: FakeDaemon, attach: StartAttach) -> None:
    daemon.add(Line(b"a\nb\nc\n", 3))
    terminal = attach("--after", "2")
    seen = await terminal.read_until("c\n")
    assert " b\n" not in seen


async def test_nobody_can_take_over_from_a_pipe(esperctl: Esperctl) -> None:
    done = await esperctl("attach", "--steal")
    assert done.code == 2
    assert "needs a terminal" in done.err
