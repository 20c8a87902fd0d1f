"""Proof, on request, that a board's own task gets on, also while it waits for something else than the port."""

import trio


class Heartbeat:
    """Somebody waits for a beat; the task beats whenever it comes round. Beating costs nothing while nobody waits."""

    def __init__(self) -> None:
        self._awaited: trio.Event | None = None
        self._resting = trio.CancelScope()
        self._has_ended = False

    def beat(self) -> None:
        """The task has come round."""
        if self._awaited is not None:
            self._awaited.set()
            self._awaited = None

    def end(self) -> None:
        """The task has ended, in order; nothing is to be proved any more."""
        self._has_ended = True
        self.beat()

    async def rest(self, duration_s: float) -> None:
        """The task does nothing for a while, but beats when it is asked to."""
        until = trio.current_time() + duration_s
        while trio.current_time() < until:
            self.beat()
            with trio.move_on_at(until) as self._resting:
                await trio.sleep_forever()

    async def rest_until(self, event: trio.Event) -> None:
        """The same, until *event*; has no deadline of its own."""
        while not event.is_set():
            self.beat()
            with trio.CancelScope() as self._resting:
                await event.wait()

    async def prove(self) -> None:
        """Waits for the next beat, which a task that rests gives at once; has no deadline of its own."""
        if self._has_ended:
            return
        self._resting.cancel()
        if self._awaited is None:
            self._awaited = trio.Event()
        await self._awaited.wait()
