from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from esperd.core.text import LOG_PREFIX, is_quoted, strip_line, to_text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"plain\r\n", b"plain"),
        (b"\x1b[0;31mE (12) tag: red\x1b[0m\r\n", b"E (12) tag: red"),
        (b"\x1b[38:5:1m \x1b[mx", b"x"),
        (b"\x1b[2Jcleared\n", b"\x1b[2Jcleared"),
        (b" \t\r\n", b""),
    ],
)
def test_colours_and_white_space_at_the_ends_are_stripped(line: bytes, text: bytes) -> None:
    assert strip_line(line) == text


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        (b"I (123) app: text", b"app"),
        (b"E (12:34:56.789) task_wdt: text", b"task_wdt"),
        (b"W (2026-01-31 08:30:00.000) a.b: text", b"a.b"),
        (b"I (563) wifi:wifi driver task: 3ffc", b"wifi"),
    ],
)
def test_log_lines_are_recognised_with_every_kind_of_timestamp(line: bytes, tag: bytes) -> None:
    match = LOG_PREFIX.match(line)
    assert match is not None
    assert match[1] == tag


@pytest.mark.parametrize("line", [b"Hello (12) app: x", b"I (x) app: x", b"I (12) app", b" I (12) app: x", b""])
def test_other_text_is_no_log_line(line: bytes) -> None:
    assert LOG_PREFIX.match(line) is None


@pytest.mark.parametrize(
    ("before", "quoted"),
    [
        (b"", False),
        (b"esp32> ", False),
        (b"half a line of the other co", False),
        (b"I (123) app: counter 1", False),
        (b"\x00\xff", False),
        (b'echo "', True),
        (b"it said '", True),
        (b"see `", True),
        (b"I (123) app: ", True),
        (b"I (123) wifi:", True),
        (b"I (123) app: the last boot said ", True),
        (b"I (123) app: reason=", True),
        (b"I (123) app: (", True),
        (b"I (123) ", False),
    ],
)
def test_a_text_is_quoted_behind_a_quotation_mark_and_inside_a_log_message(before: bytes, quoted: bool) -> None:
    assert is_quoted(before + b"abort() was called", len(before)) is quoted


def test_what_is_not_utf8_is_escaped() -> None:
    assert to_text("Gerät".encode()) == "Gerät"
    assert to_text(b"\xff\x00") == "\\xff\x00"


@given(st.binary(max_size=5000))
def test_any_bytes_become_bounded_text(data: bytes) -> None:
    text = to_text(data)
    assert len(text) <= 4 * 1024
    text.encode()
