"""The service manager's end of the socket that a service tells it of itself by, for tests. Source: sd_notify(3)."""

import socket
from pathlib import Path
from typing import Final

import trio

_MOST_BYTES: Final = 1000


class Manager:
    """``address`` is what a daemon gets as NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._receiver.bind(self.address)
        self._receiver.setblocking(False)

    async def receive(self) -> str:
        """The next message. Without a deadline of its own."""
        await trio.lowlevel.wait_readable(self._receiver)
        return self._receiver.recv(_MOST_BYTES).decode()

    async def wait_for(self, state: str, timeout_s: float) -> None:
        """Waits for a message that begins with the line *state*.

        Raises:
            trio.TooSlowError: there was none.
        """
        with trio.fail_after(timeout_s):
            while (await self.receive()).partition("\n")[0] != state:
                pass

    def close(self) -> None:
        """Closes the socket."""
        self._receiver.close()
