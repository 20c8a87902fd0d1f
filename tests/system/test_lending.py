"""Ports that are lent to a command: real daemons, the real client, a board at a pseudo-terminal or behind TCP."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from esper_protocol.events import (
    CoredumpEnded,
    CoredumpStarted,
    Gap,
    SessionClosed,
    SessionFailed,
    SessionLost,
    SessionOpened,
    SessionReleased,
)
from esper_protocol.messages import Boards, LendPort, ListBoards, PortLent, Send, Subscribe
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.dumps import START_LINE, base64_lines, container
from esperd.testing.processes import is_running
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import RefusedError, Viewer, bodies, joined_lines

# Asks the board something, as a flasher does: opens the port, locks it, waits for an answer. Then it waits for a line
# on standard input, if told to.
FLASHER = """
import fcntl, os, sys
port = os.open(os.environ["ESPPORT"], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.write(port, b"sync?")
answer = b""
while not answer.endswith(b"!"):
    answer += os.read(port, 100)
print(os.getpid(), "heard", answer.decode(), flush=True)
if "wait" in sys.argv:
    sys.stdin.readline()
sys.exit(7)
"""


@dataclass
class Borrower:
    """A running `esperctl run`."""

    process: trio.Process
    out: bytes = b""

    async def wait_for(self, words: bytes) -> None:
        assert self.process.stdout is not None
        with trio.fail_after(20):
            while words not in self.out:
                data = await self.process.stdout.receive_some()
                assert data, self.out
                self.out += data

    async def say(self, words: bytes) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(words)

    async def wait(self) -> int:
        with trio.fail_after(20):
            return await self.process.wait()


@asynccontextmanager
async def borrowed(daemon: Daemon, *words: str) -> AsyncGenerator[Borrower]:
    """`esperctl run` with its streams at the test, in a process group of its own, as a shell starts it."""
    command = [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket), "run", *words]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with process.stdin, process.stdout:
        try:
            yield Borrower(process)
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


@pytest.fixture
def flasher(tmp_path: Path) -> list[str]:
    path = tmp_path / "flasher.py"
    path.write_text(FLASHER, "utf-8")
    return [sys.executable, str(path)]


async def answer_sync(terminal: BoardTerminal) -> None:
    said = b""
    with trio.fail_after(20):
        while b"sync?" not in said:
            said += await terminal.receive()
    await terminal.send(b"ready!")


async def following(viewer: Viewer) -> None:
    await viewer.subscribe(Subscribe("b", after=0))
    await viewer.wait_for(SessionOpened)


async def state_of(viewer: Viewer) -> tuple[str, str | None]:
    answer = await viewer.request(ListBoards())
    assert isinstance(answer, Boards)
    return answer.boards[0].state, answer.boards[0].state_detail


async def esperctl(daemon: Daemon, *words: str) -> tuple[int, str, str]:
    with trio.fail_after(20):
        done = await trio.run_process(
            [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket), *words],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_a_command_talks_to_the_board_alone_and_then_the_daemon_listens_again(
    bench: Bench, terminal: BoardTerminal, flasher: list[str]
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await following(viewer)
        await terminal.send(b"before\r\n")
        await viewer.wait_for_bytes(8)
        async with borrowed(daemon, "b", "--", *flasher, "wait") as borrower:
            await answer_sync(terminal)
            await borrower.wait_for(b"heard ready!\n")
            who = (await viewer.wait_for(SessionReleased)).body
            assert isinstance(who, SessionReleased)
            assert f"(pid {borrower.process.pid})" in who.who
            assert (who.port, who.command.endswith("flasher.py wait")) == (terminal.path, True)
            assert await state_of(viewer) == ("released", f"lent to {who.who}: {who.command}")
            with pytest.raises(RefusedError, match="is lent to") as refused:
                await viewer.request(Send("b", b"x"))
            assert refused.value.error.code == "busy"
            await borrower.say(b"go on\n")
            assert await borrower.wait() == 7
        # Whatever is run next finds the board.
        assert (await state_of(viewer))[0] == "connected"
        await terminal.send(b"after\r\n")
        await viewer.wait_for_bytes(15)
    assert joined_lines(viewer.events) == b"before\r\nafter\r\n"
    assert [gap.reason for gap in bodies(viewer.events, Gap)] == ["released"]
    assert len(bodies(viewer.events, SessionOpened)) == 2
    for quiet in (SessionLost, SessionFailed, SessionClosed):
        assert bodies(viewer.events, quiet) == []
    _, log, _ = await esperctl(daemon, "logs")
    assert f"{terminal.path} is lent to {who.who}: {who.command}" in log
    assert "gap (released): the port was away for " in log


async def test_only_one_borrows_at_a_time(bench: Bench, terminal: BoardTerminal, flasher: list[str]) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await following(viewer)
        async with borrowed(daemon, "--", *flasher, "wait") as borrower:
            await answer_sync(terminal)
            await borrower.wait_for(b"ready!")
            code, out, error = await esperctl(daemon, "run", "--", "echo", "it ran")
            assert (code, out) == (75, "")
            assert f"(pid {borrower.process.pid}) for `" in error
            assert (await esperctl(daemon, "reset"))[0] == 75
            assert (await esperctl(daemon, "status"))[0] == 3
            await borrower.say(b"\n")
            assert await borrower.wait() == 7
    assert (await esperctl(daemon, "run", "--", "echo", "it ran"))[:2] == (0, "it ran\n")


async def test_a_borrower_that_is_killed_takes_its_command_along_and_the_port_comes_back(
    bench: Bench, terminal: BoardTerminal
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await following(viewer)
        # A grandchild has the port, and locks nothing.
        script = 'sh -c "echo $$; exec cat $ESPPORT"; true'
        async with borrowed(daemon, "--", "sh", "-c", script) as borrower:
            await borrower.wait_for(b"\n")
            borrower.process.kill()
            await viewer.wait_for(SessionOpened, count=2)
            assert not is_running(int(borrower.out))
        await terminal.send(b"for the daemon\r\n")
        await viewer.wait_for_bytes(16)
    assert joined_lines(viewer.events) == b"for the daemon\r\n"
    assert bodies(viewer.events, SessionFailed) == []


@pytest.mark.slow
@pytest.mark.parametrize("port", ["terminal", "simulated"])
async def test_what_has_the_port_open_after_its_loan_is_named_and_waited_for(
    bench: Bench, terminal: BoardTerminal, port: str
) -> None:
    daemon = await bench.start(f"b={terminal.path}" if port == "terminal" else "b=sim:console")
    async with daemon.viewer() as viewer:
        await following(viewer)
        async with daemon.viewer() as client:
            lent = await client.request(LendPort("b", "cat"))
            assert isinstance(lent, PortLent)
            # Not a child of `esperctl run`, which would see to its end.
            script = f"exec <{lent.port}; echo up; exec cat"
            cat = await trio.lowlevel.open_process(["sh", "-c", script], stdout=subprocess.PIPE)
            assert cat.stdout is not None
            assert await cat.stdout.receive_some() == b"up\n"
        failed = (await viewer.wait_for(SessionFailed)).body
        assert isinstance(failed, SessionFailed)
        assert f"(pid {cat.pid}): close that program" in failed.error
        assert await state_of(viewer) == ("absent", failed.error)
        heard = len(joined_lines(viewer.events))
        if port == "terminal":
            await terminal.send(b"for the command\r\n")
            with trio.fail_after(20):
                assert await cat.stdout.receive_some() == b"for the command\r\n"
        cat.kill()
        await cat.wait()
        await cat.stdout.aclose()
        await viewer.wait_for(SessionOpened, count=2)
        assert (await state_of(viewer))[0] == "connected"
        if port == "terminal":
            assert len(joined_lines(viewer.events)) == heard


async def test_a_command_that_takes_too_long_is_ended_and_the_port_comes_back(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await following(viewer)
        script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
        code, _, error = await esperctl(daemon, "run", "--timeout", "0.5", "--", "sh", "-c", script)
        assert (code, error) == (124, "esperctl: sh was not done after 0.5 s, and was ended\n")
        assert not is_running(int((tmp_path / "pid").read_text("ascii")))
        assert (await state_of(viewer))[0] == "connected"


@pytest.mark.parametrize(("trap", "code"), [("", 130), ("trap 'echo caught; exit 5' INT; ", 5)])
async def test_control_c_is_the_commands_and_the_port_comes_back(
    bench: Bench, terminal: BoardTerminal, trap: str, code: int
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with borrowed(daemon, "--", "sh", "-c", f"{trap}echo up; while :; do sleep 0.1; done") as borrower:
        await borrower.wait_for(b"up")
        # What a terminal does: everybody in the foreground gets it.
        os.killpg(borrower.process.pid, signal.SIGINT)
        assert await borrower.wait() == code
    async with daemon.viewer() as viewer:
        assert (await state_of(viewer))[0] == "connected"


async def test_a_command_that_is_not_there_or_no_board_disturbs_nothing(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    daemon = await bench.start(f"b={terminal.path}", "away=/nonexistent/tty")
    text = tmp_path / "notes.txt"
    text.write_text("words\n", "utf-8")
    assert (await esperctl(daemon, "run", "b", "--", "no-such-program"))[0] == 127
    assert (await esperctl(daemon, "run", "b", "--", str(text)))[0] == 126
    assert (await esperctl(daemon, "run", "c", "--", "true"))[0] == 4
    assert (await esperctl(daemon, "run", "away", "--", "true"))[0] == 3
    assert (await esperctl(daemon, "run", "--", "true"))[0] == 2
    assert bodies(await daemon.history("b"), SessionReleased) == []


async def test_a_board_that_is_plugged_out_and_in_meanwhile_is_found_again(bench: Bench, tmp_path: Path) -> None:
    port = tmp_path / "usb-board"
    first = BoardTerminal()
    port.symlink_to(first.path)
    daemon = await bench.start(f"b={port}")
    async with daemon.viewer() as viewer:
        await following(viewer)
        async with borrowed(daemon, "--", "sh", "-c", "echo $ESPPORT; read line") as borrower:
            await borrower.wait_for(f"{port}\n".encode())
            first.hang_up()
            port.unlink()
            await borrower.say(b"\n")
            assert await borrower.wait() == 0
        await viewer.wait_for(SessionFailed)
        assert (await state_of(viewer))[0] == "absent"
        second = BoardTerminal()
        port.symlink_to(second.path)
        await second.send(b"new firmware\r\n")
        await viewer.wait_for_bytes(14)
    second.hang_up()
    assert bodies(viewer.events, SessionLost) == []
    assert [gap.reason for gap in bodies(viewer.events, Gap)] == ["released"]


async def test_a_core_dump_that_is_arriving_is_not_cut_unless_by_force(bench: Bench, terminal: BoardTerminal) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    lines = base64_lines(container(3000, seed=1))[:20]
    async with daemon.viewer() as viewer:
        await following(viewer)
        await terminal.send(START_LINE + b"".join(lines))
        await viewer.wait_for(CoredumpStarted)
        await viewer.wait_for_bytes(len(START_LINE + b"".join(lines)))
        code, out, error = await esperctl(daemon, "run", "--", "echo", "it ran")
        assert (code, out) == (75, "")
        assert error.startswith("esperctl: b: core dump b-1 is arriving")
        assert bodies(viewer.events, CoredumpEnded) == []
        assert (await esperctl(daemon, "run", "--force", "--", "echo", "it ran"))[:2] == (0, "it ran\n")
        ended = (await viewer.wait_for(CoredumpEnded)).body
    assert isinstance(ended, CoredumpEnded)
    assert (ended.capture, ended.end_reason) == ("partial", "port_released")
    assert (Path(ended.path) / "core.b64").read_bytes() == b"".join(lines)


async def test_a_daemon_that_stops_meanwhile_leaves_the_command_alone(bench: Bench, terminal: BoardTerminal) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with borrowed(daemon, "--", "sh", "-c", "echo up; read line; exit 9") as borrower:
        await borrower.wait_for(b"up")
        assert await daemon.stop() == 0
        await borrower.say(b"\n")
        assert await borrower.wait() == 9
        await borrower.wait_for(b"went away")


async def test_a_port_behind_tcp_is_lent_by_its_url(bench: Bench, nursery: trio.Nursery) -> None:
    calls: list[trio.SocketStream] = []
    hung_up = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        calls.append(stream)
        await stream.send_all(b"connected\r\n")
        while await stream.receive_some():
            pass
        hung_up.set()

    listeners = await nursery.start(trio.serve_tcp, serve, 0)
    url = f"socket://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    daemon = await bench.start(f"b={url}")
    async with daemon.viewer() as viewer:
        await following(viewer)
        async with borrowed(daemon, "--", "sh", "-c", "echo $ESPPORT; read line") as borrower:
            await borrower.wait_for(f"{url}\n".encode())
            with trio.fail_after(10):
                await hung_up.wait()
            assert len(calls) == 1
            await borrower.say(b"\n")
            assert await borrower.wait() == 0
        await viewer.wait_for(SessionOpened, count=2)
    assert len(calls) == 2


async def test_the_firmware_of_a_simulated_board_can_be_talked_to_as_well(bench: Bench) -> None:
    daemon = await bench.start("b=sim:console")
    async with daemon.viewer() as viewer:
        await following(viewer)
        code, out, _ = await esperctl(daemon, "run", "--", "sh", "-c", 'test -c "$ESPPORT" && echo "$ESPPORT"')
        opened = (await viewer.wait_for(SessionOpened, count=2)).body
    assert isinstance(opened, SessionOpened)
    assert (code, out) == (0, f"{opened.port}\n")
