from __future__ import annotations

import os
import signal
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import CoredumpProgress, CoredumpStarted, Line, Note, WriterChanged
from esper_protocol.messages import Send, Subscribe, TakeWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.esperctl.conftest import Esperctl, FakeDaemon, MakeBoard, Refusal

    StartAttach = Callable[..., "Terminal"]
    Follower = Callable[..., subprocess.Popen[bytes]]


class Terminal:
    """The command on a pseudo-terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.master, self.slave = os.openpty()
        self.mode = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, env={**environment, "TERM": "xterm"}
        )
        self.seen = ""

    async def read_until(self, expected: str) -> str:
        """Reads until *expected* was shown, and returns all that was shown up to now."""
        with trio.fail_after(20):
            while expected not in self.seen:
                await trio.lowlevel.wait_readable(self.master)
                self.seen += os.read(self.master, 65536).decode().replace("\r\n", "\n")
        return self.seen

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    async def wait(self) -> int:
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)

    def is_restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.mode

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
    seen = await terminal.read_until("\x1b[31mnew␛[6n\x1b[0m\n")
    assert "--- attached to bench1 (connected, session 3, boot 12), Ctrl-] leaves, Ctrl-C goes to the board ---" in seen
    assert "old 9\n" not in seen
    assert "old 10\n" in seen
    (request,) = await daemon.requested(Subscribe)
    assert request == Subscribe("bench1", last_lines=20, interactive=True)


async def test_keys_go_to_the_board_as_they_are_typed(daemon: FakeDaemon, attach: StartAttach) -> None:
    terminal = attach(word="monitor")
    await terminal.read_until("attached to")
    for count, keys in enumerate([b"h", b"\r", b"\x03", b"\x1a", "ä".encode()], 1):
        terminal.type(keys)
        assert (await daemon.requested(Send, count))[-1] == Send("bench1", keys)
    terminal.type(b"last\x1dignored")
    assert await terminal.wait() == 0
    assert (await daemon.requested(Send, 6))[-1] == Send("bench1", b"last")
    assert terminal.is_restored()


async def test_keys_that_could_not_be_sent_are_told(
    daemon: FakeDaemon, attach: StartAttach, refuse: type[Refusal]
) -> None:
    daemon.answers[Send] = refuse("absent", "bench1: the port is gone")
    terminal = attach()
    await terminal.read_until("attached to")
    terminal.type(b"x")
    await terminal.read_until("--- bench1: the port is gone ---")
    terminal.type(b"\x1d")
    assert await terminal.wait() == 0


async def test_read_only_sends_nothing_and_leaves_on_ctrl_c(daemon: FakeDaemon, attach: StartAttach) -> None:
    terminal = attach("--read-only")
    await terminal.read_until("read-only, Ctrl-] or Ctrl-C leaves")
    terminal.type(b"hello")
    await terminal.read_until("read-only: keys are not sent; `esperctl attach --steal` takes over, Ctrl-] leaves")
    terminal.type(b"\x03")
    assert await terminal.wait() == 130
    assert terminal.is_restored()
    assert await daemon.requested(Subscribe) == [Subscribe("bench1", last_lines=20, interactive=False)]
    assert not [body for body in daemon.requests if isinstance(body, Send)]


async def test_a_board_that_somebody_types_to_is_watched_read_only(daemon: FakeDaemon, attach: StartAttach) -> None:
    daemon.writer = "bob (pid 7)"
    terminal = attach()
    seen = await terminal.read_until("attached to")
    assert "--- bob (pid 7) types to bench1; `esperctl attach --steal` takes over ---" in seen
    await terminal.read_until("read-only")


async def test_stealing_takes_the_lease_over(daemon: FakeDaemon, attach: StartAttach) -> None:
    daemon.writer = "bob (pid 7)"
    terminal = attach("--steal")
    await terminal.read_until("Ctrl-C goes to the board")
    assert await daemon.requested(TakeWriter) == [TakeWriter("bench1", steal=True)]
    await daemon.publish(WriterChanged("me", "bob (pid 7)", stolen=True))
    await terminal.read_until("typing: me, who took over from bob (pid 7)")
    terminal.type(b"x")
    assert await daemon.requested(Send) == [Send("bench1", b"x")]


async def test_leases_of_the_past_do_not_matter(daemon: FakeDaemon, attach: StartAttach) -> None:
    daemon.add(Line(b"x\n", 1), WriterChanged("eve", "bob", stolen=True), WriterChanged("me", None, stolen=False))
    terminal = attach("--after", "0")
    await terminal.read_until("typing: me")
    terminal.type(b"x")
    assert await daemon.requested(Send) == [Send("bench1", b"x")]


async def test_losing_the_lease_makes_it_read_only(daemon: FakeDaemon, attach: StartAttach) -> None:
    terminal = attach()
    await terminal.read_until("attached to")
    await daemon.publish(WriterChanged("me", None, stolen=False))
    await daemon.publish(WriterChanged("eve", "me", stolen=True))
    await terminal.read_until("typing: eve")
    terminal.type(b"x")
    await terminal.read_until("read-only: keys are not sent")
    terminal.type(b"\x03")
    assert await terminal.wait() == 130


async def test_the_terminal_is_restored_after_a_signal(daemon: FakeDaemon, attach: StartAttach) -> None:
    terminal = attach()
    await terminal.read_until("attached to")
    assert not terminal.is_restored()
    terminal.process.send_signal(signal.SIGTERM)
    assert await terminal.wait() == 143
    assert terminal.is_restored()


async def test_the_terminal_is_restored_after_an_error(daemon: FakeDaemon, attach: StartAttach) -> None:
    terminal = attach("bench9")
    await terminal.read_until("no daemon has a board called 'bench9'")
    assert await terminal.wait() == 4
    assert terminal.is_restored()


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
    assert (await daemon.requested(Subscribe, 2))[-1] == Subscribe("bench1", after=1, interactive=True)
    terminal.type(b"\x1d")
    assert await terminal.wait() == 0


async def test_waiting_for_a_daemon_can_be_left(daemon: FakeDaemon, attach: StartAttach) -> None:
    daemon.hangs_up_after_history = True
    terminal = attach()
    await terminal.read_until("waiting for it")
    await trio.Path(daemon.path).unlink()
    terminal.type(b"\x1d")
    assert await terminal.wait() == 0
    assert terminal.is_restored()


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
