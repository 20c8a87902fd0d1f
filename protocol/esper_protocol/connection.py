"""The two ends of a connection, without I/O: bytes in, messages out, and the other way round.

Rule: what may be sent or received when is decided here, by the table below, and nowhere else. After a
breach of it, by either side, the connection is in state CLOSED for good. A message that can't be encoded (it is
too large, say) is only refused and changes nothing.
"""

import enum
from collections.abc import Mapping
from typing import Final

from esper_protocol.codec import (
    REQUEST_KINDS,
    ReceivedByClient,
    ReceivedByServer,
    decode_client_message,
    decode_server_message,
    encode_message,
)
from esper_protocol.errors import IncompatibleVersionError, LocalProtocolError, RemoteProtocolError
from esper_protocol.framing import FrameReader
from esper_protocol.messages import (
    ClientMessage,
    ErrorResponse,
    Hello,
    Request,
    RequestBody,
    ServerMessage,
    Welcome,
)
from esper_protocol.version import OLDEST_COMPATIBLE_PROTOCOL_VERSION, PROTOCOL_VERSION


class State(enum.Enum):
    """How far the handshake is."""

    EXPECT_HELLO = "expect_hello"
    EXPECT_WELCOME = "expect_welcome"
    OPEN = "open"
    CLOSED = "closed"


class Signal(enum.Enum):
    """What happens to a connection: a handshake message, any other message, or its end."""

    HELLO = "hello"
    WELCOME = "welcome"
    OTHER = "other"
    CLOSE = "close"


# What is not in the table breaks the protocol.
TRANSITIONS: Final[Mapping[tuple[State, Signal], State]] = {
    (State.EXPECT_HELLO, Signal.HELLO): State.EXPECT_WELCOME,
    (State.EXPECT_WELCOME, Signal.WELCOME): State.OPEN,
    (State.OPEN, Signal.OTHER): State.OPEN,
    (State.EXPECT_HELLO, Signal.CLOSE): State.CLOSED,
    (State.EXPECT_WELCOME, Signal.CLOSE): State.CLOSED,
    (State.OPEN, Signal.CLOSE): State.CLOSED,
    (State.CLOSED, Signal.CLOSE): State.CLOSED,
}


def _signal(message: object) -> Signal:
    if isinstance(message, Hello):
        return Signal.HELLO
    if isinstance(message, Welcome):
        return Signal.WELCOME
    # An error of the connection as a whole (id 0) is the last message of either state.
    if isinstance(message, ErrorResponse) and message.id == 0:
        return Signal.CLOSE
    return Signal.OTHER


def _check_version(peer: Hello | Welcome, role: str) -> None:
    if peer.protocol < OLDEST_COMPATIBLE_PROTOCOL_VERSION or peer.oldest_protocol > PROTOCOL_VERSION:
        raise IncompatibleVersionError(
            f"the {role} ({peer.software}) speaks protocol {peer.oldest_protocol} to {peer.protocol}, "
            f"this side speaks {OLDEST_COMPATIBLE_PROTOCOL_VERSION} to {PROTOCOL_VERSION}; "
            "install the same release of esperd and esperctl"
        )


class _Connection:
    """What both ends share: the state and the frame reader."""

    def __init__(self) -> None:
        self.state = State.EXPECT_HELLO
        self._frames = FrameReader()

    def _pass(self, message: object, error: type[LocalProtocolError] | type[RemoteProtocolError]) -> None:
        signal = _signal(message)
        next_state = TRANSITIONS.get((self.state, signal))
        if next_state is None:
            before, self.state = self.state, State.CLOSED
            raise error(f"a message of kind {signal.value} is not allowed in state {before.value}")
        self.state = next_state

    def _payloads(self, data: bytes) -> list[bytes]:
        try:
            return self._frames.receive_data(data)
        except RemoteProtocolError:
            self.state = State.CLOSED
            raise


class ClientConnection(_Connection):
    """The client's end. Send ``hello()`` first; after Welcome, requests may be sent at any time."""

    def __init__(self, software: str) -> None:
        super().__init__()
        self._software = software
        self._next_id = 1
        self.welcome: Welcome | None = None

    def hello(self) -> bytes:
        """The bytes that open the connection."""
        message = Hello(PROTOCOL_VERSION, OLDEST_COMPATIBLE_PROTOCOL_VERSION, self._software)
        self._pass(message, LocalProtocolError)
        return encode_message(message)

    def request(self, body: RequestBody) -> tuple[int, bytes]:
        """The id and the bytes of a new request.

        Raises:
            LocalProtocolError: the handshake is not over, or the request is too large to send.
        """
        message = Request(self._next_id, body)
        data = encode_message(message)
        self._pass(message, LocalProtocolError)
        self._next_id += 1
        return message.id, data

    def receive_data(self, data: bytes) -> list[ReceivedByClient]:
        """The messages that *data* completes.

        Raises:
            RemoteProtocolError: the daemon broke the protocol.
            IncompatibleVersionError: it speaks another version.
        """
        received: list[ReceivedByClient] = []
        for payload in self._payloads(data):
            try:
                message = decode_server_message(payload)
                self._pass(message, RemoteProtocolError)
                if isinstance(message, Welcome):
                    _check_version(message, "daemon")
                    self.welcome = message
            except RemoteProtocolError:
                self.state = State.CLOSED
                raise
            received.append(message)
        return received


class ServerConnection(_Connection):
    """The daemon's end of one client's connection."""

    def __init__(self, software: str) -> None:
        super().__init__()
        self._software = software
        self.hello: Hello | None = None

    def welcome(self) -> bytes:
        """The bytes that answer Hello."""
        return self.send(
            Welcome(PROTOCOL_VERSION, OLDEST_COMPATIBLE_PROTOCOL_VERSION, self._software, sorted(REQUEST_KINDS))
        )

    def send(self, message: ServerMessage) -> bytes:
        """The bytes of a message to the client.

        Raises:
            LocalProtocolError: it is not allowed in this state, or too large.
        """
        data = encode_message(message)
        self._pass(message, LocalProtocolError)
        return data

    def receive_data(self, data: bytes) -> list[ReceivedByServer]:
        """The messages that *data* completes.

        Raises:
            RemoteProtocolError: the client broke the protocol.
            IncompatibleVersionError: it speaks another version.
        """
        received: list[ReceivedByServer] = []
        for payload in self._payloads(data):
            try:
                message = decode_client_message(payload)
                self._pass(message, RemoteProtocolError)
                if isinstance(message, Hello):
                    _check_version(message, "client")
                    self.hello = message
            except RemoteProtocolError:
                self.state = State.CLOSED
                raise
            received.append(message)
        return received


__all__ = ["TRANSITIONS", "ClientConnection", "ClientMessage", "ServerConnection", "Signal", "State"]
