from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

from esperd.ports.port import PortError, PortUnsupported
from esperd.ports.pyserial_url import SerialUrlPort, open_serial_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


DEADLINE_S = 20.0  # so that a lost byte fails a comparison and does not hang the test


@pytest.fixture
async def loop_port() -> AsyncGenerator[SerialUrlPort]:
    port = await open_serial_url("loop://", baud=3_000_000)
    yield port
    await port.aclose()


async def test_bytes_pass_unchanged(loop_port: SerialUrlPort) -> None:
    sent = bytes(range(256)) * 20
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(loop_port.send, sent)
        while len(received) < len(sent):
            received += await loop_port.receive()
    assert received == sent


async def test_a_cancelled_receive_loses_nothing(loop_port: SerialUrlPort) -> None:
    source = random.Random(1)  # noqa: S311 - reproducible, not secret
    sent = source.randbytes(2000)
    received = bytearray()

    async def send_slowly() -> None:
        for start in range(0, len(sent), 100):
            await loop_port.send(sent[start : start + 100])

    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(send_slowly)
        while len(received) < len(sent):
            with trio.move_on_after(source.random() * 0.002):
                received += await loop_port.receive()
    assert received == sent


async def test_control_lines_are_passed_on(loop_port: SerialUrlPort) -> None:
    await loop_port.set_modem_lines(dtr=False, rts=True)
    await loop_port.set_modem_lines(dtr=None, rts=None)
    await loop_port.send_break(0)
    await loop_port.send(b"still open")
    assert await loop_port.receive() == b"still open"


async def test_everything_is_refused_once_closed(loop_port: SerialUrlPort) -> None:
    async with trio.open_nursery() as nursery:

        async def receive_until_closed() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await loop_port.receive()

        nursery.start_soon(receive_until_closed)
        await trio.lowlevel.checkpoint()
        await loop_port.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await loop_port.send(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await loop_port.send_break(0)


async def test_an_alternative_class_reads_a_terminal_and_notices_its_hang_up(
    pseudo_terminal: tuple[trio.lowlevel.FdStream, str],
) -> None:
    board, path = pseudo_terminal
    port = await open_serial_url(f"alt://{path}?class=PosixPollSerial", baud=115200)
    await board.send_all(b"hello")
    received = b""
    with trio.fail_after(5):
        while len(received) < 5:
            received += await port.receive()
        await board.aclose()
        assert (received, await port.receive()) == (b"hello", b"")
    await port.aclose()


async def test_a_terminal_without_control_lines_says_so(
    pseudo_terminal: tuple[trio.lowlevel.FdStream, str],
) -> None:
    _, path = pseudo_terminal
    port = await open_serial_url(f"alt://{path}?class=PosixPollSerial", baud=115200)
    with pytest.raises(PortUnsupported, match="no control lines"):
        await port.set_modem_lines(dtr=False, rts=None)
    await port.aclose()


@pytest.mark.parametrize("url", ["spy:///dev/ttyUSB99", "alt:///dev/ttyUSB99?class=Nothing", "loop://?unknown=1"])
async def test_what_pyserial_cannot_open_is_named(url: str) -> None:
    with pytest.raises(PortError) as caught:
        await open_serial_url(url, baud=115200)
    assert str(caught.value).startswith(f"pyserial cannot open {url} (")
    assert caught.value.path == url
