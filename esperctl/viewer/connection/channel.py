"""One connection to one daemon, by asyncio: requests out, messages in."""

import asyncio
import contextlib
from typing import Final, Self, TypeVar

from esper_protocol.codec import ReceivedByClient
from esper_protocol.connection import ClientConnection
from esper_protocol.errors import IncompatibleVersionError, LocalProtocolError, RemoteProtocolError
from esper_protocol.messages import ErrorResponse, RequestBody, Response, Welcome
from esper_protocol.version import PACKAGE_VERSION
from esperctl.client import HANDSHAKE_TIMEOUT_S, REQUEST_TIMEOUT_S
from esperctl.daemons import connection_error
from esperctl.errors import FailedError, NoDaemonError, RequestError, TimedOutError, UsageError

# A few hundred lines: the model takes them within milliseconds, so that a key never waits long behind a burst.
_RECEIVE_BYTES: Final = 32 * 1024
# A daemon hands over what a busy port says each millisecond. To take that in larger pieces costs half as much, and the
# wait is shorter than a frame. What comes after a longer silence is taken at once, such as an echo; and history comes
# in blocks that are larger, but for the last of some.
_REST_S: Final = 0.008
_SMALL_BYTES: Final = 8 * 1024
_SILENCE_S: Final = 0.03
# Of a daemon that was stopped nobody knows whether it will go on.
_CLOSE_TIMEOUT_S: Final = 0.5

ResultType = TypeVar("ResultType")


class Channel:
    """A connection after its handshake. Its opener closes it."""

    def __init__(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self._reader = reader
        self._writer = writer
        self._connection = ClientConnection(f"esperctl {PACKAGE_VERSION}")
        self._was_small = self._may_rest = False
        self._received_at = 0.0

    @classmethod
    async def open(cls, path: str) -> Self:
        """Connects and shakes hands.

        Raises:
            EsperctlError: nobody listens, the user may not, no answer, or another version.
        """
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(path, limit=_RECEIVE_BYTES)
        except TimeoutError as error:
            raise TimedOutError(f"the daemon at {path} does not answer") from error
        except OSError as error:
            raise connection_error(path, error) from error
        channel = cls(path, reader, writer)
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await channel._shake_hands()
        except TimeoutError as error:
            await channel.close()
            raise TimedOutError(f"the daemon at {path} does not answer") from error
        except BaseException:
            await channel.close()
            raise
        return channel

    async def _shake_hands(self) -> None:
        self._writer.write(self._connection.hello())
        while not any(isinstance(message, Welcome) for message in await self.receive()):
            pass

    def post(self, body: RequestBody) -> int:
        """Sends a request without waiting for the answer, and returns its id.

        Raises:
            UsageError: it is too large.
        """
        try:
            number, data = self._connection.request(body)
        except LocalProtocolError as error:
            raise UsageError(f"this is too much for one request: {error}") from error
        self._writer.write(data)
        return number

    async def drain(self) -> None:
        """Waits until the daemon has taken most of what was posted.

        Raises:
            NoDaemonError: it went away.
            TimedOutError: it takes nothing.
        """
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await self._writer.drain()
        except TimeoutError as error:
            raise TimedOutError(f"the daemon at {self.path} does not answer") from error
        except OSError as error:
            raise self._gone() from error

    async def ask(self, body: RequestBody, expected: type[ResultType]) -> tuple[ResultType, list[ReceivedByClient]]:
        """Sends a request while nobody else receives; the answer, and what came behind it with it.

        What came before is dropped: it belongs to a subscription that is over, or that this request takes the place of.

        Raises:
            RequestError: the daemon refused.
            TimedOutError: no answer within the deadline.
            EsperctlError: as ``receive``.
        """
        number = self.post(body)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                while True:
                    messages = await self.receive()
                    for index, message in enumerate(messages):
                        if isinstance(message, Response | ErrorResponse) and message.id == number:
                            return result_of(message, expected), messages[index + 1 :]
        except TimeoutError as error:
            raise TimedOutError(f"the daemon at {self.path} does not answer") from error

    async def receive(self) -> list[ReceivedByClient]:
        """What the next block completes, which may be nothing. No deadline: a board may be silent for days.

        Raises:
            NoDaemonError: the daemon went away.
            RequestError: the daemon ends the connection and says why.
            FailedError: it broke the protocol, or is of another version.
        """
        try:
            data = await self._reader.read(_RECEIVE_BYTES)
        except OSError as error:
            raise self._gone() from error
        if not data:
            raise self._gone()
        now = asyncio.get_running_loop().time()
        is_small = len(data) < _SMALL_BYTES
        self._may_rest = is_small and self._was_small and now - self._received_at < _SILENCE_S
        self._was_small, self._received_at = is_small, now
        try:
            messages = self._connection.receive_data(data)
        except IncompatibleVersionError as error:
            raise FailedError(f"{self.path}: {error}") from error
        except RemoteProtocolError as error:
            raise FailedError(f"the daemon at {self.path} broke the protocol: {error}") from error
        for message in messages:
            if isinstance(message, ErrorResponse) and message.id == 0:
                raise RequestError(message.code, message.message, message.hint)
        return messages

    async def rest(self) -> None:
        """Lets others do something before the next block; while blocks are small but many, until some are there."""
        transport = self._writer.transport
        if not self._may_rest or not isinstance(transport, asyncio.ReadTransport):
            await asyncio.sleep(0)
            return
        transport.pause_reading()
        try:
            await asyncio.sleep(_REST_S)
        finally:
            transport.resume_reading()

    async def close(self) -> None:
        """Closes the connection; harmless when repeated. What a daemon does not take is dropped after a moment."""
        self._writer.close()
        try:
            # TimeoutError is an OSError.
            with contextlib.suppress(OSError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await self._writer.wait_closed()
        finally:
            # Also when this is cancelled. It does nothing with one that is closed.
            self._writer.transport.abort()

    def _gone(self) -> NoDaemonError:
        return NoDaemonError(f"the daemon at {self.path} went away", "see its log, or start it again")


def result_of(answer: Response | ErrorResponse, expected: type[ResultType]) -> ResultType:
    """What was answered.

    Raises:
        RequestError: the daemon refused.
        FailedError: it answered with something else.
    """
    if isinstance(answer, ErrorResponse):
        raise RequestError(answer.code, answer.message, answer.hint)
    if not isinstance(answer.result, expected):
        raise FailedError("the daemon answered with something else than was asked for")
    return answer.result
