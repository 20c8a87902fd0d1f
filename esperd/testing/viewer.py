"""A client of the daemon, for tests: the shared connection on a trio stream, in the task of the test."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import trio

from esper_protocol.connection import ClientConnection
from esper_protocol.events import Body, Event, Line
from esper_protocol.messages import (
    ErrorResponse,
    HistoryEnd,
    RequestBody,
    Response,
    Result,
    Subscribe,
    Subscribed,
    Welcome,
)

# Long enough for a busy machine; a test that reaches it has failed.
TIMEOUT_S: Final = 20.0
_RECEIVE_BYTES: Final = 256 * 1024

B = TypeVar("B", bound=Body)


class RefusedError(Exception):
    """The daemon answered a request, or the connection, with an error."""

    def __init__(self, error: ErrorResponse) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


class Viewer:
    """Keeps every event it received, in order; to be used from one task at a time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.events: list[Event] = []
        self.history_end: HistoryEnd | None = None
        self._connection = ClientConnection("esperd.testing")
        self._answers: dict[int, Response | ErrorResponse] = {}

    async def open(self) -> Welcome:
        """Shakes hands.

        Raises:
            RefusedError: the daemon does not want this client.
        """
        # A daemon that wants no more clients has said so and closed before it is asked.
        with contextlib.suppress(trio.BrokenResourceError):
            await self.stream.send_all(self._connection.hello())
        with trio.fail_after(TIMEOUT_S):
            while self._connection.welcome is None:
                await self.receive_once()
        return self._connection.welcome

    async def request(self, body: RequestBody, timeout_s: float = TIMEOUT_S) -> Result:
        """Asks, and waits for the answer; events that come meanwhile are kept.

        Raises:
            RefusedError: the answer is an error.
            trio.TooSlowError: there was none in time.
        """
        request_id, data = self._connection.request(body)
        with trio.fail_after(timeout_s):
            await self.stream.send_all(data)
            answer = await self.answer_to(request_id)
        if isinstance(answer, ErrorResponse):
            raise RefusedError(answer)
        return answer.result

    async def answer_to(self, request_id: int) -> Response | ErrorResponse:
        """The answer to a request that was sent. Without a deadline of its own."""
        while request_id not in self._answers:
            await self.receive_once()
        return self._answers.pop(request_id)

    async def subscribe(self, request: Subscribe) -> Subscribed:
        """Subscribes; the events are received by whatever is called next."""
        self.history_end = None
        answer = await self.request(request)
        if not isinstance(answer, Subscribed):
            raise TypeError(f"not an answer to subscribe: {answer}")
        return answer

    async def receive_history(self) -> None:
        """Receives the rest of a subscription that does not follow."""
        with trio.fail_after(TIMEOUT_S):
            while self.history_end is None:
                await self.receive_once()

    async def wait_for(
        self,
        kind: type[B],
        where: Callable[[B], bool] = lambda _: True,
        *,
        count: int = 1,
        timeout_s: float = TIMEOUT_S,
    ) -> Event:
        """The *count*-th event of this kind that fits, received already or still to come.

        Raises:
            trio.TooSlowError: it did not come in time.
            trio.EndOfChannel: the connection ended before.
        """
        seen = 0
        with trio.fail_after(timeout_s):
            while True:
                for event in self.events[seen:]:
                    seen += 1
                    if isinstance(event.body, kind) and where(event.body):
                        count -= 1
                        if count == 0:
                            return event
                await self.receive_once()

    async def wait_for_bytes(self, size_bytes: int, board: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """Waits until this much of what the board said was received."""
        position = received_bytes = 0
        with trio.fail_after(timeout_s):
            while True:
                new, position = self.events[position:], len(self.events)
                received_bytes += len(joined_lines(new, board))
                if received_bytes >= size_bytes:
                    return
                await self.receive_once()

    async def receive_to_end(self, timeout_s: float = TIMEOUT_S) -> None:
        """Receives until the daemon closes the connection."""
        with trio.fail_after(timeout_s):
            try:
                while True:
                    await self.receive_once()
            except trio.EndOfChannel:
                return

    async def receive_once(self) -> None:
        """Takes what arrives next.

        Raises:
            trio.EndOfChannel: nothing does, the connection is over.
            RefusedError: the daemon says why it ends the connection.
        """
        try:
            data = await self.stream.receive_some(_RECEIVE_BYTES)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise trio.EndOfChannel
        for message in self._connection.receive_data(data):
            match message:
                case Event():
                    self.events.append(message)
                case HistoryEnd():
                    self.history_end = message
                case ErrorResponse(id=0):
                    raise RefusedError(message)
                case Response() | ErrorResponse():
                    self._answers[message.id] = message
                case _:
                    pass


@asynccontextmanager
async def connect_viewer(path: Path) -> AsyncGenerator[Viewer]:
    """A viewer that has shaken hands.

    Raises:
        OSError: nobody listens.
        RefusedError: the daemon does not want this client.
    """
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        viewer = Viewer(stream)
        await viewer.open()
        yield viewer


def joined_lines(events: list[Event], board: str | None = None) -> bytes:
    """What the board said."""
    return b"".join(
        event.body.data for event in events if isinstance(event.body, Line) and board in (None, event.board)
    )


def bodies(events: list[Event], kind: type[B]) -> list[B]:
    """The events of one kind, without their envelopes."""
    return [event.body for event in events if isinstance(event.body, kind)]
