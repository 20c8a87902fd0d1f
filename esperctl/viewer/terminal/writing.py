"""Writes to a terminal that may take nothing: nobody ever waits for it, but for a moment at the end.

A terminal takes nothing while an ssh connection hangs, while its program is stopped, or when nobody reads it any more.
"""

import asyncio
import os
import select
import time
from collections.abc import Callable
from typing import Final, TextIO

# Ends whatever sequence was begun (ECMA-48 8.3.6, CANCEL; xterm's ctlseqs: also in OSC and DCS).
_CANCEL: Final = b"\x18"


class TerminalWriter:
    """Hands bytes to a terminal as it takes them; once the terminal is gone, what is written is dropped.

    Args:
        stream: The terminal.
        on_gone: Called when it is found to be gone.
        on_drained: Called when it has taken what it did not take at once.
    """

    def __init__(self, stream: TextIO, *, on_gone: Callable[[], None], on_drained: Callable[[], None]) -> None:
        self._stream = stream
        self._on_gone = on_gone
        self._on_drained = on_drained
        self._waiting = bytearray()
        self._descriptor: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._made_shared_non_blocking = False
        self._is_over = False
        self.is_gone = False

    @property
    def waiting_bytes(self) -> int:
        """How much the terminal did not take yet."""
        return len(self._waiting)

    def open(self) -> None:
        """Begins to write, in the running event loop."""
        descriptor = self._stream.fileno()
        try:
            # The description that we were given is shared with the shell, which does not expect it to be non-blocking.
            self._descriptor = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            # The terminal is another user's, as after `su`: then until the end.
            self._descriptor = os.dup(descriptor)
            self._made_shared_non_blocking = os.get_blocking(descriptor)
            os.set_blocking(descriptor, False)
        self._loop = asyncio.get_running_loop()
        self._write_on()

    def write(self, data: bytes) -> None:
        """Writes what the terminal takes now; the rest when it takes more."""
        if self._is_over or self.is_gone:
            return
        was_waiting = bool(self._waiting)
        self._waiting += data
        # Before `open` it is kept; while more waits, the event loop tells when to go on.
        if self._loop is not None and not was_waiting:
            self._write_on()

    def end(self, timeout_s: float, restoring: bytes) -> None:
        """Writes what waits, or if that takes longer than half of the time, *restoring* instead; then closes."""
        if self._descriptor is None or self._loop is None:
            return
        self._loop.remove_writer(self._descriptor)
        self._is_over = True
        self._write_until(time.monotonic() + timeout_s / 2)
        if self._waiting:
            self._waiting[:] = _CANCEL + restoring
            self._write_until(time.monotonic() + timeout_s / 2)
        os.close(self._descriptor)
        self._descriptor = None
        if self._made_shared_non_blocking:
            os.set_blocking(self._stream.fileno(), True)

    def _write_on(self) -> None:
        if self._loop is None or self._descriptor is None:
            return
        self._write_some()
        if self._waiting:
            self._loop.add_writer(self._descriptor, self._on_writable)

    def _on_writable(self) -> None:
        self._write_some()
        if not self._waiting and self._loop is not None and self._descriptor is not None:
            self._loop.remove_writer(self._descriptor)
            if not self.is_gone:
                self._on_drained()

    def _write_until(self, deadline: float) -> None:
        self._write_some()
        while self._descriptor is not None and self._waiting and (left_s := deadline - time.monotonic()) > 0:
            select.select([], [self._descriptor], [], left_s)
            self._write_some()

    def _write_some(self) -> None:
        """Writes until the terminal takes no more."""
        if self._descriptor is None:
            return
        try:
            while self._waiting:
                written = os.write(self._descriptor, self._waiting)
                del self._waiting[:written]
        except BlockingIOError:
            return
        except OSError:
            self._waiting.clear()
            self.is_gone = True
            self._on_gone()
