"""Ports that only pyserial can open (``spy://``, ``loop://``, ``alt://``, ``cp2110://``).

The one place of the daemon that reads through threads: these have no descriptor to wait for. It costs ten wake-ups a
second while idle and several times the processor time, so nothing that has a descriptor comes here.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import serial
import trio

from esperd.ports.port import (
    MAX_RECEIVE_BYTES,
    PortError,
    PortLost,
    PortNotFound,
    PortPermission,
    PortUnsupported,
    no_break,
    not_counted,
    not_told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a cancellation or a close waits for a read that is under way.
_READ_TIMEOUT_S = 0.1
# A write cannot be cancelled; a port that takes nothing for this long is as good as gone.
_WRITE_TIMEOUT_S = 5.0
# A write that times out does not say how far it got, so the last part counts as a whole: small, that is near the truth.
_WRITE_BYTES = 1024

# pyserial raises its own error for most things, and lets those of the operating system and of its arguments through.
_ERRORS = (OSError, ValueError, TypeError)  # SerialException is an OSError
# Handlers of URLs fail in more ways: a package that is missing, a mistake while they word their own error.
_OPEN_ERRORS = (*_ERRORS, LookupError, AttributeError, ImportError)


class SerialUrlPort:
    """A port opened by pyserial; owns it. Threads are never abandoned, so none outlives the port."""

    def __init__(self, serial_port: serial.Serial, path: str) -> None:
        self.path = path
        self._serial = serial_port
        self._closed = False
        # One limiter a port: the daemon's other threads must not starve a reader that is always in one.
        self._limiter = trio.CapacityLimiter(3)
        self._read_lock = trio.StrictFIFOLock()
        self._send_lock = trio.StrictFIFOLock()

    async def receive(self) -> bytes:
        while True:
            async with self._read_lock:
                self._check_open()
                try:
                    # Not abandoned on cancel: the bytes that the thread takes are returned, the caller is
                    # cancelled at its next checkpoint.
                    data = await trio.to_thread.run_sync(
                        self._read_available, abandon_on_cancel=False, limiter=self._limiter
                    )
                except _ERRORS:
                    return b""
            if data:
                return data

    async def send(self, data: bytes, on_sent: Callable[[int], object] = not_counted) -> None:
        async with self._send_lock:
            for start in range(0, len(data), _WRITE_BYTES):
                part = data[start : start + _WRITE_BYTES]
                await trio.lowlevel.checkpoint_if_cancelled()
                self._check_open()
                on_sent(len(part))
                try:
                    # Shielded: what was counted is written.
                    with trio.CancelScope(shield=True):
                        await trio.to_thread.run_sync(self._write_all, part, limiter=self._limiter)
                except _ERRORS as error:
                    raise self._lost(error) from error

    async def set_modem_lines(self, *, dtr: bool | None, rts: bool | None) -> None:
        await trio.lowlevel.checkpoint()
        self._check_open()
        try:
            if dtr is not None:
                self._serial.dtr = dtr
            if rts is not None:
                self._serial.rts = rts
        except OSError as error:
            raise self._control_error(error) from error

    async def send_break(self, duration_s: float, on_begun: Callable[[], object] = not_told) -> None:
        self._check_open()
        try:
            self._serial.break_condition = True
            try:
                on_begun()
                await trio.sleep(duration_s)
            finally:
                self._serial.break_condition = False
        except OSError as error:
            explained = self._control_error(error)
            raise (
                no_break(self.path, "this device") if isinstance(explained, PortUnsupported) else explained
            ) from error

    async def aclose(self) -> None:
        self._closed = True
        # Shielded: bounded by the two timeouts, and closing under a running read would hand its descriptor on.
        with trio.CancelScope(shield=True):
            async with self._read_lock, self._send_lock:
                await trio.to_thread.run_sync(self._serial.close, limiter=self._limiter)

    def _read_available(self) -> bytes:
        first: bytes = self._serial.read(1)
        if not first:
            return b""
        return first + self._serial.read(min(self._serial.in_waiting, MAX_RECEIVE_BYTES - 1))

    def _write_all(self, data: bytes) -> None:
        # Some of pyserial's ports say None here, having taken everything.
        while data and (written := self._serial.write(data)) is not None:
            data = data[written:]

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError

    def _control_error(self, error: OSError) -> PortError:
        if error.errno in {errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP}:
            return PortUnsupported(self.path, f"{self.path} has no control lines: reset the board by its button")
        return self._lost(error)

    def _lost(self, error: Exception) -> PortLost:
        return PortLost(self.path, f"{self.path} failed ({error}): plug it in again")


async def open_serial_url(url: str, *, baud: int) -> SerialUrlPort:
    """Opens *url* with pyserial, with the side effects this has (it flushes the input, and asserts DTR and RTS).

    Raises:
        PortNotFound, PortPermission, PortError: As their names say.

    Ownership:
        The caller closes the port.
    """

    def open_blocking() -> serial.Serial:
        return serial.serial_for_url(
            url, baudrate=baud, timeout=_READ_TIMEOUT_S, write_timeout=_WRITE_TIMEOUT_S, exclusive=True
        )

    try:
        opened = await trio.to_thread.run_sync(open_blocking)
    except _OPEN_ERRORS as error:
        raise _open_error(url, error) from error
    return SerialUrlPort(opened, url)


def _open_error(url: str, error: Exception) -> PortError:
    number = error.errno if isinstance(error, OSError) else None
    message = f"pyserial cannot open {url} ({error}): see its documentation of URLs"
    if number in {errno.ENOENT, errno.ENXIO, errno.ENODEV}:
        return PortNotFound(url, message)
    if number in {errno.EACCES, errno.EPERM}:
        return PortPermission(url, message)
    return PortError(url, message)
