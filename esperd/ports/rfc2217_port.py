"""RFC 2217 ports: the sans-IO client on a TCP connection.

pyserial is not used for this: it queues single bytes between two threads and takes a whole core for 0.1 MB/s.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

import trio

from esperd.ports.port import MAX_RECEIVE_BYTES, PortError, not_counted, not_told
from esperd.ports.rfc2217 import ComPortState, Control, Rfc2217Connection, TelnetError
from esperd.ports.tcp import connect, lost

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)

# Data is queued in slices of this size, so that little is left over when a send is cancelled.
_SEND_SLICE_BYTES = 16_384


class Rfc2217Port:
    """A serial port behind a Telnet server; owns the connection.

    Both directions write, as requests of the server are answered while receiving. So that neither waits for the
    other, all that is to be written goes through one buffer that any task may push on as far as the socket takes it.
    """

    def __init__(self, stream: trio.SocketStream, path: str) -> None:
        self.path = path
        self._stream = stream
        self._connection = Rfc2217Connection()
        self._received_early = b""
        self._outgoing = bytearray()
        self._send_lock = trio.StrictFIFOLock()
        self._requested_baud_rate: int | None = None

    async def negotiate(self, *, baud: int) -> None:
        """Agrees on the COM port option and asks for the line settings; touches neither DTR nor RTS.

        Does not wait for the settings to be confirmed: a server with fixed settings need not answer.

        Raises:
            PortError: The server refuses the option, or hung up.
        """
        await self._flush()
        while (state := self._connection.com_port_state) is ComPortState.ASKED:
            data = await self._receive_once()
            if data is None:
                raise PortError(self.path, f"{self.path} hung up during the negotiation: see its server's log")
            self._received_early += data
        if state is ComPortState.REFUSED:
            raise PortError(
                self.path, f"{self.path} refuses the COM port option: switch RFC 2217 on there, or use socket://"
            )
        self._requested_baud_rate = baud
        self._connection.request_settings(baud_rate=baud)
        await self._flush()

    async def receive(self) -> bytes:
        if self._received_early:
            await trio.lowlevel.checkpoint()
            early, self._received_early = self._received_early, b""
            return early
        while not (data := await self._receive_once()):
            if data is None:
                return b""
        return data

    async def send(self, data: bytes, on_sent: Callable[[int], object] = not_counted) -> None:
        async with self._send_lock:
            # What a cancelled send left over goes first; it is already escaped and cannot be taken back.
            await self._flush()
            for start in range(0, len(data), _SEND_SLICE_BYTES):
                part = data[start : start + _SEND_SLICE_BYTES]
                self._connection.send_data(part)
                on_sent(len(part))
                await self._flush()

    async def set_modem_lines(self, *, dtr: bool | None, rts: bool | None) -> None:
        # DTR before RTS, as flashing tools do; they leave in one segment, the protocol has no joint request.
        if dtr is not None:
            self._connection.request_control(Control.DTR_ON if dtr else Control.DTR_OFF)
        if rts is not None:
            self._connection.request_control(Control.RTS_ON if rts else Control.RTS_OFF)
        await self.send(b"")

    async def send_break(self, duration_s: float, on_begun: Callable[[], object] = not_told) -> None:
        self._check_open()
        self._connection.request_control(Control.BREAK_ON)
        try:
            # Whatever comes now, it is in the queue.
            on_begun()
            await self.send(b"")
            await trio.sleep(duration_s)
        finally:
            self._connection.request_control(Control.BREAK_OFF)
            with contextlib.suppress(OSError):
                self._push()
        await self.send(b"")

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _receive_once(self) -> bytes | None:
        """Waits for one piece of the network stream and answers what it asks for.

        Returns:
            The board's bytes in it, maybe none; None on hang-up.
        """
        try:
            chunk = bytes(await self._stream.receive_some(MAX_RECEIVE_BYTES))
        except trio.BrokenResourceError:
            return None
        if not chunk:
            return None
        try:
            data = self._connection.receive_data(chunk)
        except TelnetError as error:
            raise PortError(
                self.path, f"{self.path} sent {error}: it is no RFC 2217 server, use socket:// for raw TCP"
            ) from error
        # Not awaited: a cancellation here would lose the data that was just taken. Nor raised: a broken connection
        # shows as a hang-up after the bytes that came before it.
        with contextlib.suppress(OSError):
            self._push()
        self._compare_baud_rate()
        return data

    def _push(self) -> None:
        """Writes what the socket takes without waiting; the rest goes with the next push.

        Raises:
            OSError: The connection is broken.
        """
        self._outgoing += self._connection.data_to_send()
        while self._outgoing:
            try:
                # Not the stream's send: between its write and its return other tasks run, and would write the same.
                written = os.write(self._stream.socket.fileno(), self._outgoing)
            except BlockingIOError:
                return
            del self._outgoing[:written]

    async def _flush(self) -> None:
        """Waits until all that is queued has been written; holds the send lock, or is alone."""
        await trio.lowlevel.checkpoint()
        while True:
            self._check_open()
            try:
                self._push()
            except OSError as error:
                raise lost(self.path) from error
            if not self._outgoing:
                return
            await trio.lowlevel.wait_writable(self._stream.socket)

    def _check_open(self) -> None:
        if self._stream.socket.fileno() < 0:
            raise trio.ClosedResourceError

    def _compare_baud_rate(self) -> None:
        actual = self._connection.actual_baud_rate
        if actual and self._requested_baud_rate and actual != self._requested_baud_rate:
            _logger.warning("%s runs at %d baud, not at %d", self.path, actual, self._requested_baud_rate)
            self._requested_baud_rate = None


async def open_rfc2217(host: str, port: int, *, path: str, baud: int, negotiation_timeout_s: float) -> Rfc2217Port:
    """Connects and negotiates.

    Raises:
        PortNotFound: No server there.
        PortError: Not an RFC 2217 server.

    Ownership:
        The caller closes the port.
    """
    stream = await connect(host, port, path)
    opened = Rfc2217Port(stream, path)
    try:
        with trio.fail_after(negotiation_timeout_s):
            await opened.negotiate(baud=baud)
    except trio.TooSlowError:
        await trio.aclose_forcefully(stream)
        raise PortError(
            path,
            f"{path} did not answer the Telnet negotiation within {negotiation_timeout_s:g} s: "
            "switch RFC 2217 on there, or use socket:// for raw TCP",
        ) from None
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return opened
