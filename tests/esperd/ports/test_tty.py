from __future__ import annotations

import os
import random
import termios
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from esperd.ports.open_tty import open_tty
from esperd.ports.port import MAX_RECEIVE_BYTES, PortLost, PortUnsupported
from esperd.ports.tty_settings import actual_baud_rate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from esperd.ports.tty import TtyPort

DEADLINE_S = 20.0  # so that a lost byte fails a comparison and does not hang the test
BoardEnd = trio.lowlevel.FdStream
EVERY_BYTE = bytes(range(256))


@pytest.fixture
async def board_and_port(pseudo_terminal: tuple[BoardEnd, str]) -> AsyncGenerator[tuple[BoardEnd, TtyPort]]:
    board, path = pseudo_terminal
    port = await open_tty(path, baud=115200)
    yield board, port
    await port.aclose()


async def _send_in_random_pieces(board: BoardEnd, data: bytes, seed: int) -> None:
    source = random.Random(seed)  # noqa: S311 - reproducible, not secret
    while data:
        size = source.choice([1, 2, 7, 100, 4096, 30_000])
        await board.send_all(data[:size])
        data = data[size:]
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("seed", range(3))
async def test_what_the_board_sends_arrives_unchanged(board_and_port: tuple[BoardEnd, TtyPort], seed: int) -> None:
    board, port = board_and_port
    sent = random.Random(seed).randbytes(300_000) + EVERY_BYTE  # noqa: S311 - reproducible, not secret
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(_send_in_random_pieces, board, sent, seed)
        while len(received) < len(sent):
            received += await port.receive()
    assert received == sent


async def test_a_cancelled_receive_loses_nothing(board_and_port: tuple[BoardEnd, TtyPort]) -> None:
    board, port = board_and_port
    sent = random.Random(4).randbytes(200_000)  # noqa: S311 - reproducible, not secret
    received = bytearray()
    cancelled = 0

    async def cancel_later(scope: trio.CancelScope, turns: int) -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    source = random.Random(5)  # noqa: S311 - reproducible, not secret
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(_send_in_random_pieces, board, sent, 6)
        while len(received) < len(sent):
            async with trio.open_nursery() as inner:
                inner.start_soon(cancel_later, inner.cancel_scope, source.randrange(4))
                received += await port.receive()
                inner.cancel_scope.cancel()
            cancelled += inner.cancel_scope.cancelled_caught
    assert received == sent
    assert cancelled


async def test_one_receive_drains_more_than_one_read_of_the_kernel_gives(
    board_and_port: tuple[BoardEnd, TtyPort],
) -> None:
    board, port = board_and_port
    sent = b"x" * 1_000_000
    sizes: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(board.send_all, sent)
        while sum(sizes) < len(sent):
            sizes.append(len(await port.receive()))
    assert 4095 < max(sizes) <= MAX_RECEIVE_BYTES


async def test_every_byte_that_is_sent_reaches_the_board_unchanged(board_and_port: tuple[BoardEnd, TtyPort]) -> None:
    board, port = board_and_port
    sent = EVERY_BYTE * 400
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(port.send, sent)
        while len(received) < len(sent):
            received += await board.receive_some(65_536)
    assert received == sent


async def test_two_senders_do_not_mix_their_bytes(board_and_port: tuple[BoardEnd, TtyPort]) -> None:
    board, port = board_and_port
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + DEADLINE_S
        nursery.start_soon(port.send, b"a" * 30_000)
        nursery.start_soon(port.send, b"b" * 30_000)
        while len(received) < 60_000:
            received += await board.receive_some(65_536)
    assert len(received.replace(b"a" * 30_000, b"").replace(b"b" * 30_000, b"")) == 0


async def test_bytes_that_came_before_the_port_was_opened_are_kept(pseudo_terminal: tuple[BoardEnd, str]) -> None:
    board, path = pseudo_terminal
    await board.send_all(b"boot banner\r\nprompt> ")
    port = await open_tty(path, baud=115200)
    received = b""
    with trio.fail_after(5):
        while len(received) < 21:
            received += await port.receive()
    assert received == b"boot banner\r\nprompt> "
    await port.aclose()


async def test_bytes_left_by_one_opening_come_with_the_next(pseudo_terminal: tuple[BoardEnd, str]) -> None:
    board, path = pseudo_terminal
    first = await open_tty(path, baud=115200)
    await board.send_all(b"unread")
    await first.aclose()
    second = await open_tty(path, baud=921600)
    with trio.fail_after(5):
        assert await second.receive() == b"unread"
    await second.aclose()


async def test_a_hang_up_ends_a_waiting_receive_and_every_later_one(
    board_and_port: tuple[BoardEnd, TtyPort],
) -> None:
    board, port = board_and_port
    received: list[bytes] = []

    async def receive() -> None:
        received.append(await port.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await board.aclose()
    assert received == [b""]
    assert await port.receive() == b""


async def test_sending_after_a_hang_up_says_that_the_port_is_gone(
    board_and_port: tuple[BoardEnd, TtyPort],
) -> None:
    board, port = board_and_port
    await board.aclose()
    with pytest.raises(PortLost, match=f"^{port.path} is gone .*: plug it in again$"):
        await port.send(b"x")


async def test_closing_wakes_a_waiting_receive_and_everything_after_it_is_refused(
    board_and_port: tuple[BoardEnd, TtyPort],
) -> None:
    _, port = board_and_port
    async with trio.open_nursery() as nursery:

        async def receive_until_closed() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await port.receive()

        nursery.start_soon(receive_until_closed)
        await trio.testing.wait_all_tasks_blocked()
        await port.aclose()
    await port.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await port.receive()
    with pytest.raises(trio.ClosedResourceError):
        await port.send(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await port.set_modem_lines(dtr=True, rts=False)


async def test_a_pseudo_terminal_has_neither_modem_lines_nor_a_break(
    board_and_port: tuple[BoardEnd, TtyPort],
) -> None:
    _, port = board_and_port
    for dtr, rts in [(True, False), (True, True), (False, None), (None, False)]:
        with pytest.raises(PortUnsupported, match="pseudo-terminal"):
            await port.set_modem_lines(dtr=dtr, rts=rts)
    with pytest.raises(PortUnsupported, match=r"carries no break \(a pseudo-terminal\)"):
        await port.send_break(0.25)


async def test_changing_no_line_is_always_possible(board_and_port: tuple[BoardEnd, TtyPort]) -> None:
    board, port = board_and_port
    await port.set_modem_lines(dtr=None, rts=None)
    await board.send_all(b"still open")
    assert await port.receive() == b"still open"


@pytest.mark.parametrize("baud", [300, 115200, 921600, 3_000_000, 74_880, 1_234_567])
async def test_standard_and_arbitrary_rates_are_set_raw_and_without_hang_up_on_close(
    pseudo_terminal: tuple[BoardEnd, str], baud: int
) -> None:
    _, path = pseudo_terminal
    port = await open_tty(path, baud=baud)
    await port.aclose()
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        assert actual_baud_rate(descriptor) == baud
        iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(descriptor)
    finally:
        os.close(descriptor)
    assert (iflag, oflag, lflag) == (0, 0, 0)
    assert cflag & termios.CSIZE == termios.CS8
    assert not cflag & (termios.HUPCL | termios.PARENB | termios.CRTSCTS)
    assert (characters[termios.VMIN], characters[termios.VTIME]) in {(1, 0), (b"\x01", b"\x00")}
