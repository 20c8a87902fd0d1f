"""Terminal devices: an own descriptor, read without threads until nothing is left.

Opening takes the device for this process (flock for programs that ask, TIOCEXCL for those that do not), leaves DTR
and RTS as the kernel has them, and never flushes: what the board said before is read first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

import trio

from esperd.ports.port import MAX_RECEIVE_BYTES, PortLost, PortUnsupported, no_break, not_counted, not_told

if TYPE_CHECKING:
    from collections.abc import Callable

# A driver without modem lines (pseudo-terminals, some USB devices) says one of these.
_UNSUPPORTED_ERRORS = frozenset({errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP})

# Linux Documentation/admin-guide/devices.txt: slaves of Unix98 pseudo-terminals.
_PSEUDO_TERMINAL_MAJORS = range(136, 144)

# Linux asm-generic/ioctls.h, absent from the termios module: hold the line in the break state, and end that.
_TIOCSBRK = 0x5427
_TIOCCBRK = 0x5428

# A read that gives less has emptied the device: to ask again would cost as much as the read did, for nothing.
_SHORT_READ_BYTES = 1024

# The longest that unsent output delays closing. Without it the kernel waits 30 s inside close() for a device that
# takes nothing, and the whole daemon with it. Looked at repeatedly, as nothing tells when the queue is empty.
_DRAIN_POLLS = 20
_DRAIN_POLL_S = 0.01


class TtyPort:
    """A terminal device; owns its descriptor, which is non-blocking, raw and locked (see ``open_tty``)."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.path = path
        self._descriptor = descriptor
        self._send_lock = trio.StrictFIFOLock()
        self._is_pseudo_terminal = is_pseudo_terminal(os.fstat(descriptor).st_rdev)

    async def receive(self) -> bytes:
        while True:
            # The only place that can be cancelled, and nothing has been read yet.
            await trio.lowlevel.wait_readable(self._open_descriptor())
            data = self._read_available()
            if data is not None:
                return data

    async def send(self, data: bytes, on_sent: Callable[[int], object] = not_counted) -> None:
        unsent = memoryview(data)
        async with self._send_lock:
            while unsent:
                try:
                    written = os.write(self._open_descriptor(), unsent)
                    unsent = unsent[written:]
                    on_sent(written)
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._open_descriptor())
                except OSError as error:
                    raise self._lost(error) from error

    async def set_modem_lines(self, *, dtr: bool | None, rts: bool | None) -> None:
        await trio.lowlevel.checkpoint()
        changes = [(termios.TIOCM_DTR, dtr), (termios.TIOCM_RTS, rts)]
        asserted = sum(bit for bit, state in changes if state is True)
        released = sum(bit for bit, state in changes if state is False)
        if asserted and released:
            # Both in one request: between two, a reset circuit would see both lines released and start the chip.
            self._control(termios.TIOCMSET, (self._read_modem_lines() | asserted) & ~released)
        elif asserted:
            self._control(termios.TIOCMBIS, asserted)
        elif released:
            self._control(termios.TIOCMBIC, released)

    async def send_break(self, duration_s: float, on_begun: Callable[[], object] = not_told) -> None:
        if self._is_pseudo_terminal:
            # Here the kernel would say yes and do nothing.
            raise no_break(self.path, "a pseudo-terminal")
        try:
            self._control(_TIOCSBRK, 0)
        except PortUnsupported as error:
            raise no_break(self.path, "this device") from error
        try:
            on_begun()
            await trio.sleep(duration_s)
        finally:
            if self._descriptor >= 0:
                _end_break(self._descriptor)

    async def aclose(self) -> None:
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        trio.lowlevel.notify_closing(descriptor)
        try:
            await _drain(descriptor)
        finally:
            _give_back(descriptor)
            os.close(descriptor)

    def _read_available(self) -> bytes | None:
        """Reads until little or nothing is left: one read of a pseudo-terminal gives at most 4,095 bytes.

        Returns:
            The bytes; ``b""`` on hang-up; None if there was nothing after all.
        """
        chunks: list[bytes] = []
        wanted = MAX_RECEIVE_BYTES
        while wanted:
            try:
                chunk = os.read(self._descriptor, wanted)
            except BlockingIOError:
                return b"".join(chunks) if chunks else None
            except OSError:
                # EIO after a hang-up; USB drivers have more words for it, and all of them end this session.
                break
            if not chunk:
                break
            chunks.append(chunk)
            wanted -= len(chunk)
            if len(chunk) < _SHORT_READ_BYTES:
                break
        # A hang-up after some bytes shows again, alone, in the next call.
        return b"".join(chunks)

    def _read_modem_lines(self) -> int:
        state = self._control(termios.TIOCMGET, 0)
        return int(struct.unpack("I", state)[0])

    def _control(self, request: int, argument: int) -> bytes:
        try:
            return fcntl.ioctl(self._open_descriptor(), request, struct.pack("I", argument))
        except OSError as error:
            if error.errno in _UNSUPPORTED_ERRORS:
                raise self._unsupported() from error
            raise self._lost(error) from error

    def _open_descriptor(self) -> int:
        if self._descriptor < 0:
            raise trio.ClosedResourceError
        return self._descriptor

    def _unsupported(self) -> PortUnsupported:
        kind = "a pseudo-terminal" if self._is_pseudo_terminal else "this device"
        return PortUnsupported(self.path, f"{self.path} has no control lines ({kind}): reset the board by its button")

    def _lost(self, error: OSError) -> PortLost:
        return PortLost(self.path, f"{self.path} is gone ({os.strerror(error.errno or 0)}): plug it in again")


def is_pseudo_terminal(device_number: int) -> bool:
    """Whether a device number (``st_rdev``) is that of a pseudo-terminal's slave."""
    return os.major(device_number) in _PSEUDO_TERMINAL_MAJORS


def take_exclusively(descriptor: int) -> None:
    """Locks an open device for this process.

    Raises:
        BlockingIOError: Somebody else has locked it.
        OSError: Not a terminal, or gone.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.ioctl(descriptor, termios.TIOCEXCL)


def _give_back(descriptor: int) -> None:
    # A pseudo-terminal outlives this descriptor, and would stay closed to everybody but root.
    # Where it is gone already there is nothing to give back.
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCNXCL)


def _end_break(descriptor: int) -> None:
    # Quietly: where the device is gone there is no break either, and a cancellation must not be replaced.
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, _TIOCCBRK)


async def _drain(descriptor: int) -> None:
    """Lets output leave, then drops the rest of it; input is untouched. Returns at once when there is none."""
    try:
        for _ in range(_DRAIN_POLLS):
            if not _unsent_bytes(descriptor):
                break
            await trio.sleep(_DRAIN_POLL_S)
    finally:
        if _unsent_bytes(descriptor):
            with contextlib.suppress(termios.error):
                termios.tcflush(descriptor, termios.TCOFLUSH)


def _unsent_bytes(descriptor: int) -> int:
    try:
        return int(struct.unpack("I", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0])
    except OSError:
        return 0
