import time

import pytest
from hypothesis import example, given, strategies as st
from wcwidth import wcswidth, wcwidth

from esperctl.viewer.log.cells import text_width
from esperctl.viewer.log.cutting import cut, place_of_cell, wrap
from esperctl.viewer.log.levels import logged
from esperctl.viewer.log.line_text import plain_text, styled_line, styled_start
from esperctl.viewer.log.sgr import apply_sgr
from esperctl.viewer.log.styled_text import StyledText
from esperctl.viewer.style import PLAIN, Span, Style

PIECES = st.sampled_from(
    [
        *[
            "a",
            "hello",
            "\t",
            " ",
            "日本",
            "é",
            "e\u0301",
            "\u0301",
            "👩\u200d💻",
            "\u200f",
            "\u202e",
            "\x1b[31m",
            "\x1b[0m",
        ],
        *[
            "\x1b[5n",
            "\x1b]0;title\x07",
            "\x1b[K",
            "\r",
            "\b",
            "\x1b[3C",
            "\x1b[9999999C",
            "\x1b[2D",
            "\x1b[4G",
            "\x1b[",
        ],
        *[
            "\x1b[2J",
            "\x1b[H",
            "\x1b[1K",
            "\x9b31m",
            "\x00",
            "\x7f",
            "\u2028",
            "\ufeff",
            "\U000e0001",
            "\x1b",
            "ที่",
            "\xa0",
        ],
    ]
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)
DATA = st.one_of(TEXTS.map(str.encode), st.binary(max_size=200)).map(lambda data: data.replace(b"\n", b""))


def joined(spans: tuple[Span, ...]) -> str:
    return "".join(span.text for span in spans)


def styles_of(spans: tuple[Span, ...]) -> list[tuple[str, Style]]:
    return [(character, span.style) for span in spans for character in span.text]


@given(DATA)
@example(b"a\x1b[31m\xcc\x81")
@example(b"a\x1b[31m\x1b[1m\xe2\x80\x8d\xcc\x81b\x1b[0m\xcc\x81")
@example(b"\t\x1b[31m\xcc\x81" + 5 * b"\x1b[1m\xcc\x81")
def test_whatever_a_board_says_only_printable_cells_are_left(data: bytes) -> None:
    text = styled_line(data).text
    assert text.isprintable()
    assert all(wcwidth(character) >= 0 for character in text)
    assert text == plain_text(data)


@given(DATA, st.integers(2, 30))
def test_wrapped_rows_are_the_line_and_none_is_wider(data: bytes, columns: int) -> None:
    styled = styled_line(data)
    rows = wrap(styled, columns)
    assert "".join(joined(row.spans) for row in rows) == styled.text
    assert [cell for row in rows for cell in styles_of(row.spans)] == styles_of(styled.spans(0, len(styled.text)))
    assert all(text_width(joined(row.spans)) <= columns for row in rows)
    # A row ends early only where a wide character does not fit.
    assert all(text_width(joined(row.spans)) >= columns - 1 for row in rows[:-1])


@given(DATA, st.integers(0, 40), st.integers(2, 30))
def test_a_cut_row_is_a_part_of_the_line(data: bytes, left: int, columns: int) -> None:
    styled = styled_line(data)
    row = cut(styled, left, columns)
    text = joined(row.spans)
    assert text_width(text) <= columns
    assert row.cut_right == (text_width(styled.text) > left + columns)
    if text_width(styled.text) >= left + columns:
        assert text_width(text) >= columns - 1
    assert text.strip() in styled.text
    assert styled_start(data, left + columns).text[: left + columns] == styled.text[: left + columns]


