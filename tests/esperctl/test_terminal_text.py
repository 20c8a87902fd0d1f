import json
import re

import pytest
from hypothesis import given, strategies as st

from esperctl.safe_text import escape_json, safe_text
from esperctl.terminal_text import TerminalText, without_sequences

# Weighted towards what terminals obey, and towards halves of it.
PIECES = st.sampled_from(
    [
        b"\x1b",
        b"\x1b[",
        b"\x1b[0;31m",
        b"\x1b[m",
        b"\x1b[6n",
        b"\x1b]0;title\x07",
        b"\x1bP",
        b"\x9b",
        b"\xc2\x9b",
        b"\xe2\x80\xae",
        b"\xe2\x80",
        b"\xff",
        b"\r",
        b"\n",
        b"\t",
        b"m",
        b"31",
        b";" * 70,
        b"text",
        "ä☃".encode(),
    ]
)
DEVICE_OUTPUT = st.lists(PIECES | st.binary(max_size=6), max_size=30).map(b"".join)
ALLOWED = re.compile(
    r"(?:\x1b\[[0-9;:]*m|[\r\n\t\b]|[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])*\Z"
)


def filtered(*chunks: bytes, colour: bool = True) -> str:
    text = TerminalText(colour=colour)
    return "".join(text.feed(chunk) for chunk in chunks) + text.flush()


@given(DEVICE_OUTPUT, st.booleans())
def test_nothing_that_a_terminal_obeys_passes_but_styles(data: bytes, colour: bool) -> None:
    text = filtered(data, colour=colour)
    assert ALLOWED.match(text)
    assert colour or "\x1b" not in text


@given(DEVICE_OUTPUT, st.data())
def test_the_same_bytes_give_the_same_text_in_any_chunking(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    chunks = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert filtered(*chunks) == filtered(data)


@given(DEVICE_OUTPUT)
def test_every_newline_passes_and_none_is_invented(data: bytes) -> None:
    assert filtered(data).count("\n") == data.count(b"\n")


@given(DEVICE_OUTPUT)
def test_a_line_never_begins_with_a_style_that_an_earlier_one_set(data: bytes) -> None:
    for line in filtered(data).split("\n")[:-1]:
        styles = re.findall(r"\x1b\[[0-9;:]*m", line)
        assert not styles or styles[-1] in ("\x1b[0m", "\x1b[m")


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"]), max_size=50))
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert filtered(text.encode()) == text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x1b[0;32mI (1) a: b\x1b[0m\r\n", "\x1b[0;32mI (1) a: b\x1b[0m\n"),
        (b"\x1b[31mred\nplain\n", "\x1b[31mred\x1b[0m\nplain\n"),
        (b"bell\x07", "bell\\x07"),
        (b"where\x1b[6n", "where␛[6n"),
        (b"\x1b]0;title\x07\n", "␛]0;title\\x07\n"),
        (b"\x1b]0;" + b"x" * 1000, "␛]0;" + "x" * 1000),
        (b"\x1b[" + b"1" * 65 + b"m", "␛[" + "1" * 65 + "m"),
        (b"half\x1b[3\nnext", "half␛[3\nnext"),
        (b"half\x1b[3", "half␛[3"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\xc2\x9b6n", "\\x9b6n"),
        ("\u202eevil".encode(), "\\u202eevil"),
        (b"10 %\r20 %\r\n", "10 %\r20 %\n"),
        (b"a\r\r\r\n", "a\n"),
        (b"end\r", "end"),
    ],
)
def test_known_cases(data: bytes, expected: str) -> None:
    assert filtered(data) == expected


def test_without_colour_styles_go_and_their_text_stays() -> None:
    assert filtered(b"\x1b[0;31mE (5) x: y\x1b[0m\n", colour=False) == "E (5) x: y\n"


def test_what_is_held_back_stays_small() -> None:
    text = TerminalText(colour=True)
    assert text.feed(b"\r" * 100_000) == ""
    assert text.feed(b"x") == "\rx"
    assert len(text.feed(b"\x1b[" + b"1" * 100_000)) > 99_000


@given(st.text(max_size=60))
def test_safe_text_is_one_line_without_controls(text: str) -> None:
    safe = safe_text(text)
    assert "\n" not in safe
    assert "\x1b" not in safe
    assert ALLOWED.match(safe)


@given(st.text(max_size=60))
def test_escaped_json_means_the_same(text: str) -> None:
    document = escape_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(document) == text
    assert ALLOWED.match(document)


def test_searching_ignores_styles() -> None:
    assert without_sequences("\x1b[0;32mI (1) wi\x1b[1mfi\x1b[0m") == "I (1) wifi"


def test_what_a_console_rubs_out_is_rubbed_out() -> None:
    text = TerminalText(colour=False)
    assert text.feed(b"esp> stat\b \btus\n") == "esp> stat\b \btus\n"
