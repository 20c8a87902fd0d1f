"""The writer at a socket, whose other end the test reads, or not."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TextIO

import pytest

from esperctl.viewer.terminal.writing import TerminalWriter

# Far more than a socket takes.
_MUCH: Final = b"x" * 4_000_000
_RESTORING: Final = b"restored"


class _Peer:
    """The terminal; ``stream`` is the writer's side."""

    def __init__(self) -> None:
        self.here, self._there = socket.socketpair()
        self.stream: TextIO = self._there.makefile("w")
        self.gone: list[bool] = []
        self.drained = asyncio.Event()
        self.writer = TerminalWriter(self.stream, on_gone=lambda: self.gone.append(True), on_drained=self.drained.set)

    def run(self, use: Callable[[TerminalWriter], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(20):
                await use(self.writer)

        asyncio.run(main())

    async def read(self, count: int) -> bytes:
        """*count* bytes, while the writer goes on."""
        self.here.setblocking(False)
        data = b""
        while len(data) < count:
            data += await asyncio.get_running_loop().sock_recv(self.here, count - len(data))
        return data

    def read_rest(self) -> bytes:
        self.here.settimeout(0.2)
        data = b""
        while True:
            try:
                data += self.here.recv(1 << 20)
            except TimeoutError:
                return data

    def close(self) -> None:
        self.stream.close()
        self._there.close()
        self.here.close()


@pytest.fixture
def peer() -> Iterator[_Peer]:
    peer = _Peer()
    yield peer
    peer.close()


def test_what_is_not_taken_at_once_follows_in_order_and_the_end_of_it_is_told(peer: _Peer) -> None:
    async def use(writer: TerminalWriter) -> None:
        writer.write(b"before ")
        writer.open()
        writer.write(_MUCH)
        writer.write(b" behind")
        assert writer.waiting_bytes
        assert await peer.read(len(_MUCH) + 14) == b"before " + _MUCH + b" behind"
        await peer.drained.wait()
        assert not writer.waiting_bytes
        writer.end(1.0, _RESTORING)

    peer.run(use)
    assert peer.read_rest() == b""


def test_a_terminal_that_takes_nothing_holds_up_the_end_for_its_time_only(peer: _Peer) -> None:
    took: list[float] = []

    async def use(writer: TerminalWriter) -> None:
        writer.open()
        writer.write(_MUCH)
        began = time.monotonic()
        writer.end(0.4, _RESTORING)
        took.append(time.monotonic() - began)
        writer.write(b"too late")

    peer.run(use)
    assert 0.3 < took[0] < 2
    assert set(peer.read_rest()) == {ord("x")}


def test_a_slow_terminal_is_restored_instead_of_told_the_rest(peer: _Peer) -> None:
    taken: list[bytes] = []

    async def use(writer: TerminalWriter) -> None:
        writer.open()
        writer.write(_MUCH)
        # As if the terminal were slow: it takes all of it, but begins when most of the time is over.
        reading = threading.Timer(1.5, lambda: taken.append(peer.read_rest()))
        reading.start()
        writer.end(2.0, _RESTORING)
        reading.join()

    peer.run(use)
    assert taken[0].endswith(b"x\x18" + _RESTORING)


def test_a_terminal_that_is_gone_is_told_once_and_drops_what_is_written(peer: _Peer) -> None:
    async def use(writer: TerminalWriter) -> None:
        writer.open()
        peer.here.close()
        writer.write(b"lost")
        writer.write(b"lost")
        writer.end(1.0, _RESTORING)

    peer.run(use)
    assert peer.writer.is_gone
    assert peer.gone == [True]


def test_a_description_that_can_not_be_opened_anew_is_as_before_in_the_end(peer: _Peer) -> None:
    async def use(writer: TerminalWriter) -> None:
        writer.open()
        # A socket can't be opened by its name in /proc, like the terminal of another user.
        assert not os.get_blocking(peer.stream.fileno())
        writer.end(1.0, _RESTORING)

    peer.run(use)
    assert os.get_blocking(peer.stream.fileno())


def test_the_description_that_is_shared_with_the_shell_stays_as_it_is() -> None:
    terminal, program_side = os.openpty()
    try:
        with os.fdopen(os.dup(program_side), "w") as stream:
            writer = TerminalWriter(stream, on_gone=lambda: None, on_drained=lambda: None)

            async def use() -> None:
                writer.open()
                writer.write(b"x" * 1_000_000)
                assert writer.waiting_bytes
                assert os.get_blocking(stream.fileno())
                assert os.read(terminal, 100) == b"x" * 100
                writer.end(0.2, _RESTORING)

            asyncio.run(use())
    finally:
        os.close(terminal)
        os.close(program_side)
