"""The board that is followed: its events as they come, over restarts of the daemon, and requests about it.

The first subscription begins with some history; each later one goes on behind the last event that was handed over.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from esper_protocol.codec import ReceivedByClient
from esper_protocol.messages import Boards, ErrorResponse, ListBoards, RequestBody, Response, Subscribe, Subscribed
from esperctl.client import REQUEST_TIMEOUT_S
from esperctl.errors import EsperctlError, NoDaemonError, NotServedError, TimedOutError, UnknownNameError
from esperctl.subscription import Subscription
from esperctl.viewer.connection.channel import Channel, result_of
from esperctl.viewer.messages import Attached, Detached, EventsArrived, Message

# Enough for any screen, and for the filters that are in use to leave something.
_FIRST_LINES: Final = 1000
# A daemon that is restarted is back within a second; one that is not should not be asked all the time.
_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0

ResultType = TypeVar("ResultType")


class ReadingPlace(NamedTuple):
    """Behind position ``after``, else from the time ``since_ns`` on, else at the end."""

    after: int | None = None
    since_ns: int | None = None


THE_END: Final = ReadingPlace()


class Live:
    """Follows one board.

    Args:
        socket: Of its daemon.
        board: Its name.
        interactive: Whether to ask for the write lease; may be changed for the connections to come.
        tell: Takes the messages for the model.
        reading: Where the user wants to begin to read.
    """

    def __init__(
        self,
        socket: str,
        board: str,
        *,
        interactive: bool,
        tell: Callable[[Message], None],
        reading: ReadingPlace = THE_END,
    ) -> None:
        self.socket = socket
        self.board = board
        self._reading = reading
        self.interactive = interactive
        self._tell = tell
        self._channel: Channel | None = None
        self._answers: dict[int, asyncio.Future[Response | ErrorResponse]] = {}
        self._cursor: int | None = None
        self._was_attached = asyncio.Event()

    async def run(self) -> None:
        """Follows the board until cancelled."""
        delay_s = _FIRST_RETRY_S
        while True:
            try:
                channel = await Channel.open(self.socket)
                try:
                    subscription, messages = await self._attach(channel)
                    delay_s = _FIRST_RETRY_S
                    await self._follow(channel, subscription, messages)
                finally:
                    self._lose_answers()
                    await channel.close()
            except EsperctlError as error:
                # Whatever it is, it may be mended from outside: the daemon restarted, the board named again.
                self._tell(Detached(error.message, self.board, is_served=not isinstance(error, NotServedError)))
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LAST_RETRY_S)

    async def attached(self) -> None:
        """Waits until the board is followed for the first time. No deadline: it may be away for days."""
        await self._was_attached.wait()

    async def request(self, body: RequestBody, expected: type[ResultType]) -> ResultType:
        """Sends a request about the board, and waits for its answer.

        Raises:
            EsperctlError: the daemon is away, refused, or does not answer.
        """
        channel = self._channel
        if channel is None:
            raise NoDaemonError(f"the daemon at {self.socket} is away", "it is tried again by itself")
        answer: asyncio.Future[Response | ErrorResponse] = asyncio.get_running_loop().create_future()
        number = channel.post(body)
        self._answers[number] = answer
        try:
            await channel.drain()
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                return result_of(await answer, expected)
        except TimeoutError as error:
            raise TimedOutError(f"the daemon at {self.socket} does not answer") from error
        finally:
            del self._answers[number]

    async def _attach(self, channel: Channel) -> tuple[Subscription, list[ReceivedByClient]]:
        boards, _ = await channel.ask(ListBoards(), Boards)
        again = self._cursor is not None
        record = next((board for board in boards.boards if board.board == self.board), None)
        if record is None:
            if again:
                raise NotServedError(self.board)
            raise UnknownNameError(f"the daemon at {self.socket} has no board called '{self.board}'")
        show_from = None if again else await self._first_wanted(channel)
        request = Subscribe(
            self.board,
            after=self._cursor,
            last_lines=None if again else _FIRST_LINES,
            interactive=self.interactive,
        )
        subscribed, messages = await channel.ask(request, Subscribed)
        self._channel = channel
        self._tell(Attached(boards.daemon, record, subscribed, again, show_from))
        self._was_attached.set()
        return Subscription(self.board, subscribed), messages

    async def _first_wanted(self, channel: Channel) -> int | None:
        if self._reading.after is not None:
            return self._reading.after + 1
        if self._reading.since_ns is None:
            return None
        # Only there to learn the position: the next subscription takes its place, whatever it has sent by then.
        request = Subscribe(self.board, since=self._reading.since_ns, follow=False)
        subscribed, _ = await channel.ask(request, Subscribed)
        return subscribed.next_seq

    async def _follow(self, channel: Channel, subscription: Subscription, messages: list[ReceivedByClient]) -> None:
        while True:
            for message in messages:
                answer = self._answers.get(message.id) if isinstance(message, Response | ErrorResponse) else None
                if isinstance(message, Response | ErrorResponse) and answer is not None and not answer.done():
                    answer.set_result(message)
            if events := subscription.absorb(messages):
                self._cursor = subscription.cursor
                self._tell(EventsArrived(tuple(events)))
                # Keys and frames come in between the blocks of a burst.
                await channel.rest()
            subscription.check_served()
            messages = await channel.receive()

    def _lose_answers(self) -> None:
        self._channel = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(NoDaemonError(f"the daemon at {self.socket} went away"))
