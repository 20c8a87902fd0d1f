from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import CoredumpStarted
from esperctl.viewer.effects import SendToBoard
from esperctl.viewer.keys import Key
from esperctl.viewer.messages import KeysPressed
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
