"""Terminal settings: raw mode and the baud rate of an open descriptor, in a way that keeps the bytes it holds.

pyserial is not used for this: it flushes the input when it opens, touches DTR and RTS, and every setting it changes
puts VMIN back to 0, which makes an idle port look like one that hung up.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from typing import Any

# The attribute list of the termios module, by position.
_IFLAG, _OFLAG, _CFLAG, _LFLAG, _ISPEED, _OSPEED, _CC = range(7)

# Arbitrary rates: Linux asm-generic/ioctls.h and asm-generic/termbits.h (x86, ARM, RISC-V; the few other
# architectures answer with an error). struct termios2 is c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc[19],
# c_ispeed, c_ospeed.
_TCGETS2 = 0x802C542A
_TCSETS2 = 0x402C542B
_BOTHER = 0o010000
_CBAUD = 0o010017
_TERMIOS2 = struct.Struct("4I B 19s 2I")

_CMSPAR = 0o10000000000  # "stick" parity, absent from the termios module


def make_raw(descriptor: int, *, baud_rate: int) -> None:
    """Sets 8N1 at *baud_rate* bit/s without flow control or any translation.

    Reads return at once with what there is (VMIN=1, VTIME=0: on a non-blocking descriptor an idle port raises
    ``BlockingIOError`` and ``b""`` is a hang-up), and closing leaves DTR as it is (HUPCL off).

    Raises:
        OSError: Not a terminal, gone, or the rate is refused (``EINVAL``).
    """
    # 0 is no rate: it tells the kernel to drop DTR.
    if not 0 < baud_rate < 2**32:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    try:
        attributes = termios.tcgetattr(descriptor)
        _clear_translation(attributes)
        constant: int | None = getattr(termios, f"B{baud_rate}", None)
        if constant is not None:
            attributes[_ISPEED] = attributes[_OSPEED] = constant
        # TCSANOW: the other two wait for output to drain, which a silent device may never do, or drop the input.
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    except termios.error as error:  # has the arguments of an OSError without being one
        raise OSError(*error.args) from None
    if constant is None:
        _set_arbitrary_rate(descriptor, baud_rate)


def actual_baud_rate(descriptor: int) -> int | None:
    """The output rate the driver settled on, in bit/s; None where the kernel does not say."""
    try:
        *_, output_rate = _TERMIOS2.unpack(fcntl.ioctl(descriptor, _TCGETS2, bytes(_TERMIOS2.size)))
    except OSError:
        return None
    return int(output_rate) or None


def _clear_translation(attributes: list[Any]) -> None:
    """Changes a ``tcgetattr`` list: no line editing, no echo, no signals, every byte as it came."""
    attributes[_IFLAG] = 0
    attributes[_OFLAG] = 0
    attributes[_LFLAG] = 0
    cleared = termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB | termios.CRTSCTS | _CMSPAR
    attributes[_CFLAG] &= ~(cleared | termios.HUPCL)
    attributes[_CFLAG] |= termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes[_CC][termios.VMIN] = 1
    attributes[_CC][termios.VTIME] = 0


def _set_arbitrary_rate(descriptor: int, baud_rate: int) -> None:
    fields = list(_TERMIOS2.unpack(fcntl.ioctl(descriptor, _TCGETS2, bytes(_TERMIOS2.size))))
    fields[_CFLAG] = (fields[_CFLAG] & ~_CBAUD) | _BOTHER
    fields[-2:] = [baud_rate, baud_rate]
    fcntl.ioctl(descriptor, _TCSETS2, _TERMIOS2.pack(*fields))
