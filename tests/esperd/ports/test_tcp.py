from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esperd.ports.port import PortLost, PortNotFound, PortUnsupported
from esperd.ports.tcp import TcpPort, connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


DEADLINE_S = 20.0  # so that a lost byte fails a comparison and does not hang the test


@pytest.fixture
async def server_and_port() -> AsyncGenerator[tuple[trio.SocketStream, TcpPort]]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        number = listener.socket.getsockname()[1]
        stream = await connect("127.0.0.1", number, f"socket://127.0.0.1:{number}")
        port = TcpPort(stream, f"socket://127.0.0.1:{number}")
        async with await listener.accept() as server:
            yield server, port
        await port.aclose()


async def test_bytes_pass_unchanged_in_both_directions(server_and_port: tuple[trio.SocketStream, TcpPort]) -> None:
    server, port = server_and_port
    sent = bytes(range(256)) * 4000
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(server.send_all, sent)
        while len(received) < len(sent):
            received += await port.receive()
    assert received == sent
    await port.send(b"\xff\x00\r\n")
    assert await server.receive_some() == b"\xff\x00\r\n"


async def test_bytes_before_the_end_come_first(server_and_port: tuple[trio.SocketStream, TcpPort]) -> None:
    server, port = server_and_port
    await server.send_all(b"last words")
    await server.aclose()
    assert await port.receive() == b"last words"
    assert await port.receive() == b""


async def _send_until_refused(port: TcpPort) -> None:
    # The first bytes provoke the reset that the next ones then meet.
    with trio.fail_after(5):
        while True:
            await port.send(b"x" * 65_536)


async def test_sending_to_a_server_that_closed_says_that_the_port_is_gone(
    server_and_port: tuple[trio.SocketStream, TcpPort],
) -> None:
    server, port = server_and_port
    await server.aclose()
    with pytest.raises(PortLost, match="has closed the connection"):
        await _send_until_refused(port)


async def test_there_are_no_control_lines(server_and_port: tuple[trio.SocketStream, TcpPort]) -> None:
    _, port = server_and_port
    await port.set_modem_lines(dtr=None, rts=None)
    with pytest.raises(PortUnsupported, match="rfc2217"):
        await port.set_modem_lines(dtr=False, rts=None)
    with pytest.raises(PortUnsupported, match=r"carries no break \(raw TCP\).* rfc2217"):
        await port.send_break(0.25)


async def test_a_server_that_is_not_there_is_named() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    number = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(PortNotFound, match=f"cannot connect to socket://127.0.0.1:{number} "):
        await connect("127.0.0.1", number, f"socket://127.0.0.1:{number}")


async def test_a_host_name_that_no_system_accepts_is_not_found() -> None:
    with pytest.raises(PortNotFound):
        await connect("a..b", 1, "socket://a..b:1")
