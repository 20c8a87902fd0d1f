from __future__ import annotations

import random
import shutil
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import serial
import serial.rfc2217
import trio

from esperd.ports.port import PortError, PortLost, PortNotFound
from esperd.ports.rfc2217_port import Rfc2217Port, open_rfc2217

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

DEADLINE_S = 20.0  # so that a lost byte fails a comparison and does not hang the test
EVERY_BYTE = bytes(range(256))
NO_FLOW_CONTROL = b"\xff\xfa\x2c\x05\x01\xff\xf0"  # the last setting that opening asks for


class PyserialServer:
    """One connection of pyserial's own RFC 2217 server in front of a ``loop://`` port, run by trio."""

    def __init__(self) -> None:
        self.serial: Any = serial.serial_for_url("loop://", baudrate=9600, timeout=0)
        self.initial_lines = (self.serial.dtr, self.serial.rts)
        self.changed = trio.Event()
        self._outgoing = bytearray()

    def write(self, data: bytes) -> None:  # what PortManager calls
        self._outgoing += data

    async def serve(self, stream: trio.SocketStream) -> None:
        connection: Any = self  # its type stub asks for a port, the code only for `write`
        manager = serial.rfc2217.PortManager(self.serial, connection)
        async with stream:
            while True:
                await self._send_all(stream)
                chunk = await stream.receive_some(4096)
                if not chunk:
                    return
                data = b"".join(manager.filter(chunk))
                for start in range(0, len(data), 1024):  # the loop holds 4096 bytes
                    self.serial.write(data[start : start + 1024])
                    self.write(b"".join(manager.escape(self.serial.read(self.serial.in_waiting))))
                self.changed.set()
                self.changed = trio.Event()

    async def _send_all(self, stream: trio.SocketStream) -> None:
        outgoing = bytes(self._outgoing)
        self._outgoing.clear()
        await stream.send_all(outgoing)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(5):
            while not condition():
                await self.changed.wait()


@asynccontextmanager
async def _listening(serve: Callable[[trio.SocketStream], Awaitable[object]]) -> AsyncGenerator[int]:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def _open(number: int, timeout_s: float = 5.0) -> Rfc2217Port:
    path = f"rfc2217://127.0.0.1:{number}"
    return await open_rfc2217("127.0.0.1", number, path=path, baud=115200, negotiation_timeout_s=timeout_s)


@pytest.fixture
async def server_and_port() -> AsyncGenerator[tuple[PyserialServer, Rfc2217Port]]:
    server = PyserialServer()
    async with _listening(server.serve) as number:
        port = await _open(number)
        yield server, port
        await port.aclose()
    server.serial.close()


ServerAndPort = tuple[PyserialServer, Rfc2217Port]


async def test_opening_sets_the_line_and_leaves_dtr_and_rts_alone(server_and_port: ServerAndPort) -> None:
    server, port = server_and_port
    await server.wait_until(lambda: server.serial.baudrate == 115200)
    assert (server.serial.bytesize, server.serial.parity, server.serial.stopbits) == (8, "N", 1)
    assert (server.serial.dtr, server.serial.rts) == server.initial_lines
    await port.send(b"x")
    assert await port.receive() == b"x"


async def test_bytes_pass_unchanged_in_both_directions(server_and_port: ServerAndPort) -> None:
    _, port = server_and_port
    sent = random.Random(1).randbytes(100_000) + EVERY_BYTE + b"\xff" * 1000  # noqa: S311 - reproducible
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(port.send, sent)
        while len(received) < len(sent):
            received += await port.receive()
    assert received == sent


async def test_a_cancelled_receive_loses_nothing(server_and_port: ServerAndPort) -> None:
    _, port = server_and_port
    sent = random.Random(2).randbytes(60_000)  # noqa: S311 - reproducible, not secret
    received = bytearray()
    cancelled = 0

    async def send_slowly() -> None:
        for start in range(0, len(sent), 500):
            await port.send(sent[start : start + 500])

    async def cancel_later(scope: trio.CancelScope, turns: int) -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(send_slowly)
        while len(received) < len(sent):
            async with trio.open_nursery() as inner:
                inner.start_soon(cancel_later, inner.cancel_scope, len(received) % 4)
                received += await port.receive()
                inner.cancel_scope.cancel()
            cancelled += inner.cancel_scope.cancelled_caught
    assert received == sent
    assert cancelled


