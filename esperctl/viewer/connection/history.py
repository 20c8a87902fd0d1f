"""Pages of the journal, on a connection of their own: what the window of the log lacks."""

import asyncio
from typing import Final

from esper_protocol.events import Line
from esper_protocol.messages import Subscribe, Subscribed
from esperctl.errors import NoDaemonError, TimedOutError
from esperctl.subscription import AnyEvent, Subscription
from esperctl.viewer.connection.channel import Channel
from esperctl.viewer.effects import FetchPage
from esperctl.viewer.messages import PageArrived

# A page that takes longer comes from a disk that has trouble of its own.
_PAGE_TIMEOUT_S: Final = 30.0


class History:
    """Fetches pages of one board, one after the other. Close it."""

    def __init__(self, socket: str, board: str) -> None:
        self._socket = socket
        self._board = board
        self._channel: Channel | None = None
        self._one_at_a_time = asyncio.Lock()

    async def fetch(self, request: FetchPage) -> PageArrived:
        """One page.

        Raises:
            EsperctlError: the daemon is away, or refused.
        """
        if request.direction == "older":
            asked = Subscribe(self._board, last_lines=request.lines, follow=False, until=request.position)
        else:
            asked = Subscribe(self._board, after=request.position, follow=False)
        events, ended = await self._read(asked, request.lines)
        lines = sum(event.body.count for event in events if isinstance(event.body, Line))
        return PageArrived(request, tuple(events), ended and lines < request.lines)

    async def close(self) -> None:
        """Closes the connection, if one is open."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    async def _read(self, asked: Subscribe, most_lines: int) -> tuple[list[AnyEvent], bool]:
        """The first events of a subscription, and whether those were all."""
        async with self._one_at_a_time:
            is_complete = False
            try:
                async with asyncio.timeout(_PAGE_TIMEOUT_S):
                    try:
                        events, is_complete = await self._events(asked, most_lines)
                    except NoDaemonError:
                        # The daemon may have been restarted since the last page.
                        await self.close()
                        events, is_complete = await self._events(asked, most_lines)
                    return events, is_complete
            except TimeoutError as error:
                raise TimedOutError(f"the daemon at {self._socket} does not answer") from error
            finally:
                if not is_complete:
                    # The rest is on its way already; a new connection is cheaper than to read it.
                    await self.close()

    async def _events(self, asked: Subscribe, most_lines: int) -> tuple[list[AnyEvent], bool]:
        channel = await self._open()
        subscribed, messages = await channel.ask(asked, Subscribed)
        subscription = Subscription(self._board, subscribed, asked.until)
        events: list[AnyEvent] = []
        lines = 0
        while True:
            for event in subscription.absorb(messages):
                events.append(event)
                lines += event.body.count if isinstance(event.body, Line) else 0
            if subscription.ended:
                return events, True
            if asked.until is None and lines >= most_lines:
                return events, False
            messages = await channel.receive()

    async def _open(self) -> Channel:
        if self._channel is None:
            self._channel = await Channel.open(self._socket)
        return self._channel
