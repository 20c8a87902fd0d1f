"""The two ends joined in memory: the handshake, each message in both directions, and every way to break the rules."""

import itertools
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from esper_protocol import connection
from esper_protocol.codec import REQUEST_KINDS, ReceivedByClient, ReceivedByServer, encode_message
from esper_protocol.connection import TRANSITIONS, ClientConnection, ServerConnection, Signal, State
from esper_protocol.errors import (
    IncompatibleVersionError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)
from esper_protocol.events import Event, Line, Note
from esper_protocol.framing import HEADER, encode_frame
from esper_protocol.messages import (
    ClientMessage,
    Done,
    ErrorResponse,
    Hello,
    HistoryEnd,
    ListBoards,
    Request,
    Response,
    Send,
    ServerMessage,
    Subscribe,
    Welcome,
)

NOTE = Event(5, 17, "bench1", 3, 7, Note("hello", "esperd"))


class ConnectionPair:
    """A client and a daemon without a socket between them."""

    def __init__(self) -> None:
        self.client = ClientConnection("esperctl 0.1.0")
        self.server = ServerConnection("esperd 0.1.0")

    def shake_hands(self) -> tuple[list[ReceivedByServer], list[ReceivedByClient]]:
        hello = self.server.receive_data(self.client.hello())
        return hello, self.client.receive_data(self.server.welcome())


@pytest.fixture
def pair() -> ConnectionPair:
    opened = ConnectionPair()
    opened.shake_hands()
    return opened


def golden(protocol_folder: Path, *names: str) -> list[bytes]:
    lines = [line for name in names for line in (protocol_folder / "vectors" / name).read_text("utf-8").splitlines()]
    return [bytes.fromhex(json.loads(line)["hex"]) for line in lines]


def test_the_table_is_the_product_of_states_and_signals_less_what_breaks_the_protocol() -> None:
    refused = {
        (State.EXPECT_HELLO, Signal.WELCOME),
        (State.EXPECT_HELLO, Signal.OTHER),
        (State.EXPECT_WELCOME, Signal.HELLO),
        (State.EXPECT_WELCOME, Signal.OTHER),
        (State.OPEN, Signal.HELLO),
        (State.OPEN, Signal.WELCOME),
        (State.CLOSED, Signal.HELLO),
        (State.CLOSED, Signal.WELCOME),
        (State.CLOSED, Signal.OTHER),
    }
    assert set(TRANSITIONS) == set(itertools.product(State, Signal)) - refused


def test_every_close_ends_closed_and_nothing_leaves_it() -> None:
    assert {after for (_, signal), after in TRANSITIONS.items() if signal is Signal.CLOSE} == {State.CLOSED}
    assert {after for (before, _), after in TRANSITIONS.items() if before is State.CLOSED} == {State.CLOSED}


def test_a_handshake_opens_both_ends() -> None:
    pair = ConnectionPair()
    hello, welcome = pair.shake_hands()
    assert hello == [pair.server.hello] == [Hello(1, 1, "esperctl 0.1.0")]
    assert welcome == [pair.client.welcome] == [Welcome(1, 1, "esperd 0.1.0", sorted(REQUEST_KINDS))]
    assert (pair.client.state, pair.server.state) == (State.OPEN, State.OPEN)


def test_each_request_arrives_as_it_was_sent_under_a_new_id(pair: ConnectionPair, protocol_folder: Path) -> None:
    expected_id = 1
    for frame in golden(protocol_folder, "client.jsonl"):
        message = msgspec.msgpack.decode(frame[8:], type=ClientMessage)
        if isinstance(message, Request):
            request_id, data = pair.client.request(message.body)
            assert pair.server.receive_data(data) == [Request(request_id, message.body)]
            assert request_id == expected_id
            expected_id += 1
    assert expected_id > len(REQUEST_KINDS)


