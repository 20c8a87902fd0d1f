"""A pause in which a board has no port open: boards that get each other's ports all close them before one is opened."""

import trio


class Standby:
    """One board's. Whoever asks for the pause ends it; the task that owns the port goes into it when it is closed."""

    def __init__(self) -> None:
        self._over: trio.Event | None = None
        self._begun = trio.Event()

    @property
    def is_over(self) -> trio.Event | None:
        """What the task that owns the port waits for, once it has closed it; None while there is no pause.

        To look at it is to say that it is closed.
        """
        if self._over is not None:
            self._begun.set()
        return self._over

    def ask(self) -> None:
        """Asks for a pause; harmless during another one."""
        if self._over is None:
            self._over, self._begun = trio.Event(), trio.Event()

    async def wait_begun(self) -> None:
        """Returns when the port is closed. Has no deadline of its own."""
        await self._begun.wait()

    def end(self) -> None:
        """Lets the board open its port. Harmless when it may already."""
        if self._over is not None:
            self._over.set()
            self._over = None
