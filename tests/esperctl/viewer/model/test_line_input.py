from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import CoredumpStarted
from esperctl.viewer.effects import SendToBoard
from esperctl.viewer.keys import Key
from esperctl.viewer.messages import KeysPressed
from esperctl.viewer.model.device_input import DeviceInput
from esperctl.viewer.model.line_input import HISTORY_LINES, MAX_CHARACTERS, History, LineInput

if TYPE_CHECKING:
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


@pytest.fixture
def liner(make_viewer: MakeViewer) -> Viewer:
    viewer = make_viewer(settings={"input": "line", "line_end": "crlf"})
    viewer.attach()
    return viewer


def press(line: LineInput, *names: str) -> LineInput:
    for name in names:
        line.press(Key(name, name.encode()))
    return line


@pytest.mark.parametrize(
    ("keys", "text", "cursor"),
    [
        (["home", "x"], "xone two", 1),
        (["left", "left", "x"], "one txwo", 6),
        (["left", "delete"], "one tw", 6),
        (["backspace", "ctrl-h"], "one t", 5),
        (["ctrl-w"], "one ", 4),
        (["ctrl-w", "ctrl-w", "ctrl-w"], "", 0),
        (["ctrl-u"], "", 0),
        (["left", "left", "left", "ctrl-u"], "two", 0),
        (["home", "right", "ctrl-k"], "o", 1),
        (["ctrl-a", "ctrl-e", "!"], "one two!", 8),
        (["left", "right", "right"], "one two", 7),
        (["up", "f5", "escape"], "one two", 7),
    ],
)
def test_editing(keys: list[str], text: str, cursor: int) -> None:
    line = press(LineInput("one two"), *keys)

    assert (line.text, line.cursor) == (text, cursor)


def test_a_paste_is_one_printable_line_of_bounded_length() -> None:
    line = LineInput()
    line.press(Key("paste", b"a\r\nb\tc\x1b[31m\n" + b"x" * 10_000))

    assert line.text.startswith("a b c␛[31m x")
    assert len(line.text) == MAX_CHARACTERS


def test_history_comes_back_to_what_was_being_typed() -> None:
    history = History()
    for text in ("one", "two", "two", ""):
        history.add(text)

    assert history.older("dra") == "two"
    assert history.older("two") == "one"
    assert history.older("one") == "one"
    assert history.newer("one") == "two"
    assert history.newer("two") == "dra"
    assert history.newer("dra") == "dra"


def test_history_is_bounded() -> None:
    history = History()
    for number in range(HISTORY_LINES + 50):
        history.add(str(number))

    text = "draft"
    for _ in range(HISTORY_LINES + 50):
        text = history.older(text)

    assert text == "50"


def test_a_line_is_sent_as_a_whole_with_its_end(liner: Viewer) -> None:
    assert liner.type("help") == []
    assert liner.view.input is not None
    assert liner.view.input.text == "help"

    assert liner.press("enter") == [SendToBoard(b"help\r\n")]
    assert liner.press("up", "enter") == [SendToBoard(b"help\r\n")]
    assert liner.press("ctrl-c") == [SendToBoard(b"\x03")]


def test_pasted_lines_are_sent_and_the_rest_is_edited(liner: Viewer) -> None:
    effects = liner.tell(KeysPressed((Key("paste", b"one\ntwo\nthr"),)))

    assert effects == [SendToBoard(b"one\r\ntwo\r\n")]
    assert liner.view.input is not None
    assert liner.view.input.text == "thr"


def paste(liner: Viewer, *parts: bytes) -> bytes:
    """What goes to the board when this is pasted, in these parts."""
    before = len(liner.sent)
    last = len(parts) - 1
    for index, part in enumerate(parts):
        liner.tell(KeysPressed((Key("paste", part, goes_on=index < last),)))
    return liner.sent[before:]


def typed_text(liner: Viewer) -> str:
    assert liner.view.input is not None
    return liner.view.input.text


@given(
    st.lists(st.sampled_from(["é", "€", "😀", "a", "\t", "\x1b[A", "\x03", "\r\n", "\r", "\n", "\x80"]), max_size=20),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_whole_pasted_lines_are_sent_as_they_are_however_the_paste_is_cut(texts: list[str], cuts: list[int]) -> None:
    data = "".join(texts).encode() + b"\xff\n"
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    device = DeviceInput(is_line=True, line_end=b"\n")
    sent = b""
    for start, end in pairwise(places):
        sent += device.press(Key("paste", data[start:end], goes_on=end < len(data)))

    assert sent == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def test_a_pasted_line_is_sent_whole_however_long_it_is(liner: Viewer) -> None:
    long = b"x" * 5000

    assert paste(liner, long + b"\r" + long + b"\n") == long + b"\r\n" + long + b"\r\n"
    assert paste(liner, b"a", long, long, b"\nb\n") == b"a" + long + long + b"\r\nb\r\n"
    assert liner.toasts == []


def test_an_unfinished_pasted_line_that_is_too_long_is_refused_loudly(liner: Viewer) -> None:
    liner.type("old")

    assert paste(liner, b"first\n" + b"x" * (MAX_CHARACTERS + 1)) == b"oldfirst\r\n"
    assert typed_text(liner) == ""
    assert any("longer than 4096 characters" in toast for toast in liner.toasts)
    assert paste(liner, b"x" * 700_000, b"x" * 700_000, b"x\nnext\n") == b"next\r\n"


def test_an_unfinished_pasted_line_keeps_its_bytes(liner: Viewer) -> None:
    assert paste(liner, b"\tcaf\xc3", b"\xa9 \x03\x7f\xff") == b""
    assert typed_text(liner) == " café ␃␡\ufffd"

    liner.press("left", "backspace")
    assert liner.press("enter") == [SendToBoard(b"\tcaf\xc3\xa9 \x03\xff\r\n")]


def test_a_paste_goes_where_the_cursor_is(liner: Viewer) -> None:
    liner.type("ad")
    liner.press("left")

    assert paste(liner, b"b\nc") == b"abd\r\n"
    assert typed_text(liner) == "c"


def test_a_paste_that_another_key_ends_is_over(liner: Viewer) -> None:
    liner.tell(KeysPressed((Key("paste", b"x" * 5000, goes_on=True),)))
    liner.press("ctrl-t", "escape")

    assert paste(liner, b"y\n") == b"y\r\n"


def test_the_line_has_no_focus_while_nothing_can_be_typed(liner: Viewer) -> None:
    liner.press("ctrl-t")
    assert liner.view.input is not None
    assert not liner.view.input.is_focused

    liner.press("escape")
    liner.happen(CoredumpStarted("bench1-1", liner.next_seq))

    assert liner.view.input is not None
    assert not liner.view.input.is_focused


def test_a_reader_has_no_line(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(settings={"input": "line"})
    viewer.attach(is_writer=False, writer="bob")

    assert viewer.view.input is None


def test_line_input_is_switched_while_running(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "m")

    assert viewer.type("x") == []
    assert viewer.press("enter") == [SendToBoard(b"x\r")]
