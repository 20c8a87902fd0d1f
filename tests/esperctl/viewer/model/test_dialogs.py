from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import CoredumpStarted, SessionLost, WriterChanged
from esperctl.viewer.effects import AbortCapture, AddNote, ResetBoard, SendBreak
from esperctl.viewer.view import ConfirmView, FormView, HelpView, PaletteView, TextInput

if TYPE_CHECKING:
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def test_a_disruptive_action_asks_and_enter_takes_no(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "r")
    question = viewer.view.overlay
    assert isinstance(question, ConfirmView)
    assert not question.is_yes_selected

    assert viewer.press("enter") == []
    assert viewer.view.overlay is None
    assert viewer.mode == "DEVICE"


@pytest.mark.parametrize(
    ("keys", "is_done"),
    [(["y"], True), (["n"], False), (["escape"], False), (["left", "enter"], True), (["tab", "tab", "enter"], False)],
)
def test_y_n_and_the_arrows_answer(viewer: Viewer, keys: list[str], is_done: bool) -> None:
    viewer.press("ctrl-t", "p")

    assert viewer.press(*keys) == ([ResetBoard(bootloader=True)] if is_done else [])
    assert viewer.view.overlay is None


def test_what_an_answer_needs_is_looked_at_when_it_comes(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "r")
    viewer.happen(WriterChanged("bob", "me (pid 1)", stolen=True))

    assert viewer.press("y") == []
    assert any("Reset the board: read-only" in toast for toast in viewer.toasts)


def test_an_action_says_what_it_lacks(viewer: Viewer) -> None:
    viewer.happen(SessionLost("/dev/ttyUSB0", "unplugged"))

    viewer.press("ctrl-t", "b")

    assert viewer.view.overlay is None
    assert any("bench1 is not connected" in toast for toast in viewer.toasts)
    assert SendBreak() not in viewer.effects


def test_events_flow_below_a_dialog_and_keys_go_to_it_only(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "r")

    viewer.say("still alive")
    viewer.press("q")

    assert "still alive" in viewer.log_text
    assert viewer.sent == b""


def test_the_palette_finds_every_action_by_name_and_types_every_letter(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "t")
    viewer.type("note")
    palette = viewer.view.overlay
    assert isinstance(palette, PaletteView)
    assert palette.query.text == "note"
    assert palette.items[0].title == "Write a note into the journal"
    assert viewer.mode == "HOST"

    viewer.press("enter")
    viewer.type("njkq/?")

    assert viewer.press("enter") == [AddNote("njkq/?")]
    assert viewer.mode == "DEVICE"


def test_the_palette_says_what_an_action_lacks(reader: Viewer) -> None:
    reader.press("t")
    reader.type("reset the board")
    palette = reader.view.overlay
    assert isinstance(palette, PaletteView)

    assert palette.items[0].detail == "r (read-only)"


def test_the_palette_with_no_match_leads_out_again(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "f1")
    viewer.type("zzz")
    palette = viewer.view.overlay
    assert isinstance(palette, PaletteView)
    assert palette.query.error == "no action has this name"
    assert viewer.press("enter", "down") == []

    viewer.press("ctrl-u", "down", "enter")

    assert isinstance(viewer.view.overlay, ConfirmView)


def test_help_is_one_prefix_away_and_scrolls_to_its_end(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "ctrl-h")
    first = viewer.view.overlay
    assert isinstance(first, HelpView)
    assert first.scroll == 0

    viewer.press("end")
    last = viewer.view.overlay
    assert isinstance(last, HelpView)
    assert last.scroll > 0
    viewer.press("down", "pagedown")
    assert viewer.view.overlay == last
    viewer.press("q")
    assert viewer.view.overlay is None


