"""What is done to a port while a session reads it: bytes written, control lines pulsed, breaks sent."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import trio

from esper_protocol.events import BreakSent, ResetSent
from esperd.board.publisher import Publisher
from esperd.errors import CommandError
from esperd.ports.port import Port, PortLost, PortUnsupported

# A board that takes no input for this long is not going to: a USB console that nobody reads, say.
_WRITE_TIMEOUT_S: Final = 5.0
# EN is pulled low through RTS; the capacitor on it needs some time. Source: esptool, reset strategies.
_RESET_PULSE_S: Final = 0.1
_BOOT_PIN_S: Final = 0.05
# The pulse takes a fraction of a second; a network in between may take none of it.
_RESET_TIMEOUT_S: Final = 2.0


class PortControl:
    """Does it for one board, one thing at a time.

    Args:
        board: Its name.
        publisher: Publishes what was done.
        open_port: The port that is open now; CommandError when none is.

    ``lines`` is held while the control lines are pulsed.
    """

    def __init__(self, board: str, publisher: Publisher, open_port: Callable[[], Port]) -> None:
        self._board = board
        self._publisher = publisher
        self._open_port = open_port
        self._write_lock = trio.Lock()
        self.lines = trio.Lock()

    async def write(self, data: bytes) -> None:
        """Writes to the board.

        Raises:
            CommandError: absent, busy, timed_out.
        """
        port = self._open_port()
        with trio.move_on_after(_WRITE_TIMEOUT_S) as scope:
            async with self._write_lock:
                with self._translated():
                    await port.send(data)
        if scope.cancelled_caught:
            raise CommandError(
                "timed_out",
                f"{self._board}: the board took no input for {_WRITE_TIMEOUT_S:g} s; a part may have arrived",
                "reset it, or check that its firmware reads its console",
            )

    async def reset(self, who: str, *, bootloader: bool) -> None:
        """Pulses EN by the control lines; with *bootloader* GPIO0 is low as EN rises.

        Raises:
            CommandError: absent, busy, unsupported, timed_out.
        """
        port = self._open_port()
        # Shielded, because a pulse that is cut leaves the board in reset. The lock: two at once would make no pulse.
        with trio.move_on_after(_RESET_TIMEOUT_S, shield=True) as scope, self._translated():
            async with self.lines:
                await _pulse(port, bootloader=bootloader)
        if scope.cancelled_caught:
            raise CommandError("timed_out", f"{self._board}: the port did not take the reset")
        self._publisher.publish(ResetSent(who, bootloader))

    async def send_break(self, who: str, duration_s: float) -> None:
        """Sends a break condition.

        Raises:
            CommandError: absent, busy, unsupported, bad_request.
        """
        if not 0 < duration_s <= _WRITE_TIMEOUT_S:
            raise CommandError("bad_request", f"a break lasts up to {_WRITE_TIMEOUT_S:g} s, not {duration_s:g} s")
        port = self._open_port()
        with self._translated():
            await port.send_break(duration_s)
        self._publisher.publish(BreakSent(who, duration_s))

    async def settle(self) -> None:
        """Waits for the end of a reset: a port that is closed in the middle of one would hold the board in it."""
        with trio.CancelScope(shield=True):
            async with self.lines:
                pass

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turns what a port says into what a client is told."""
        try:
            yield
        except PortUnsupported as error:
            raise CommandError("unsupported", f"{self._board}: {error}") from error
        except (PortLost, trio.ClosedResourceError) as error:
            raise CommandError("absent", f"{self._board}: the port went away meanwhile") from error


async def _pulse(port: Port, *, bootloader: bool) -> None:
    await port.set_modem_lines(dtr=False, rts=True)
    await trio.sleep(_RESET_PULSE_S)
    if bootloader:
        await port.set_modem_lines(dtr=True, rts=False)
        await trio.sleep(_BOOT_PIN_S)
    await port.set_modem_lines(dtr=False, rts=False)