async def test_modem_lines_and_break_reach_the_server(server_and_port: ServerAndPort) -> None:
    server, port = server_and_port
    await port.set_modem_lines(dtr=False, rts=True)
    await server.wait_until(lambda: (server.serial.dtr, server.serial.rts) == (False, True))
    await port.set_modem_lines(dtr=None, rts=False)
    await server.wait_until(lambda: (server.serial.dtr, server.serial.rts) == (False, False))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.send_break, 0.05)
        await server.wait_until(lambda: bool(server.serial.break_condition))
    await server.wait_until(lambda: not server.serial.break_condition)


async def test_a_cancelled_break_ends_on_the_line_too(server_and_port: ServerAndPort) -> None:
    server, port = server_and_port
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.send_break, 1000)
        await server.wait_until(lambda: bool(server.serial.break_condition))
        nursery.cancel_scope.cancel()
    await server.wait_until(lambda: not server.serial.break_condition)


async def test_bytes_that_come_during_the_negotiation_are_kept() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"early\xff\xff\xff\xfd\x2c bytes")
        await trio.sleep_forever()

    async with _listening(serve) as number:
        port = await _open(number)
        assert await port.receive() == b"early\xff bytes"
        await port.aclose()


async def _refuse(stream: trio.SocketStream) -> None:
    await stream.send_all(b"\xff\xfe\x2c\xff\xfc\x2c")
    await trio.sleep_forever()


async def _stay_silent(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def _close(stream: trio.SocketStream) -> None:
    await stream.receive_some(4096)
    await stream.aclose()


@pytest.mark.parametrize(
    ("serve", "reason"),
    [(_refuse, "refuses the COM port option"), (_stay_silent, "did not answer .* within 0.1 s"), (_close, "hung up")],
)
async def test_a_server_without_rfc_2217_is_refused_and_says_why(
    serve: Callable[[trio.SocketStream], Awaitable[object]], reason: str
) -> None:
    async with _listening(serve) as number:
        with pytest.raises(PortError, match=f"rfc2217://127.0.0.1:{number} {reason}"):
            await _open(number, timeout_s=0.1 if serve is _stay_silent else 5)


async def test_a_rate_that_the_server_changes_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"\xff\xfd\x2c")
        await stream.receive_some(4096)
        await stream.send_all(b"\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0" * 2 + b"data")
        await trio.sleep_forever()

    async with _listening(serve) as number:
        port = await _open(number)
        assert await port.receive() == b"data"
        await port.aclose()
    assert [record.getMessage() for record in caplog.records] == [
        f"rfc2217://127.0.0.1:{number} runs at 9600 baud, not at 115200"
    ]


async def _send_until_refused(port: Rfc2217Port) -> None:
    with trio.fail_after(5):
        while True:
            await port.send(b"x" * 65_536)


async def test_a_closing_server_is_a_hang_up_and_then_lost() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"\xff\xfd\x2c")
        requests = b""
        while NO_FLOW_CONTROL not in requests:
            requests += await stream.receive_some(4096)
        await stream.send_all(b"last")
        await stream.aclose()

    async with _listening(serve) as number:
        port = await _open(number)
        assert await port.receive() == b"last"
        assert await port.receive() == b""
        with pytest.raises(PortLost):
            await _send_until_refused(port)
        await port.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await port.send(b"x")


@pytest.mark.slow
async def test_ser2net_passes_bytes_unchanged(
    pseudo_terminal: tuple[trio.lowlevel.FdStream, str], tmp_path: Path
) -> None:
    program = shutil.which("ser2net")
    if program is None:
        pytest.skip("ser2net is not installed")
    board, path = pseudo_terminal
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    number = listener.socket.getsockname()[1]
    await listener.aclose()
    configuration = tmp_path / "ser2net.yaml"
    configuration.write_text(
        f"connection: &board\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{number}\n"
        f"  connector: serialdev,{path},115200n81,local\n"
    )
    command = [program, "-n", "-d", "-u", "-c", str(configuration)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.run_process, command, check=False, capture_stdout=True, capture_stderr=True))
        with trio.fail_after(30):
            port = await _open_when_listening(number)
            await board.send_all(EVERY_BYTE)
            received = b""
            while len(received) < len(EVERY_BYTE):
                received += await port.receive()
            await port.set_modem_lines(dtr=False, rts=True)
            await port.send(EVERY_BYTE)
            sent = b""
            while len(sent) < len(EVERY_BYTE):
                sent += await board.receive_some()
        assert received == EVERY_BYTE
        assert sent == EVERY_BYTE
        await port.aclose()
        nursery.cancel_scope.cancel()


async def _open_when_listening(number: int) -> Rfc2217Port:
    while True:
        try:
            return await _open(number)
        except PortNotFound:
            await trio.sleep(0.02)
