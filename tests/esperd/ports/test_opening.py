from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esperd.ports.endpoint_kinds import (
    DeviceEndpoint,
    HardwareEndpoint,
    ReplayEndpoint,
    Rfc2217Endpoint,
    SerialUrlEndpoint,
    TcpEndpoint,
)
from esperd.ports.opening import open_device, open_port
from esperd.ports.port import PortError, PortNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from esperd.ports.endpoint_kinds import OpenableEndpoint
    from esperd.ports.port import Port


async def test_a_device_is_opened_closed_and_opened_again(
    pseudo_terminal: tuple[trio.lowlevel.FdStream, str],
) -> None:
    board, path = pseudo_terminal
    ports: list[Port] = []
    async with open_device(DeviceEndpoint(path), baud=115200) as endpoint:
        assert endpoint == DeviceEndpoint(path)
        for text in [b"first", b"second"]:
            async with open_port(endpoint, baud=115200) as port:
                await board.send_all(text)
                assert await port.receive() == text
                ports.append(port)
    for port in ports:
        with pytest.raises(trio.ClosedResourceError):
            await port.receive()


async def test_a_port_is_closed_when_its_block_is_cancelled(
    pseudo_terminal: tuple[trio.lowlevel.FdStream, str],
) -> None:
    _, path = pseudo_terminal
    with trio.move_on_after(0.01) as scope:
        async with open_port(DeviceEndpoint(path), baud=115200) as port:
            await port.receive()
    assert scope.cancelled_caught
    async with open_port(DeviceEndpoint(path), baud=115200) as port:
        assert port.path == path


async def test_a_socket_url_is_opened_by_its_host_and_port() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        number = listener.socket.getsockname()[1]
        async with open_port(TcpEndpoint("127.0.0.1", number), baud=115200) as port:
            server = await listener.accept()
            await port.send(b"to the board")
            assert await server.receive_some() == b"to the board"
            assert port.path == f"socket://127.0.0.1:{number}"
            await server.aclose()


async def test_any_other_url_is_opened_by_pyserial() -> None:
    async with open_port(SerialUrlEndpoint("loop://"), baud=115200) as port:
        await port.send(b"round")
        assert await port.receive() == b"round"


@pytest.mark.parametrize(
    "endpoint",
    [DeviceEndpoint("/dev/ttyUSB99"), HardwareEndpoint("no-such-board"), Rfc2217Endpoint("127.0.0.1", 1)],
)
async def test_a_port_that_is_not_there_is_not_found(endpoint: OpenableEndpoint) -> None:
    with pytest.raises(PortNotFound) as caught:
        async with open_port(endpoint, baud=115200):
            pytest.fail("it was opened")
    assert isinstance(caught.value, PortError)
    assert caught.value.path == endpoint.text


async def test_a_replayed_transcript_is_a_terminal_that_can_be_opened(tmp_path: Path) -> None:
    transcript = tmp_path / "boot.log"
    transcript.write_bytes(bytes(range(256)) * 40)
    received = b""
    async with open_device(ReplayEndpoint(str(transcript), speed=0), baud=115200) as endpoint:
        assert isinstance(endpoint, DeviceEndpoint)
        async with open_port(endpoint, baud=115200) as port:
            with trio.fail_after(10):
                while len(received) < 256 * 40:
                    received += await port.receive()
    assert received == transcript.read_bytes()
