"""Boards in the test's own process, put together as the daemon does it, without a socket and without decodes."""

import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from esper_protocol.events import Event, Line
from esper_protocol.framing import HEADER
from esperd.assembly import (
    daemon_record,
    make_board,
    make_decoding,
    open_store,
    open_stored_board,
    publish_start,
    running_alone,
)
from esperd.board.session import Activity
from esperd.configuration.config import BoardConfig, Config
from esperd.ports.endpoint import parse_board_argument
from esperd.server.admission import serve_client
from esperd.server.registry import Registry
from esperd.settings import Limits
from esperd.storage.files import Access
from esperd.storage.orphans import Orphans
from esperd.testing.viewer import Viewer

# Makes a client of the daemon in the test's process, with its handshake done.
Connect = Callable[[], AbstractAsyncContextManager[Viewer]]

# A port that does not exist: it is opened in vain until the test ends, if at all.
_ABSENT = "/nonexistent/tty"


def config_for(state_dir: Path, *arguments: str, limits: Limits | None = None) -> Config:
    """A configuration of boards such as ``b`` (without a port) or ``b=/dev/pts/3``."""
    boards = [
        BoardConfig(parse_board_argument(argument if "=" in argument else f"{argument}={_ABSENT}"), 115_200, True)
        for argument in arguments
    ]
    limits = limits or Limits(free_disk_percent=0)
    return Config(tuple(boards), state_dir, state_dir / "esperd.sock", Access(), "info", limits)


@asynccontextmanager
async def open_boards(
    state_dir: Path, *arguments: str, limits: Limits | None = None, own_ports: bool = False
) -> AsyncGenerator[Registry]:
    """The boards with their disk writers running; with *own_ports* the ports are opened, too."""
    config = config_for(state_dir, *arguments, limits=limits)
    async with contextlib.AsyncExitStack() as held:
        for own in config.boards:
            await held.enter_async_context(running_alone(config, own.argument.name))
        store = open_store(config)
        stored = [open_stored_board(config, own, store, "2026-01-01T00:00:00.000000Z") for own in config.boards]
        for part in stored:
            held.callback(part.journal.close)
            store.take(part.records)
        decoding, activity = make_decoding(config, store), Activity()
        made = [make_board(config, part, store, activity, decoding) for part in stored]
        boards = {board.name: board for board in made}
        orphans = Orphans(state_dir, store.files, boards)
        async with trio.open_nursery() as disks, trio.open_nursery() as owners:
            for part, board in zip(stored, made, strict=True):
                disks.start_soon(board.parts.disk.run)
                publish_start(board, part)
                if own_ports:
                    owners.start_soon(board.run)
            try:
                readers = trio.CapacityLimiter(4)
                yield Registry(daemon_record(config, ""), boards, store, orphans, readers, decoding)
            finally:
                owners.cancel_scope.cancel()
                for board in made:
                    board.parts.disk.close()


@asynccontextmanager
async def connected(registry: Registry) -> AsyncGenerator[trio.SocketStream]:
    """The client's end of a connection that is served."""
    daemon, client = socket.socketpair(socket.AF_UNIX)
    daemon.setblocking(False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_client, daemon, registry)
        async with trio.SocketStream(trio.socket.from_stdlib_socket(client)) as stream:
            yield stream
        with trio.fail_after(10):
            while daemon.fileno() >= 0:
                await wait_all_tasks_blocked()


def publish_lines(registry: Registry, count: int, board: str = "b") -> None:
    """Has a board say *count* lines that name their positions."""
    for _ in range(count):
        publisher = registry.board(board).publisher
        publisher.publish(Line(f"line {publisher.next_seq}\n".encode(), 1))


def newest(registry: Registry, board: str = "b") -> list[Event]:
    """The events of a board that are in memory."""
    tail = registry.board(board).publisher.tail
    decoder = msgspec.msgpack.Decoder(Event)
    return [decoder.decode(entry.frame[HEADER.size :]) for entry in tail.from_seq(tail.first_seq, 10**9)]
