from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from esperd.ports.rfc2217 import ComPortState, Control, Rfc2217Connection, TelnetError

WILL, WONT, DO, DONT = (b"\xff\xfb", b"\xff\xfc", b"\xff\xfd", b"\xff\xfe")
BINARY, ECHO, STATUS, COM_PORT = b"\x00", b"\x01", b"\x05", b"\x2c"


def _connection() -> Rfc2217Connection:
    connection = Rfc2217Connection()
    connection.data_to_send()
    return connection


def test_opening_asks_for_options_and_sends_no_subnegotiation() -> None:
    opening = Rfc2217Connection().data_to_send()
    assert WILL + COM_PORT in opening
    assert DO + COM_PORT in opening
    assert WILL + BINARY in opening
    assert DO + BINARY in opening
    assert b"\xff\xfa" not in opening


@pytest.mark.parametrize("answer", [DO + COM_PORT, WILL + COM_PORT, DONT + COM_PORT + WILL + COM_PORT])
def test_one_agreed_direction_accepts_the_option(answer: bytes) -> None:
    connection = _connection()
    assert connection.receive_data(answer) == b""
    assert connection.com_port_state is ComPortState.ACCEPTED
    assert connection.data_to_send() == b""


def test_the_option_is_refused_when_both_directions_are() -> None:
    connection = _connection()
    states: list[ComPortState] = []
    for refusal in [DONT, WONT]:
        connection.receive_data(refusal + COM_PORT)
        states.append(connection.com_port_state)
    assert states == [ComPortState.ASKED, ComPortState.REFUSED]


def test_requests_are_answered_once_and_only_where_they_change_something() -> None:
    connection = _connection()
    connection.receive_data(DO + STATUS + WILL + STATUS + WILL + ECHO)
    assert connection.data_to_send() == WONT + STATUS + DONT + STATUS + DO + ECHO
    connection.receive_data(WILL + ECHO + DONT + STATUS)
    assert connection.data_to_send() == b""
    connection.receive_data(WONT + ECHO)
    assert connection.data_to_send() == DONT + ECHO


def test_settings_are_those_of_the_rfc() -> None:
    connection = _connection()
    connection.request_settings(baud_rate=115200)
    frames = connection.data_to_send().split(b"\xff\xf0")
    assert frames == [
        b"\xff\xfa\x2c\x01\x00\x01\xc2\x00",
        b"\xff\xfa\x2c\x02\x08",
        b"\xff\xfa\x2c\x03\x01",
        b"\xff\xfa\x2c\x04\x01",
        b"\xff\xfa\x2c\x05\x01",
        b"",
    ]


def test_a_marker_byte_is_doubled_in_data_and_in_values() -> None:
    connection = _connection()
    connection.send_data(b"a\xffb")
    connection.request_settings(baud_rate=0xFF)
    outgoing = connection.data_to_send()
    assert outgoing.startswith(b"a\xff\xffb\xff\xfa\x2c\x01\x00\x00\x00\xff\xff\xff\xf0")


def test_each_control_is_one_subnegotiation() -> None:
    connection = _connection()
    connection.request_control(Control.DTR_OFF)
    assert connection.data_to_send() == b"\xff\xfa\x2c\x05\x09\xff\xf0"


def test_the_rate_that_the_server_confirms_is_kept() -> None:
    connection = _connection()
    connection.receive_data(b"\xff\xfa\x2c\x65\x00\x00\xff\xff\x00\xff\xf0")
    assert connection.actual_baud_rate == 0xFF00


_DATA = st.binary(max_size=60)
_COMMANDS = st.sampled_from(
    [DO + BINARY, WILL + STATUS, DONT + ECHO, b"\xff\xf1",
     b"\xff\xfa\x2c\x6b\xff\xff\xff\xf0", b"\xff\xfa\x2c\x6b\x00\xff\xf0"]
)  # fmt: skip


@settings(deadline=None)  # a loaded machine is not a failure
@given(st.lists(st.tuples(_DATA, st.one_of(st.just(b""), _COMMANDS)), max_size=8), st.data())
def test_data_comes_out_unchanged_in_any_chunking(parts: list[tuple[bytes, bytes]], draw: st.DataObject) -> None:
    stream = b"".join(data.replace(b"\xff", b"\xff\xff") + command for data, command in parts)
    whole, chunked = _connection(), _connection()
    received = b""
    rest = stream
    while rest:
        size = draw.draw(st.integers(1, len(rest)))
        received += chunked.receive_data(rest[:size])
        rest = rest[size:]
    assert received == b"".join(data for data, _ in parts)
    assert whole.receive_data(stream) == received
    assert whole.data_to_send() == chunked.data_to_send()


@settings(deadline=None)  # a loaded machine is not a failure
@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_are_taken(chunks: list[bytes]) -> None:
    connection = _connection()
    received = b"".join(connection.receive_data(chunk) for chunk in chunks)
    assert len(received) <= sum(map(len, chunks))


def test_a_command_without_an_end_is_refused_before_it_grows() -> None:
    connection = _connection()
    connection.receive_data(b"\xff\xfa" + b"x" * 1000)
    with pytest.raises(TelnetError):
        connection.receive_data(b"x" * 1000)
