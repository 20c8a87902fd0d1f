import base64

import msgspec

from esper_protocol.events import Event, Line, Panic, Tx, UnknownBody
from esper_protocol.messages import UnknownEvent
from esperctl.event_json import json_lines


def objects(event: Event | UnknownEvent) -> list[dict[str, object]]:
    return [msgspec.json.decode(line, type=dict[str, object]) for line in json_lines(event).splitlines()]


def test_each_line_is_an_object_with_its_own_position() -> None:
    event = Event(7, 1_769_848_200_500_000_000, "bench1", 3, 12, Line(b"a\r\n\xff> ", 2, "fragment"))
    assert objects(event) == [
        {
            "kind": "line",
            "seq": 7,
            "at": "2026-01-31T08:30:00.500000Z",
            "board": "bench1",
            "generation": 3,
            "boot": 12,
            "text": "a",
            "data": base64.b64encode(b"a\r\n").decode(),
            "end": "newline",
        },
        {
            "kind": "line",
            "seq": 8,
            "at": "2026-01-31T08:30:00.500000Z",
            "board": "bench1",
            "generation": 3,
            "boot": 12,
            "text": "\\xff> ",
            "data": base64.b64encode(b"\xff> ").decode(),
            "end": "fragment",
        },
    ]


def test_a_body_gives_its_fields_by_name() -> None:
    body = Panic("abort", "abort() was called", True, 0, "main", {"pc": 1}, [(1, 2)], False, "1b43c5e74", 3, 9)
    (found,) = objects(Event(9, 0, "a", 1, 2, body))
    assert found["kind"] == "panic"
    assert found["cause"] == "abort"
    assert found["fatal"] is True
    assert found["registers"] == {"pc": 1}
    assert found["backtrace"] == [[1, 2]]
    assert (found["first_seq"], found["last_seq"]) == (3, 9)


def test_sent_bytes_are_text_and_base64() -> None:
    (found,) = objects(Event(1, 0, "a", 1, 1, Tx(b"help\r", "alice")))
    assert (found["text"], found["data"], found["who"], found["why"]) == ("help", "aGVscA0=", "alice", "typed")


def test_an_event_of_a_newer_daemon_keeps_its_envelope() -> None:
    (found,) = objects(UnknownEvent(5, 0, "a", 1, 2, UnknownBody("weather")))
    assert (found["kind"], found["seq"], found["boot"]) == ("weather", 5, 2)


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert json_lines(Event(1, 0, "a", 1, 1, Line("\x9b6n\x1b\x7f\u202e\n".encode(), 1))).isascii()
