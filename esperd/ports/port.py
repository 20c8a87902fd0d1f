"""The seam between a board's task and whatever carries its bytes, and the errors that cross it.

    PortError                  could not open or use a port; the message is one sentence for the user
    ├── PortNotFound           nothing there: not plugged in, refused, name does not resolve
    ├── PortBusy               somebody else holds it
    ├── PortPermission         the operating system says no
    ├── PortLost               it was open and is gone
    └── PortUnsupported        this kind of port cannot do that

A hang-up seen by ``receive`` is not an error: boards are unplugged, that is ``b""``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_RECEIVE_BYTES = 65_536
"""Most bytes one ``receive`` returns: enough to drain a pseudo-terminal (20 KiB) or a TCP window in one go, small
enough that other boards of the daemon wait less than a millisecond for it."""


class PortError(Exception):
    """A port could not be opened or used."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class PortNotFound(PortError):  # noqa: N818 - the base has the suffix, these say what happened
    """There is no such port now; trying again later makes sense."""


class PortBusy(PortError):  # noqa: N818 - the base has the suffix, these say what happened
    """Somebody else holds the port; the message says who, where that can be found out.

    ``is_ours``: another port of this process does.
    """

    def __init__(self, path: str, message: str, *, is_ours: bool = False) -> None:
        super().__init__(path, message)
        self.is_ours = is_ours


class PortPermission(PortError):  # noqa: N818 - the base has the suffix, these say what happened
    """The operating system does not let this user open the port."""


class PortLost(PortError):  # noqa: N818 - the base has the suffix, these say what happened
    """The port was open and is gone."""


class PortUnsupported(PortError):  # noqa: N818 - the base has the suffix, these say what happened
    """This kind of port cannot do what was asked; the port is as it was."""


def no_break(path: str, kind: str) -> PortUnsupported:
    """The error for a port of a kind that carries bytes alone, such as ``a pseudo-terminal``."""
    return PortUnsupported(
        path, f"{path} carries no break ({kind}): that takes a serial port, here or behind an rfc2217:// server"
    )


def not_counted(count: int) -> None:
    """For a ``send`` of which nobody asks how far it got."""
    del count


def not_told() -> None:
    """For a ``send_break`` that nobody asks about."""


class Port(Protocol):
    """One open port, owned by one task; ``send`` and the control lines may be used by other tasks.

    After ``aclose``, also in another task, every method raises ``trio.ClosedResourceError``.
    """

    @property
    def path(self) -> str:
        """What was opened, for messages."""
        ...

    async def receive(self) -> bytes:
        """Waits until bytes are there, then returns all that are, at most ``MAX_RECEIVE_BYTES``.

        Has no deadline of its own: a board may be silent for days.

        Returns:
            The bytes exactly as sent, or ``b""`` once the port has hung up.

        Raises:
            PortError: The far side breaks the protocol of this kind of port.

        Cancellation:
            Loses no byte; what was not returned comes with the next call.
        """
        ...

    async def send(self, data: bytes, on_sent: Callable[[int], object] = not_counted) -> None:
        """Writes all of *data*; concurrent calls do not mix their bytes.

        Waits while the far side takes nothing, so the caller brings a deadline.

        Args:
            data: What the board gets.
            on_sent: Told of each part of *data* that can't be taken back any more how many bytes it has. What the
                calls add up to is what the board may get, also when this fails or is cancelled.

        Raises:
            PortLost: The port is gone.
        """
        ...

    async def set_modem_lines(self, *, dtr: bool | None, rts: bool | None) -> None:
        """Asserts (True) or releases (False) lines; None leaves a line alone.

        Cancellation:
            It may be done all the same, when a network takes what was asked of it.

        Raises:
            PortUnsupported: The port has no such lines.
            PortLost: The port is gone.
        """
        ...

    async def send_break(self, duration_s: float, on_begun: Callable[[], object] = not_told) -> None:
        """Holds the line in the break state; it ends also if this is cancelled.

        Args:
            duration_s: For how long.
            on_begun: Told that the line is in the break state, or that nothing can keep it from being any more.

        Raises:
            PortUnsupported: The port has no break.
            PortLost: The port is gone.
        """
        ...

    async def aclose(self) -> None:
        """Closes without touching DTR; harmless when closed already."""
        ...
