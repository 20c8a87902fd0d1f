"""Datagrams to the service manager, none of which is lost because its queue is full.

One that gets lost would be missed for good: a start that never was ready is ended, a reload that never ended goes on.
"""

import errno
import logging
import socket
from typing import Final

import trio

_log: Final = logging.getLogger(__name__)

# A socket says that it can be written again; one that says so and is full again is asked no more often than this.
_PAUSE_S: Final = 0.1
_LATER: Final = frozenset({errno.EAGAIN, errno.ENOBUFS})


class Messages:
    """Sends in order, and never waits; what is not taken waits for ``deliver``.

    Args:
        address: Where datagrams go: a path, or a name that begins with ``@`` for an abstract socket; None for nobody.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._waiting: list[str] = []
        self._begun = trio.Event()

    def send(self, message: str, *, replaces: str | None = None) -> None:
        """Sends now or later; *replaces* is how messages begin that have waited, and mean nothing beside this one."""
        if replaces is not None:
            self._waiting = [waiting for waiting in self._waiting if not waiting.startswith(replaces)]
        self._waiting.append(message)
        self._flush()

    def send_or_drop(self, message: str) -> None:
        """Sends now or never."""
        if not self._waiting:
            self._try(message)

    async def deliver(self) -> None:
        """Sends what waits as soon as it is taken, until cancelled."""
        while True:
            # Without a deadline: as a rule nothing ever waits.
            await self._begun.wait()
            self._begun = trio.Event()
            while self._waiting:
                await self._wait_for_room()
                self._flush()

    def _flush(self) -> None:
        while self._waiting:
            if not self._try(self._waiting[0]):
                self._begun.set()
                return
            del self._waiting[0]

    def _try(self, message: str) -> bool:
        """Returns False where the manager's queue is full. A manager that is not there is told nothing."""
        if self._address is None:
            return True
        try:
            with self._connected() as sender:
                sender.send(message.encode())
        except OSError as error:
            if error.errno in _LATER:
                return False
            _log.warning("service manager not told address=%s message=%r error=%s", self._address, message, error)
        return True

    async def _wait_for_room(self) -> None:
        try:
            with self._connected() as sender:
                # Without a deadline: a manager may stand still for as long as it likes.
                await trio.lowlevel.wait_writable(sender)
        except OSError:
            pass  # it is gone, which the next try says
        await trio.sleep(_PAUSE_S)

    def _connected(self) -> socket.socket:
        address = self._address or ""
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sender.setblocking(False)
            sender.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError:
            sender.close()
            raise
        return sender
