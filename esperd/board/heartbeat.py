"""Proof, on request, that a board's own task gets on."""

import trio


class Heartbeat:
    """Somebody waits for a beat; the task beats whenever it comes round. Beating costs nothing while nobody waits."""

    def __init__(self) -> None:
        self._awaited: trio.Event | None = None

    def beat(self) -> None:
        """The task has come round."""
        if self._awaited is not None:
            self._awaited.set()
            self._awaited = None

    async def wait(self) -> None:
        """Waits for the next beat; has no deadline of its own."""
        if self._awaited is None:
            self._awaited = trio.Event()
        await self._awaited.wait()
