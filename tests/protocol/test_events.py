"""Small functions of event bodies."""

import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import Line, Note, UnknownBody, kind_of, panic_target, seq_count, split_lines


def test_the_kind_of_a_body_is_what_stands_first_on_the_wire() -> None:
    assert kind_of(Note("hello", "esperd")) == "note"
    assert kind_of(UnknownBody("eclipse")) == "eclipse"


def test_a_line_event_occupies_a_position_for_each_line_and_all_others_one() -> None:
    assert seq_count(Line(b"a\nb\nc", 3, "fragment")) == 3
    assert seq_count(Note("hello", "esperd")) == 1
    assert seq_count(UnknownBody("eclipse")) == 1


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\n", [b"a\n"]),
        (b"a\r\nb\r\n", [b"a\r\n", b"b\r\n"]),
        (b"a\nesp> ", [b"a\n", b"esp> "]),
        (b"esp> ", [b"esp> "]),
        (b"\n\n", [b"\n", b"\n"]),
        (b"a\rb\x0b\x0c\x85\n", [b"a\rb\x0b\x0c\x85\n"]),
    ],
)
def test_only_a_newline_ends_a_line(data: bytes, lines: list[bytes]) -> None:
    assert split_lines(Line(data, len(lines))) == lines


@given(st.lists(st.binary(max_size=20).map(lambda part: part.replace(b"\n", b"")), max_size=6), st.binary(max_size=5))
def test_the_lines_joined_are_the_data_and_there_are_count_of_them(parts: list[bytes], rest: bytes) -> None:
    rest = rest.replace(b"\n", b"")
    data = b"".join(part + b"\n" for part in parts) + rest
    count = len(parts) + bool(rest)
    lines = split_lines(Line(data, count, "fragment" if rest else "newline"))
    assert b"".join(lines) == data
    assert len(lines) == count


def test_a_panic_is_the_target_of_a_decode_by_its_position() -> None:
    assert panic_target(109) == "panic:109"
