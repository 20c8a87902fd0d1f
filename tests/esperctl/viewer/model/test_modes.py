from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import CoredumpStarted, WriterChanged
from esperctl.viewer.effects import AddNote, Leave, ReleaseWriter, ResetBoard, SendToBoard, TakeWriter

if TYPE_CHECKING:
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def test_every_key_goes_to_the_board_byte_for_byte_in_device_but_prefix_and_detach(viewer: Viewer) -> None:
    viewer.press("a", "f1", "pageup", "escape", "ctrl-c", "up", "enter")

    assert viewer.mode == "DEVICE"
    assert viewer.sent == b"a\x1bOP\x1b[5~\x1b\x03\x1b[A\r"


def test_several_keys_in_one_message_become_one_send(viewer: Viewer) -> None:
    assert viewer.press_at_once("h", "e", "l", "p", "enter") == [SendToBoard(b"help\r")]


def test_a_command_is_done_and_the_keys_go_back_to_the_board(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    assert viewer.mode == "HOST"

    viewer.press("z")

    assert viewer.segment("Wrap") == "off"
    assert viewer.mode == "DEVICE"


def test_navigation_stays_in_host_until_escape(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "k", "k", "z")
    assert viewer.mode == "HOST"

    viewer.press("escape")

    assert viewer.mode == "DEVICE"
    assert viewer.sent == b""


def test_letters_work_with_ctrl_after_the_prefix(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "ctrl-r")

    assert viewer.view.overlay is not None
    assert viewer.press("y") == [ResetBoard()]


def test_the_prefix_twice_sends_it_and_goes_back(viewer: Viewer) -> None:
    assert viewer.press("ctrl-t", "ctrl-t") == [SendToBoard(b"\x14")]
    assert viewer.mode == "DEVICE"


def test_the_prefix_while_moving_about_is_no_way_back_to_the_board(viewer: Viewer) -> None:
    viewer.say(*["x"] * 100)
    viewer.press("ctrl-t", "pageup", "ctrl-t", "z", "j")

    assert viewer.mode == "HOST"
    assert viewer.sent == b""
    assert viewer.press("ctrl-t", "ctrl-t") == [SendToBoard(b"\x14")]
    assert viewer.mode == "DEVICE"


def test_what_stands_around_the_prefix_twice_in_one_message_keeps_its_order(viewer: Viewer) -> None:
    assert viewer.press_at_once("a", "ctrl-t", "ctrl-t", "b") == [SendToBoard(b"a\x14b")]


def test_detach_leaves_in_every_mode(viewer: Viewer, reader: Viewer) -> None:
    assert viewer.press("ctrl-]") == [Leave()]
    assert viewer.press("ctrl-t", "t", "ctrl-]") == [Leave()]
    assert reader.press("ctrl-]") == [Leave()]


def test_a_key_that_is_no_command_says_so_and_reaches_nobody(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "q")

    assert viewer.sent == b""
    assert any("q is no command" in toast for toast in viewer.toasts)
    assert viewer.mode == "HOST"


def test_a_reader_has_commands_at_once_and_ctrl_c_says_how_to_leave(reader: Viewer) -> None:
    assert reader.mode == "READ-ONLY"
    assert reader.segment("Writer") == "bob (pid 2) types"

    reader.press("ctrl-c")

    assert "Ctrl-] leaves" in reader.toasts
    assert reader.press("ctrl-t", "ctrl-t") == []


def test_taking_over_asks_when_somebody_types_and_the_default_is_no(reader: Viewer) -> None:
    reader.press("w", "enter")
    assert reader.effects[-1] != TakeWriter(steal=True)
    assert reader.view.overlay is None

    assert reader.press("w", "y") == [TakeWriter(steal=True)]


def test_nobody_is_asked_when_nobody_types(make_viewer: MakeViewer) -> None:
    viewer = make_viewer()
    viewer.attach(is_writer=False)

    assert viewer.press("w") == [TakeWriter(steal=False)]


def test_the_lease_is_given_back(viewer: Viewer) -> None:
    assert viewer.press("ctrl-t", "w") == [ReleaseWriter()]


def test_who_takes_over_is_named_and_the_viewer_is_read_only_then(viewer: Viewer) -> None:
    viewer.happen(WriterChanged("bob (pid 2)", "me (pid 1)", stolen=True))

    assert viewer.mode == "READ-ONLY"
    assert any("bob (pid 2) took over" in toast for toast in viewer.toasts)


def test_what_is_typed_when_the_lease_is_lost_becomes_no_command(viewer: Viewer) -> None:
    viewer.happen(WriterChanged("bob (pid 2)", "me (pid 1)", stolen=True))

    assert viewer.press("x", "s", "enter") == []
    assert any("Ctrl-T or Esc makes keys commands" in toast for toast in viewer.toasts)
    assert viewer.press("ctrl-t") == []
    assert viewer.press("x") == [Leave()]


def test_read_only_never_becomes_a_writer(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(read_only=True, steals=True)
    viewer.attach(is_writer=True)

    assert viewer.mode == "READ-ONLY"
    assert viewer.press("a", "enter", "r", "w") == []
    assert any("--read-only" in toast for toast in viewer.toasts)


def test_steal_takes_the_lease_once(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(steals=True)

    assert TakeWriter(steal=True) in viewer.attach(is_writer=False, writer="bob")
    assert TakeWriter(steal=True) not in viewer.attach(is_writer=False, writer="bob", again=True)


def test_the_mode_before_a_capture_comes_back_after_it(viewer: Viewer) -> None:
    viewer.happen(CoredumpStarted("bench1-1", viewer.next_seq))
    assert viewer.mode == "CAPTURE"
    viewer.press("a", "enter")
    assert viewer.sent == b""

    viewer.press("ctrl-t", "k")
    assert viewer.mode == "HOST"
    viewer.press("escape")

    assert viewer.mode == "CAPTURE"


def test_a_note_is_typed_with_every_letter(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "l")
    viewer.type("q n/N?")

    assert viewer.press("enter") == [AddNote("q n/N?")]
    assert viewer.mode == "DEVICE"
