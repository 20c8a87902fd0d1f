"""How much of a ``send`` can't be taken back is known, also when it is cancelled, wherever the port leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esperd.ports.endpoint import parse_board_argument
from esperd.ports.opening import open_port
from esperd.ports.port import PortLost
from esperd.testing.terminal import BoardTerminal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from esperd.ports.endpoint_kinds import OpenableEndpoint

# More than the buffers of a network connection on one machine hold.
MUCH = bytes(range(255)) * 64 * 1024
# What an RFC 2217 server says of the option, and what a client says after it. Source: RFC 2217.
DO_COM_PORT = b"\xff\xfd\x2c"
LAST_REQUEST = b"\xff\xfa\x2c\x05\x01\xff\xf0"


@pytest.fixture
async def listener() -> AsyncGenerator[trio.SocketListener]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        yield listener


@pytest.fixture
def terminal() -> Iterator[BoardTerminal]:
    terminal = BoardTerminal()
    yield terminal
    terminal.hang_up()


def endpoint(text: str) -> OpenableEndpoint:
    return parse_board_argument(f"b={text}").endpoint  # type: ignore[return-value]  # none of these is simulated


async def count_until_cancelled(where: OpenableEndpoint, data: bytes) -> int:
    """Sends until the far side has taken nothing for a while; returns what counts as sent."""
    counts: list[int] = []
    async with open_port(where, baud=115_200) as port:
        with trio.move_on_after(0.5) as scope:
            await port.send(data, counts.append)
        assert scope.cancelled_caught
    return sum(counts)


async def test_a_terminal(terminal: BoardTerminal) -> None:
    arrived = b""
    async with open_port(endpoint(terminal.path), baud=115_200) as port:
        counts: list[int] = []
        with trio.move_on_after(0.5):
            await port.send(MUCH, counts.append)
        while len(arrived) < sum(counts):
            arrived += await terminal.receive()
    assert 0 < sum(counts) < len(MUCH)
    assert arrived == MUCH[: sum(counts)]


async def test_a_connection(listener: trio.SocketListener) -> None:
    number = listener.socket.getsockname()[1]
    counted = await count_until_cancelled(endpoint(f"socket://127.0.0.1:{number}"), MUCH)
    arrived = b""
    async with await listener.accept() as far:
        async for part in far:
            arrived += part
    assert 0 < counted < len(MUCH)
    assert arrived == MUCH[:counted]


async def test_a_serial_port_server_gets_no_more_than_that(
    listener: trio.SocketListener, nursery: trio.Nursery
) -> None:
    number = listener.socket.getsockname()[1]
    counted, closed = 0, trio.Event()

    async def send() -> None:
        nonlocal counted
        counted = await count_until_cancelled(endpoint(f"rfc2217://127.0.0.1:{number}"), MUCH)
        closed.set()

    nursery.start_soon(send)
    async with await listener.accept() as far:
        await far.send_all(DO_COM_PORT)
        said = b""
        while LAST_REQUEST not in said:
            said += await far.receive_some()
        arrived = said.partition(LAST_REQUEST)[2]
        await closed.wait()
        async for part in far:
            arrived += part
    # What waited in our own buffer as the port was closed went nowhere.
    assert len(arrived) <= counted <= len(arrived) + 16_384
    assert arrived == MUCH[: len(arrived)]


async def test_a_port_of_pyserial(terminal: BoardTerminal) -> None:
    where = endpoint(f"alt://{terminal.path}?class=PosixPollSerial")
    counts: list[int] = []
    arrived = b""
    async with open_port(where, baud=115_200) as port:
        with pytest.raises(PortLost):
            await port.send(MUCH, counts.append)
        # What the kernel took comes in pieces: between two of them nothing seems to wait.
        with trio.fail_after(20):
            while len(arrived) < sum(counts) - 1024 or terminal.waiting_bytes():
                arrived += await terminal.receive()
    assert len(arrived) <= sum(counts)
    assert arrived == MUCH[: len(arrived)]