def test_a_wrong_filter_is_said_in_its_field_and_is_no_dead_end(viewer: Viewer) -> None:
    viewer.say("I (1) wifi: up", "W (2) heap: low")
    viewer.press("ctrl-t", "f")
    viewer.type("*:W wifi:D")
    viewer.press("tab")
    viewer.type("(njx")
    viewer.press("enter")
    form = viewer.view.overlay
    assert isinstance(form, FormView)
    field = form.fields[1]
    assert isinstance(field, TextInput)
    assert field.text == "(njx"
    assert field.error

    viewer.press("ctrl-u", "enter")

    assert viewer.view.overlay is None
    assert viewer.segment("Filter") == "*:W wifi:D"
    assert viewer.mode == "HOST"


def test_a_filter_hides_lines_and_an_empty_form_shows_them_again(viewer: Viewer) -> None:
    viewer.say("I (1) wifi: up", "W (2) heap: low")
    viewer.press("ctrl-t", "f")
    viewer.type("*:W")
    viewer.press("enter")
    assert "wifi" not in viewer.log_text
    assert "heap" in viewer.log_text

    viewer.press("f", "ctrl-u", "enter")

    assert "wifi" in viewer.log_text
    assert viewer.segment("Filter") is None


def test_highlight_rules_are_edited_as_style_and_pattern(viewer: Viewer) -> None:
    viewer.say("the heap is low")
    viewer.press("ctrl-t", "e")
    viewer.type("heap")
    viewer.press("enter")
    form = viewer.view.overlay
    assert isinstance(form, FormView)
    assert isinstance(form.fields[0], TextInput)
    assert form.fields[0].error == "write STYLE: PATTERN, e.g. bold red: heap"

    viewer.press("ctrl-u")
    viewer.type("bold red: heap")
    viewer.press("enter")

    log = viewer.view.log
    assert log is not None
    assert [span.text for row in log.rows for span in row.spans if span.style.bold] == ["heap"]


SLOW = "(a|aa)+$"
SLOW_LINE = "a" * 60 + "b"


def test_a_filter_that_a_line_makes_slow_is_switched_off_and_said_once(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(settings={"include": SLOW})
    viewer.attach()
    viewer.say("hidden")
    assert viewer.log_text == ""

    viewer.say(*[SLOW_LINE] * 3)

    assert viewer.log_text.split("\n") == ["hidden", *[SLOW_LINE] * 3]
    assert [toast for toast in viewer.toasts if toast.startswith("filter: ") and SLOW in toast] == viewer.toasts
    viewer.wait(20)
    viewer.say(SLOW_LINE)
    assert viewer.toasts == []


def test_a_highlight_rule_that_a_line_makes_slow_is_said_when_it_is_drawn(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(settings={"highlight": [{"pattern": SLOW, "style": "red"}]})
    viewer.attach()
    viewer.say(SLOW_LINE)

    assert [toast for toast in viewer.toasts if toast.startswith("highlight rule: ") and SLOW in toast] == viewer.toasts
    assert viewer.model.next_tick_at is not None
    viewer.wait(20)
    viewer.say(SLOW_LINE)
    assert viewer.toasts == []


def test_ctrl_c_asks_before_a_capture_is_aborted_and_enter_keeps_it(viewer: Viewer) -> None:
    viewer.happen(CoredumpStarted("bench1-1", viewer.next_seq))

    assert viewer.press("ctrl-c", "enter") == []
    assert viewer.mode == "CAPTURE"
    assert viewer.press("ctrl-c", "y") == [AbortCapture()]


def test_a_capture_is_aborted_from_host_and_from_the_palette_too(viewer: Viewer) -> None:
    viewer.happen(CoredumpStarted("bench1-1", viewer.next_seq))
    assert viewer.press("ctrl-t", "ctrl-c", "y") == [AbortCapture()]

    viewer.press("ctrl-t", "t")
    viewer.type("abort")

    assert viewer.press("enter", "y") == [AbortCapture()]


def test_a_paste_into_a_field_is_one_line(make_viewer: MakeViewer) -> None:
    viewer = make_viewer()
    viewer.attach()
    viewer.press("ctrl-t", "l")

    viewer.press("paste")

    note = viewer.view.overlay
    assert isinstance(note, TextInput)
    assert note.text == "paste"
