"""One failing part takes nothing else down, and is not said twice."""

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from esper_protocol.events import SessionFailed, SessionOpened
from esper_protocol.messages import Boards, ListBoards, Subscribe
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import joined_lines


@pytest.fixture
def busy_port() -> Iterator[str]:
    """A terminal that somebody else has locked."""
    other = BoardTerminal()
    descriptor = os.open(other.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield other.path
    os.close(descriptor)
    other.hang_up()


def log_warnings(daemon: Daemon, words: str) -> list[str]:
    (path,) = (daemon.state_dir / "log").glob("*[!t].log")
    return [line for line in path.read_text("utf-8").splitlines() if words in line and " INFO " not in line]


@pytest.mark.slow
async def test_boards_that_cannot_be_opened_disturb_no_other_and_say_so_once(
    bench: Bench, terminal: BoardTerminal, busy_port: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("not a terminal")
    (tmp_path / "damaged.raw").write_bytes(b"boot\r\n")
    (tmp_path / "damaged.json").write_text("no timing")
    bad = {
        "missing": f"{tmp_path}/no-such-port",
        "norecording": f"replay:{tmp_path}/damaged.raw",
        "folder": f"{tmp_path}/folder",
        "file": f"{tmp_path}/file",
        "busy": busy_port,
        "refused": "socket://127.0.0.1:1",
    }
    ports = [f"{name}={port}" for name, port in bad.items()]
    daemon = await bench.start(f"good={terminal.path}", *ports)
    async with daemon.viewer() as viewer:
        for count, name in enumerate(bad, 1):
            await viewer.subscribe(Subscribe(name, after=0))
            await viewer.wait_for(SessionFailed, count=count)
        await viewer.subscribe(Subscribe("good", after=0))
        await viewer.wait_for(SessionOpened)
        # As long as it takes to fail several times more.
        for number in range(30):
            await terminal.send(b"line %d\r\n" % number)
            await trio.sleep(0.1)
        await viewer.wait_for_bytes(len(b"".join(b"line %d\r\n" % number for number in range(30))))
        boards = await viewer.request(ListBoards())
    assert isinstance(boards, Boards)
    states = {board.board: board.state for board in boards.boards}
    assert states == {"good": "connected"} | dict.fromkeys(bad, "absent")
    assert all(board.state_detail for board in boards.boards if board.board in bad)
    for name in bad:
        failures = [event for event in viewer.events if event.board == name and isinstance(event.body, SessionFailed)]
        assert len(failures) == 1, name
        assert len(log_warnings(daemon, f"board={name} ")) == 1, name
    assert joined_lines(viewer.events, "good") == b"".join(b"line %d\r\n" % number for number in range(30))
    assert await daemon.stop() == 0


async def test_a_busy_port_is_said_to_be_busy_and_by_whom(bench: Bench, busy_port: str) -> None:
    daemon = await bench.start(f"b={busy_port}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        failed = (await viewer.wait_for(SessionFailed)).body
    assert isinstance(failed, SessionFailed)
    assert f"(pid {os.getpid()})" in failed.error


@pytest.mark.slow
async def test_a_port_that_appears_later_is_opened(bench: Bench, terminal: BoardTerminal, tmp_path: Path) -> None:
    port = tmp_path / "later"
    daemon = await bench.start(f"b={port}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        failed = await viewer.wait_for(SessionFailed)
        port.symlink_to(terminal.path)
        await viewer.wait_for(SessionOpened)
        await terminal.send(b"here\r\n")
        await viewer.wait_for_bytes(len(b"here\r\n"))
    assert isinstance(failed.body, SessionFailed)
    assert os.strerror(errno.ENOENT) in failed.body.error
