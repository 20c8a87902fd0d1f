"""A blocking Unix socket under the protocol's connection: requests with a deadline, and whatever else arrives."""

import contextlib
import socket
import time
from types import TracebackType
from typing import Final, Self, TypeVar

from esper_protocol.codec import ReceivedByClient
from esper_protocol.connection import ClientConnection
from esper_protocol.errors import IncompatibleVersionError, LocalProtocolError, RemoteProtocolError
from esper_protocol.messages import ErrorResponse, RequestBody, Response, Welcome
from esper_protocol.version import PACKAGE_VERSION
from esperctl.errors import EsperctlError, FailedError, NoDaemonError, RequestError, TimedOutError, UsageError

HANDSHAKE_TIMEOUT_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 10.0
# A block of a replayed journal; larger ones gained nothing, smaller ones cost more calls.
_RECEIVE_BYTES: Final = 256 * 1024

ResultType = TypeVar("ResultType")


class Client:
    """One connection to one daemon. Owns the socket; close it, or use ``with``."""

    def __init__(self, connected: socket.socket, path: str) -> None:
        self.path = path
        self._socket = connected
        self._connection = ClientConnection(f"esperctl {PACKAGE_VERSION}")
        self._pending: list[ReceivedByClient] = []
        self._failure: EsperctlError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the socket; harmless when repeated."""
        self._socket.close()

    def fileno(self) -> int:
        """The socket, for a selector."""
        return self._socket.fileno()

    def shake_hands(self) -> None:
        """Exchanges Hello and Welcome.

        Raises:
            TimedOutError: no Welcome within the deadline.
            FailedError: the daemon is of another version, or not a daemon of ours.
            NoDaemonError: it hung up.
        """
        deadline = time.monotonic() + HANDSHAKE_TIMEOUT_S
        self._send(self._connection.hello(), deadline)
        while not any(isinstance(message, Welcome) for message in self._pending):
            self._pending += self._receive(deadline)
        self._pending = [message for message in self._pending if not isinstance(message, Welcome)]

    def post(self, body: RequestBody) -> int:
        """Sends a request without waiting for the answer, and returns its id."""
        try:
            number, data = self._connection.request(body)
        except LocalProtocolError as error:
            raise UsageError(f"this is too much for one request: {error}") from error
        self._send(data, time.monotonic() + REQUEST_TIMEOUT_S)
        return number

    def request(
        self, body: RequestBody, expected: type[ResultType], *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> ResultType:
        """Sends a request and waits for its answer; what else arrives stays for ``receive``.

        Raises:
            RequestError: the daemon refused.
            TimedOutError: no answer within the deadline.
        """
        deadline = time.monotonic() + timeout_s
        number = self.post(body)
        seen = 0
        while True:
            for index in range(seen, len(self._pending)):
                message = self._pending[index]
                if isinstance(message, Response | ErrorResponse) and message.id == number:
                    del self._pending[index]
                    return self._result(message, expected)
            seen = len(self._pending)
            self._pending += self._receive(deadline)

    def receive(self) -> list[ReceivedByClient]:
        """What has arrived, else what the next block completes, which may be nothing.

        There is no deadline, because a board may be silent for days.

        Raises:
            NoDaemonError: the daemon went away.
            RequestError: the daemon ends the connection and says why.
        """
        if self._pending:
            pending, self._pending = self._pending, []
            return pending
        return self._receive(None)

    @property
    def has_pending(self) -> bool:
        """Whether ``receive`` returns without a look at the socket."""
        return bool(self._pending)

    def _result(self, message: Response | ErrorResponse, expected: type[ResultType]) -> ResultType:
        if isinstance(message, ErrorResponse):
            raise RequestError(message.code, message.message, message.hint)
        if not isinstance(message.result, expected):
            raise FailedError(f"the daemon at {self.path} answered with something else than was asked for")
        return message.result

    def _send(self, data: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(data)
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            # The daemon may have said why before it hung up: that is the better message.
            with contextlib.suppress(TimedOutError):
                while True:
                    self._pending += self._receive(deadline)
            raise self._gone() from error

    def _receive(self, deadline: float | None) -> list[ReceivedByClient]:
        if self._failure is not None:
            raise self._failure
        messages = self._messages(self._receive_bytes(deadline))
        last = messages[-1] if messages else None
        if isinstance(last, ErrorResponse) and last.id == 0:
            self._failure = RequestError(last.code, last.message, last.hint)
            messages.pop()
            if not messages:
                raise self._failure
        return messages

    def _receive_bytes(self, deadline: float | None) -> bytes:
        try:
            self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
            data = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise self._gone() from error
        if not data:
            raise self._gone()
        return data

    def _messages(self, data: bytes) -> list[ReceivedByClient]:
        try:
            return self._connection.receive_data(data)
        except IncompatibleVersionError as error:
            raise FailedError(f"{self.path}: {error}") from error
        except RemoteProtocolError as error:
            raise FailedError(f"the daemon at {self.path} broke the protocol: {error}") from error

    def _gone(self) -> NoDaemonError:
        return NoDaemonError(f"the daemon at {self.path} went away", "see its log, or start it again")

    def _timed_out(self) -> TimedOutError:
        return TimedOutError(
            f"the daemon at {self.path} does not answer", "see its log, and whether its process is alive"
        )