@given(st.text(), st.integers(2, 9), st.integers(0, 99))
def test_a_cell_has_a_place_in_the_rows(text: str, columns: int, cell: int) -> None:
    rows = wrap(StyledText(plain_text(text.replace("\n", "").encode("utf-8", "replace"))), columns)
    row, column = place_of_cell(rows, cell, columns)
    assert 0 <= row < len(rows)
    assert 0 <= column < columns


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b]52;c;ZXZpbA==\x07", "␛]52;c;ZXZpbA==\\x07"),
        (b"\x1bP+q\x1b\\", "␛P+q␛\\"),
        (b"\x1b[c\x1b[?1049h", "␛[c␛[?1049h"),
        (b"\xff\xfeok\xe6\x97", "\\xff\\xfeok\\xe6\\x97"),
        ("\u202egnp.exe\u200f".encode(), "\\u202egnp.exe\\u200f"),
        (b"a\tb\t\tc", "a       b               c"),
        ("日\tx".encode(), "日      x"),
        ("zero\u200bwidth \ufeff\u00ad".encode(), "zero\\u200bwidth \\ufeff\\xad"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + "\\u0301" * 2),
        ("⚠\ufe0f 👩\u200d💻".encode(), "⚠ 👩💻"),
        (b"\x9b31mred", "\\x9b31mred"),
        (b"\x1b[31;", "␛[31;"),
        (b"abc\x1b[2DX", "aXc"),
        ("日本\b\bx".encode(), "日x "),
        ("日本\rx".encode(), "x 本"),
        (b"ab\x1b[5Gc", "ab  c"),
        (b"abc\x1b[1K\x1b[Jd", "   d"),
    ],
)
def test_a_line_becomes_this_text(data: bytes | str, text: str) -> None:
    assert plain_text(data if isinstance(data, bytes) else data.encode()) == text


def test_widths_are_those_of_wcwidth() -> None:
    for text in ("abc", "日本語", "e\u0301", "ที่นี่", "한국어"):
        assert text_width(plain_text(text.encode())) == wcswidth(text)


@pytest.mark.parametrize(
    ("parameters", "style"),
    [
        ("", PLAIN),
        ("0;32", Style(foreground=2)),
        ("1;91;44", Style(bold=True, foreground=9, background=4)),
        ("38;5;196", Style(foreground=9)),
        ("38;5;7;1", Style(foreground=7, bold=True)),
        ("48;2;0;0;160", Style(background=4)),
        ("38:5:244", Style(foreground=8)),
        ("2;3;4;7", Style(dim=True, italic=True, underline=True, reverse=True)),
        ("1;22;3;23;4;24;7;27;31;39", PLAIN),
        ("5;58;999;38", PLAIN),
        ("38;5", Style(foreground=0)),
    ],
)
def test_styles_are_of_sixteen_colours(parameters: str, style: Style) -> None:
    assert apply_sgr(PLAIN, parameters) == style


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"I (123) wifi: up", ("I", "wifi")),
        (b"\x1b[0;33mW (12:00:01.123) a b: x\x1b[0m", ("W", "a b")),
        (b"E (2026-01-01 12:00:01.123) main_task: x\r\n", ("E", "main_task")),
        (b"V tag: x", ("V", "tag")),
        (b"I tag: x", ("I", "tag")),
        (b"I think so: no", None),
        (b"I am here", None),
        (b"X (1) wifi: up", None),
        (b" I (1) wifi: up", None),
        (b"", None),
    ],
)
def test_the_level_and_tag_of_a_line(line: bytes, expected: tuple[str, str] | None) -> None:
    assert logged(line) == expected


@pytest.mark.parametrize("unit", [b"x", "日".encode(), b"\x1b[31mx", b"\xff", b"\x1b]0;", b"\b", b"\x1b[3C"])
def test_a_line_of_a_megabyte_costs_what_is_seen_of_it(unit: bytes) -> None:
    data = unit * (1_000_000 // len(unit))
    plain_text(data[:100])
    began = time.process_time()
    for _ in range(5):
        assert text_width(styled_start(data, 200).text) >= 200
    # Far more than it takes; without the bound it would be seconds.
    assert time.process_time() - began < 0.5
