"""What is done to a port while a session reads it: bytes written, control lines pulsed, breaks sent.

Whatever reaches the board is published, with who did it, also when the rest of it fails, times out or is cancelled.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Final

import trio

from esper_protocol.events import BreakSent, ResetSent, Tx
from esperd.board.publisher import Publisher
from esperd.errors import CommandError
from esperd.ports.port import Port, PortError, PortLost, PortUnsupported

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
        self._writing = trio.CancelScope()
        self.lines = trio.Lock()

    async def write(self, data: bytes, who: str, why: str = "typed") -> None:
        """Writes to the board.

        Raises:
            CommandError: absent, busy, timed_out.
        """
        sent_bytes = 0

        def count(part_bytes: int) -> None:
            nonlocal sent_bytes
            sent_bytes += part_bytes

        with trio.move_on_after(_WRITE_TIMEOUT_S) as scope:
            async with self._write_lock:
                # Not before: it may have been closed, or lent, while another write was waited for.
                port = self._open_port()
                try:
                    with self._translated(), trio.CancelScope() as writing:
                        self._writing = writing
                        await port.send(data, count)
                finally:
                    if sent_bytes:
                        self._publisher.publish(Tx(data[:sent_bytes], who, why))
                if writing.cancelled_caught:
                    raise self._gone()
        if scope.cancelled_caught:
            raise CommandError(
                "timed_out",
                f"{self._board}: the board took no input for {_WRITE_TIMEOUT_S:g} s; "
                f"{sent_bytes} of {len(data)} bytes were written",
                "reset it, or check that its firmware reads its console",
            )

    async def reset(self, who: str, *, bootloader: bool) -> None:
        """Pulses EN by the control lines; with *bootloader* GPIO0 is low as EN rises.

        Raises:
            CommandError: absent, busy, unsupported, timed_out.
        """
        # Shielded, because a pulse that is cut leaves the board in reset. The lock: two at once would make no pulse.
        with trio.move_on_after(_RESET_TIMEOUT_S, shield=True) as scope, self._translated():
            async with self.lines:
                port = self._open_port()
                # Of its own: whoever came just in time is not to be cut in the middle.
                scope.deadline = trio.current_time() + _RESET_TIMEOUT_S
                await self._pulse(port, who, bootloader=bootloader)
        if scope.cancelled_caught:
            raise CommandError("timed_out", f"{self._board}: the port did not take the reset")

    async def send_break(self, who: str, duration_s: float) -> None:
        """Sends a break condition.

        Raises:
            CommandError: absent, busy, unsupported, bad_request.
        """
        if not 0 < duration_s <= _WRITE_TIMEOUT_S:
            raise CommandError("bad_request", f"a break lasts up to {_WRITE_TIMEOUT_S:g} s, not {duration_s:g} s")
        port = self._open_port()
        with self._translated():
            await port.send_break(duration_s, partial(self._publisher.publish, BreakSent(who, duration_s)))

    async def settle(self) -> None:
        """Ends what is done to a port that is about to be closed, and returns when it was published.

        A reset is waited for: a port that is closed in the middle of one would hold the board in it. Who comes later
        finds no open port.
        """
        self._writing.cancel()
        with trio.CancelScope(shield=True):
            async with self.lines, self._write_lock:
                pass

    async def _pulse(self, port: Port, who: str, *, bootloader: bool) -> None:
        is_over = False
        try:
            await self._hold_in_reset(port, ResetSent(who, bootloader))
            await trio.sleep(_RESET_PULSE_S)
            if bootloader:
                await port.set_modem_lines(dtr=True, rts=False)
                await trio.sleep(_BOOT_PIN_S)
            await port.set_modem_lines(dtr=False, rts=False)
            is_over = True
        except (PortError, trio.ClosedResourceError):
            is_over = True  # nothing is left that could be released
            raise
        finally:
            if not is_over:
                with trio.move_on_after(_RESET_TIMEOUT_S, shield=True):
                    await port.set_modem_lines(dtr=False, rts=False)

    async def _hold_in_reset(self, port: Port, done: ResetSent) -> None:
        is_refused = False
        try:
            await port.set_modem_lines(dtr=False, rts=True)
        except (PortError, trio.ClosedResourceError):
            is_refused = True
            raise
        finally:
            # Also when it took too long: a network may still take what was asked of it.
            if not is_refused:
                self._publisher.publish(done)

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turns what a port says into what a client is told."""
        try:
            yield
        except PortUnsupported as error:
            raise CommandError("unsupported", f"{self._board}: {error}") from error
        except (PortLost, trio.ClosedResourceError) as error:
            raise self._gone() from error

    def _gone(self) -> CommandError:
        return CommandError("absent", f"{self._board}: the port went away meanwhile")
