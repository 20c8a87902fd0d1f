import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from esperd.server.registry import Registry
from esperd.testing.boards import Connect, connected, open_boards
from esperd.testing.viewer import Viewer


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The daemon's end and the client's of a connection, with as small a buffer between as the kernel allows."""
    daemon, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with daemon, client:
        daemon.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        daemon.setblocking(False)
        client.setblocking(False)
        yield daemon, client


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[Registry]:
    async with open_boards(tmp_path, "b", "c") as registry:
        yield registry


@pytest.fixture
def connect(registry: Registry) -> Connect:
    @asynccontextmanager
    async def connect() -> AsyncGenerator[Viewer]:
        async with connected(registry) as stream:
            viewer = Viewer(stream)
            await viewer.open()
            yield viewer

    return connect
