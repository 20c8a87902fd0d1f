"""TCP: a socket whose bytes are the board's, as they are (``socket://``).

pyserial is not used for this: its socket client can only tell "something" from "nothing" and so reads byte by byte,
16,000 times slower.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from esperd.ports.port import (
    MAX_RECEIVE_BYTES,
    PortLost,
    PortNotFound,
    PortUnsupported,
    no_break,
    not_counted,
    not_told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_DEADLINE_S = 10.0
"""A host that is up answers or refuses within a round trip; three lost packets take TCP about 7 s."""

# A board may be silent for days, and a server that lost its power says nothing: ask after 30 s, give up after 60 s.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


async def connect(host: str, port: int, path: str) -> trio.SocketStream:
    """Connects to a server; notices within about a minute when it vanishes without a word.

    Raises:
        PortNotFound: Unknown name, refused, or no answer within ``CONNECT_DEADLINE_S``.
    """
    try:
        with trio.fail_after(CONNECT_DEADLINE_S):
            stream = await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise _unreachable(path, f"no answer within {CONNECT_DEADLINE_S:g} s") from None
    except OSError as error:  # socket.gaierror included
        raise _unreachable(path, _reason(error)) from error
    except UnicodeError:  # a label of the name is empty or too long for DNS
        raise _unreachable(path, "not a host name") from None
    for level, option, value in _KEEPALIVE:
        stream.setsockopt(level, option, value)
    return stream


def _reason(error: OSError) -> str:
    """What the system said; trio wraps the errors of several addresses in one that says nothing itself."""
    if error.strerror:
        return error.strerror
    match error.__cause__:
        case BaseExceptionGroup(exceptions=(OSError(strerror=str(text)), *_)) | OSError(strerror=str(text)):
            return text
        case _:
            return "no address of that name answers"


class TcpPort:
    """A connected byte stream; owns it."""

    def __init__(self, stream: trio.SocketStream, path: str) -> None:
        self.path = path
        self._stream = stream
        self._send_lock = trio.StrictFIFOLock()

    async def receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(MAX_RECEIVE_BYTES))
        except trio.BrokenResourceError:
            return b""

    async def send(self, data: bytes, on_sent: Callable[[int], object] = not_counted) -> None:
        unsent, connection = memoryview(data), self._stream.socket
        async with self._send_lock:
            while unsent:
                try:
                    # Not the stream's: it does not say how far it got.
                    written = await connection.send(unsent)
                except OSError as error:
                    if connection.fileno() < 0:
                        raise trio.ClosedResourceError from error
                    raise lost(self.path) from error
                unsent = unsent[written:]
                on_sent(written)

    async def set_modem_lines(self, *, dtr: bool | None, rts: bool | None) -> None:
        await trio.lowlevel.checkpoint()
        if dtr is not None or rts is not None:
            raise self._unsupported()

    async def send_break(self, duration_s: float, on_begun: Callable[[], object] = not_told) -> None:  # noqa: ARG002 - the seam's signature
        await trio.lowlevel.checkpoint()
        raise no_break(self.path, "raw TCP")

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _unsupported(self) -> PortUnsupported:
        return PortUnsupported(
            self.path, f"{self.path} carries no control lines: use an rfc2217:// server or the board's button"
        )


def lost(path: str) -> PortLost:
    """The error for a connection that broke while in use."""
    return PortLost(path, f"{path} has closed the connection: see whether its server still runs")


def _unreachable(path: str, reason: str) -> PortNotFound:
    return PortNotFound(path, f"cannot connect to {path} ({reason}): see whether its server runs and the port is right")
