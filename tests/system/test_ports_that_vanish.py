"""Boards that are unplugged in the middle of something and come back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from esper_protocol.events import CoredumpEnded, Gap, Line, SessionFailed, SessionLost, SessionOpened
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench
from esperd.testing.dumps import START_LINE, base64_lines, container
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies, joined_lines

Plug = Callable[[], BoardTerminal]


@pytest.fixture
def port(tmp_path: Path) -> Path:
    """The link that names the board, as /dev/serial/by-id does."""
    return tmp_path / "usb-board"


@pytest.fixture
def plug(port: Path) -> Iterator[Plug]:
    """Plugs the board in: another device each time, under the same link."""
    plugged: list[BoardTerminal] = []

    def plug_in() -> BoardTerminal:
        terminal = BoardTerminal()
        plugged.append(terminal)
        port.unlink(missing_ok=True)
        port.symlink_to(terminal.path)
        return terminal

    yield plug_in
    for terminal in plugged:
        terminal.hang_up()


async def test_a_board_that_vanishes_in_mid_line_and_returns_is_another_session(
    bench: Bench, port: Path, plug: Plug
) -> None:
    first = plug()
    daemon = await bench.start(f"b={port}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        await first.send(b"a whole line\r\nhalf a li")
        await viewer.wait_for(Line)
        first.hang_up()
        lost = await viewer.wait_for(SessionLost)
        assert joined_lines(viewer.events) == b"a whole line\r\nhalf a li"
        fragment = next(line for line in bodies(viewer.events, Line) if line.data.endswith(b"half a li"))
        assert fragment.end == "fragment"
        await viewer.wait_for(SessionFailed)
        second = plug()
        await second.send(b"ne of another session\r\n")
        opened = await viewer.wait_for(SessionOpened, count=2)
        gap = await viewer.wait_for(Gap, lambda gap: gap.reason == "unplugged")
        line = await viewer.wait_for(Line, lambda line: b"another" in line.data)
    assert (lost.generation, opened.generation, gap.generation, line.generation) == (1, 2, 2, 2)
    assert len(bodies(viewer.events, SessionFailed)) == 1
    assert daemon.text.count("port not opened") == 1


async def test_a_board_that_vanishes_in_mid_dump_leaves_what_it_said_of_it(
    bench: Bench, port: Path, plug: Plug
) -> None:
    first = plug()
    lines = base64_lines(container(3000, seed=1))
    daemon = await bench.start(f"b={port}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        said = START_LINE + b"".join(lines[:20])
        await first.send(said)
        await viewer.wait_for_bytes(len(said))
        first.hang_up()
        ended = await viewer.wait_for(CoredumpEnded)
        second = plug()
        await viewer.wait_for(SessionOpened, count=2)
        await second.send(b"".join(lines[20:]))
        await viewer.wait_for_bytes(len(said) + len(b"".join(lines[20:])))
    assert isinstance(ended.body, CoredumpEnded)
    assert (ended.body.capture, ended.body.end_reason) == ("partial", "port_lost")
    assert ended.generation == 1
    assert (Path(ended.body.path) / "core.b64").read_bytes() == b"".join(lines[:20])
    assert len(bodies(viewer.events, CoredumpEnded)) == 1


@pytest.mark.slow
async def test_a_server_that_hangs_up_at_once_is_not_called_again_and_again(
    bench: Bench, nursery: trio.Nursery
) -> None:
    calls: list[float] = []

    async def refuse(stream: trio.SocketStream) -> None:
        calls.append(trio.current_time())
        await stream.send_all(b"Port already in use\r\n")

    listeners = await nursery.start(trio.serve_tcp, refuse, 0)
    daemon = await bench.start(f"b=socket://127.0.0.1:{listeners[0].socket.getsockname()[1]}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionLost)
        began = trio.current_time()
        await viewer.wait_for(SessionLost, count=4)
        assert trio.current_time() - began > 0.5
    assert len(calls) < 10