def test_each_message_of_a_daemon_arrives_as_it_was_sent(protocol_folder: Path) -> None:
    sent = 0
    for frame in golden(protocol_folder, "server.jsonl", "events.jsonl"):
        pair = ConnectionPair()
        message = msgspec.msgpack.decode(frame[8:], type=ServerMessage)
        if not isinstance(message, Welcome):
            pair.shake_hands()
            assert pair.client.receive_data(pair.server.send(message)) == [message]
            sent += 1
    assert sent > len(TRANSITIONS)


def test_requests_and_answers_may_overlap(pair: ConnectionPair) -> None:
    first, first_data = pair.client.request(ListBoards())
    second, second_data = pair.client.request(Subscribe("bench1"))
    assert pair.server.receive_data(first_data + second_data) == [
        Request(first, ListBoards()),
        Request(second, Subscribe("bench1")),
    ]
    answers: list[ServerMessage] = [
        Response(first, Done()),
        NOTE,
        ErrorResponse(second, "unknown_board", "no"),
        HistoryEnd("bench1", 6),
    ]
    assert pair.client.receive_data(b"".join(map(pair.server.send, answers))) == answers


@given(st.lists(st.integers(min_value=0)))
def test_any_chunking_of_the_same_bytes_gives_the_same_messages(cuts: list[int]) -> None:
    events = [Event(seq, 17, "bench1", 3, 7, Line(b"x" * seq + b"\n", 1)) for seq in range(1, 20)]
    pair = ConnectionPair()
    pair.server.receive_data(pair.client.hello())
    data = pair.server.welcome() + b"".join(map(pair.server.send, events))
    edges = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    received: list[ReceivedByClient] = []
    for start, end in itertools.pairwise(edges):
        received += pair.client.receive_data(data[start:end])
    assert received == [pair.client.welcome, *events]


@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_raise_anything_but_a_protocol_error(data: bytes, is_framed: bool) -> None:
    pair = ConnectionPair()
    pair.shake_hands()
    for end in (pair.client, pair.server, ClientConnection("new"), ServerConnection("new")):
        before = end.state
        try:
            end.receive_data(encode_frame(b"\x00" + data) if is_framed else data)
        except RemoteProtocolError:
            assert end.state is State.CLOSED
        else:
            assert end.state is before


# Versions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "oldest"), [(0, 0), (3, 2)])
def test_a_daemon_refuses_a_client_whose_versions_do_not_overlap(protocol: int, oldest: int) -> None:
    server = ServerConnection("esperd 0.1.0")
    with pytest.raises(IncompatibleVersionError) as caught:
        server.receive_data(encode_message(Hello(protocol, oldest, "esperctl 7")))
    assert str(caught.value) == (
        f"the client (esperctl 7) speaks protocol {oldest} to {protocol}, this side speaks 1 to 1; "
        "install the same release of esperd and esperctl"
    )
    assert server.hello is None
    assert server.state is State.CLOSED


def test_a_client_refuses_a_daemon_whose_versions_do_not_overlap() -> None:
    client = ClientConnection("esperctl 0.1.0")
    client.hello()
    with pytest.raises(IncompatibleVersionError, match=r"the daemon \(esperd 7\) speaks protocol 2 to 3"):
        client.receive_data(encode_message(Welcome(3, 2, "esperd 7")))
    assert client.welcome is None
    assert client.state is State.CLOSED


def test_a_daemon_says_why_it_refuses_a_version_and_the_client_hears_it() -> None:
    pair = ConnectionPair()
    pair.client.hello()
    with pytest.raises(IncompatibleVersionError) as caught:
        pair.server.receive_data(encode_message(Hello(9, 9, "esperctl 9")))
    refusal = ErrorResponse(0, "incompatible_version", str(caught.value))
    assert pair.client.receive_data(pair.server.send(refusal)) == [refusal]
    assert pair.client.state is State.CLOSED


def test_versions_that_overlap_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PROTOCOL_VERSION", 3)
    monkeypatch.setattr(connection, "OLDEST_COMPATIBLE_PROTOCOL_VERSION", 2)
    for protocol, oldest in [(2, 1), (3, 3), (9, 3), (2, 2)]:
        hello = Hello(protocol, oldest, "esperctl")
        assert ServerConnection("esperd").receive_data(encode_message(hello)) == [hello]


