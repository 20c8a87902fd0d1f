import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The daemon's end and the client's of a connection, with as small a buffer between as the kernel allows."""
    daemon, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with daemon, client:
        daemon.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        daemon.setblocking(False)
        client.setblocking(False)
        yield daemon, client
