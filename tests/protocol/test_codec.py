"""Payloads to messages: what is unknown is a value, what is malformed is a RemoteProtocolError."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, strategies as st

from esper_protocol import codec
from esper_protocol.codec import (
    EventHead,
    UnknownMessage,
    UnknownRequest,
    decode_client_message,
    decode_event,
    decode_event_head,
    decode_server_message,
    encode_message,
    error_for,
)
from esper_protocol.errors import LocalProtocolError, RemoteProtocolError
from esper_protocol.events import Event, Note, UnknownBody
from esper_protocol.framing import HEADER_BYTES
from esper_protocol.messages import AddNote, ErrorResponse, ListBoards, Request, Send, Subscribe, UnknownEvent

DECODERS: list[Callable[[bytes], object]] = [
    decode_client_message,
    decode_server_message,
    decode_event,
    decode_event_head,
]
DEEP = b"\x91" * 100_000 + b"\xc0"
EMPTY: list[object] = []
ENVELOPE = ["event", 5, 17, "bench1", 3, 7]


def pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def event_payload(body: bytes) -> bytes:
    return b"\x97" + b"".join(pack(value) for value in ENVELOPE) + body


def test_an_event_of_an_unknown_kind_keeps_its_envelope() -> None:
    payload = pack([*ENVELOPE, ["eclipse", 1, {"total": True}]])
    expected = UnknownEvent(5, 17, "bench1", 3, 7, UnknownBody("eclipse"))
    assert decode_server_message(payload) == expected
    assert decode_event(payload) == expected


def test_unknown_kinds_may_hold_what_python_has_no_type_for() -> None:
    map_with_a_map_as_key = b"\x81\x81\x01\x02\x03"
    assert decode_server_message(b"\x92" + pack("weather") + map_with_a_map_as_key) == UnknownMessage("weather")
    event = decode_event(event_payload(b"\x92" + pack("eclipse") + map_with_a_map_as_key))
    assert event.body == UnknownBody("eclipse")


def test_a_request_of_an_unknown_kind_keeps_its_id_for_the_answer() -> None:
    request = decode_client_message(pack(["request", 9, ["dance"]]))
    assert request == UnknownRequest(9, "dance")
    assert error_for(UnknownRequest(9, "dance"), "unsupported", "no dancing", "sit down") == ErrorResponse(
        9, "unsupported", "no dancing", "sit down"
    )


def test_an_error_answers_the_request_it_is_for() -> None:
    assert error_for(Request(4, ListBoards()), "failed", "no") == ErrorResponse(4, "failed", "no", None)


def test_an_event_head_is_read_without_its_body() -> None:
    event = Event(5, 17, "bench1", 3, 7, Note("hello", "esperd"))
    head = decode_event_head(encode_message(event)[HEADER_BYTES:])
    assert (head.seq, head.at, head.board, head.generation, head.boot) == (5, 17, "bench1", 3, 7)
    assert bytes(head.body) == pack(event.body)
    assert isinstance(head, EventHead)


def test_a_message_that_is_no_event_is_refused_as_one() -> None:
    payload = pack(["history_end", "bench1", 5])
    with pytest.raises(RemoteProtocolError, match="not an event"):
        decode_event(payload)
    with pytest.raises(RemoteProtocolError, match="not an event"):
        decode_event_head(payload)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([*ENVELOPE, ["line", "text instead of bytes", 1]], "a message of kind event has wrong fields"),
        ([*ENVELOPE, ["gap", "no such reason", "detail"]], "a message of kind event has wrong fields"),
        ([*ENVELOPE, ["note"]], "a message of kind event has wrong fields"),
        ([*ENVELOPE, EMPTY], "begins with its kind"),
        ([*ENVELOPE, 5], "begins with its kind"),
        (["event", "five", 17, "bench1", 3, 7, ["eclipse"]], "not an event"),
        (["event"], "not an event"),
        (["response", 1, ["no such result"]], "a message of kind response has wrong fields"),
        (["welcome", 1], "a message of kind welcome has wrong fields"),
        (EMPTY, "begins with its kind"),
        ([1, 2], "begins with its kind"),
        ({"kind": "event"}, "begins with its kind"),
        (None, "begins with its kind"),
    ],
)
def test_a_client_refuses(value: object, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message):
        decode_server_message(pack(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["request", 1, ["send", "bench1", "text instead of bytes"]], "a message is malformed"),
        (["request", 1, ["send"]], "a message is malformed"),
        (["request", 0, ["list_boards"]], "a request is malformed"),
        (["request", 0, ["dance"]], "a request is malformed"),
        (["request", "one", ["dance"]], "a request is malformed"),
        (["request"], "a request is malformed"),
        (["request", 1, EMPTY], "begins with its kind"),
        (["event", 5, 17, "bench1", 3, 7, ["note", "hello", "me"]], "a message is malformed"),
        (["whatever"], "a message is malformed"),
        (EMPTY, "begins with its kind"),
    ],
)
def test_a_daemon_refuses(value: object, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message):
        decode_client_message(pack(value))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x92\xa1\xff\x01",
        b"\x92\xa5event\xa1\xff",
        DEEP,
        b"\x81\xa1a" * 100_000 + b"\xc0",
        b"\x93\xa7request\x01" + DEEP,
        event_payload(DEEP),
        event_payload(b"\x92" + pack("eclipse") + DEEP),
        event_payload(b"\x94" + pack("note") + pack("a") + pack("b") + DEEP),
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        pack(["history_end", "bench1", 5]) + b"\x00",
    ],
)
def test_hostile_bytes_are_a_protocol_error(decode: Callable[[bytes], object], payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(payload)


@pytest.mark.parametrize(
    ("decode", "payload"),
    [
        (decode_client_message, b"\x93\xa7request\x01\x91\xa1\xff"),
        (decode_client_message, b"\x93\xa7request\x01\x93" + pack("add_note") + b"\xa1\xff\xa1\xff"),
        (decode_server_message, event_payload(b"\x91\xa1\xff")),
        (decode_server_message, event_payload(b"\x93" + pack("note") + b"\xa1\xff\xa1\xff")),
    ],
)
def test_text_that_is_not_utf8_in_a_body_is_a_protocol_error(decode: Callable[[bytes], object], payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(payload)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from(sorted(codec.EVENT_KINDS | codec.REQUEST_KINDS | {"event", "request", "response", "hello"}))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(
    st.binary(max_size=64) | values.map(pack) | st.lists(values, max_size=5).map(lambda body: pack([*ENVELOPE, body]))
)
def test_no_payload_raises_anything_but_a_protocol_error(payload: bytes) -> None:
    for decode in DECODERS:
        try:
            message = decode(payload)
        except RemoteProtocolError:
            continue
        assert isinstance(message, msgspec.Struct)


@pytest.mark.parametrize(
    "request_body",
    [AddNote("bench1", "\udcff"), Subscribe("bench1", after=2**64), Send("bench1", bytes(1024 * 1024))],
    ids=["a lone surrogate", "an integer of 65 bits", "more than a frame holds"],
)
def test_what_can_not_be_encoded_is_a_local_error(request_body: AddNote | Subscribe | Send) -> None:
    with pytest.raises(LocalProtocolError):
        encode_message(Request(1, request_body))