# Breaking the rules ------------------------------------------------------------------------------------


def test_a_client_may_not_ask_before_the_handshake_is_over() -> None:
    client = ClientConnection("esperctl")
    client.hello()
    with pytest.raises(LocalProtocolError, match="a message of kind other is not allowed in state expect_welcome"):
        client.request(ListBoards())
    assert client.state is State.CLOSED


def test_a_second_hello_is_refused_at_either_end(pair: ConnectionPair) -> None:
    with pytest.raises(LocalProtocolError, match="hello"):
        pair.client.hello()
    with pytest.raises(RemoteProtocolError, match="a message of kind hello is not allowed in state open"):
        pair.server.receive_data(encode_message(Hello(1, 1, "again")))


def test_a_request_before_welcome_is_refused() -> None:
    server = ServerConnection("esperd")
    with pytest.raises(RemoteProtocolError, match="not allowed in state expect_welcome"):
        server.receive_data(encode_message(Hello(1, 1, "hasty")) + encode_message(Request(1, ListBoards())))


def test_an_event_before_welcome_is_refused_at_either_end() -> None:
    pair = ConnectionPair()
    pair.server.receive_data(pair.client.hello())
    with pytest.raises(LocalProtocolError):
        pair.server.send(NOTE)
    with pytest.raises(RemoteProtocolError):
        pair.client.receive_data(encode_message(NOTE))


def test_a_daemon_may_not_welcome_before_hello() -> None:
    with pytest.raises(LocalProtocolError, match="a message of kind welcome is not allowed in state expect_hello"):
        ServerConnection("esperd").welcome()


@pytest.mark.parametrize("does_shake_hands", [False, True])
def test_an_error_of_the_connection_is_the_last_message_in_any_state(does_shake_hands: bool) -> None:
    pair = ConnectionPair()
    if does_shake_hands:
        pair.shake_hands()
    error = ErrorResponse(0, "limit", "too many clients")
    assert pair.client.receive_data(pair.server.send(error)) == [error]
    assert (pair.client.state, pair.server.state) == (State.CLOSED, State.CLOSED)
    with pytest.raises(LocalProtocolError, match="closed"):
        pair.server.send(NOTE)
    with pytest.raises(RemoteProtocolError, match="closed"):
        pair.client.receive_data(encode_message(NOTE))


def test_an_error_of_one_request_leaves_the_connection_open(pair: ConnectionPair) -> None:
    pair.client.receive_data(pair.server.send(ErrorResponse(1, "absent", "gone")))
    assert (pair.client.state, pair.server.state) == (State.OPEN, State.OPEN)


@pytest.mark.parametrize(
    "data",
    [HEADER.pack(2**32 - 1, 0), HEADER.pack(1, 0) + b"\xc0", encode_frame(b"\xc0"), encode_frame(b"\x91\xa1\xff")],
    ids=["oversized", "wrong checksum", "no message", "no UTF-8"],
)
def test_bytes_that_break_the_protocol_close_the_connection(pair: ConnectionPair, data: bytes) -> None:
    for end in (pair.client, pair.server):
        with pytest.raises(ProtocolError):
            end.receive_data(data)
        assert end.state is State.CLOSED


def test_a_message_that_is_too_large_is_refused_and_the_connection_goes_on(pair: ConnectionPair) -> None:
    with pytest.raises(LocalProtocolError, match="over the limit"):
        pair.client.request(Send("bench1", bytes(1024 * 1024)))
    with pytest.raises(LocalProtocolError, match="over the limit"):
        pair.server.send(Event(5, 17, "bench1", 3, 7, Line(bytes(1024 * 1024), 1)))
    request_id, data = pair.client.request(ListBoards())
    assert pair.server.receive_data(data) == [Request(request_id, ListBoards())]
    assert request_id == 1
