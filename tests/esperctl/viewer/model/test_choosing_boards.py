"""Choosing a board, and switching between boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import (
    Boot,
    Event,
    Line,
)
from esperctl.viewer.effects import (
    FetchPage,
    Leave,
    ListBoards,
    ListCoredumps,
    StartScan,
    SwitchBoard,
)
from esperctl.viewer.messages import BoardsListed, Detached, EffectFailed, PageArrived
from esperctl.viewer.view import PickerView

if TYPE_CHECKING:
    from tests.esperctl.conftest import MakeBoard, MakeDaemon
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def test_switching_boards_forgets_the_log_and_keeps_the_looks(viewer: Viewer, make_board: MakeBoard) -> None:
    viewer.say("of the first board")
    viewer.happen(Boot(1, "POWERON", None, 1))
    viewer.press("ctrl-t", "z", "ctrl-t", "f")
    viewer.type("*:W")
    viewer.press("enter", "/")
    viewer.type("wifi")
    viewer.press("enter", "c")

    effects = viewer.attach(board=make_board("bench2", next_seq=100))
    viewer.say("W (1) wifi: of the second")

    assert "of the first board" not in viewer.log_text
    assert "of the second" in viewer.log_text
    assert viewer.segment("Search") is None
    assert viewer.segment("Filter") == "*:W"
    assert viewer.segment("Wrap") == "off"
    assert viewer.mode == "DEVICE"
    assert any(isinstance(effect, StartScan) and effect.before == 100 for effect in effects)
    assert ListCoredumps() in effects
    viewer.press("ctrl-t", "c")
    assert viewer.view.inspector is not None
    assert viewer.view.inspector.items == ()


def test_what_comes_late_from_another_board_is_ignored(viewer: Viewer, make_board: MakeBoard) -> None:
    viewer.attach(board=make_board("bench1", next_seq=500), socket="/run/esperd/a.sock")
    stale = [effect for effect in viewer.effects if isinstance(effect, FetchPage)]
    viewer.attach(board=make_board("bench2", next_seq=900), socket="/run/esperd/b.sock")
    old = Event(499, 1, "bench1", 1, 1, Line(b"stale line\n", 1))

    request = stale[0] if stale else FetchPage("older", 500, 10, 1)
    viewer.tell(PageArrived(request, (old,), is_end=True))
    viewer.happen(Line(b"stale event\n", 1), board="bench1")

    assert "stale" not in viewer.log_text


def test_the_picker_comes_first_when_it_is_wanted_and_its_states_are_live(
    make_viewer: MakeViewer, make_board: MakeBoard, make_daemon: MakeDaemon
) -> None:
    viewer = make_viewer(wants_picker=True)
    assert viewer.effects == [ListBoards()]
    daemon = make_daemon()
    first, second = make_board("a"), make_board("b", state="absent", state_detail="unplugged", port="/dev/tty\x1b")
    viewer.tell(BoardsListed(((daemon, first), (daemon, second))))
    picker = viewer.view.overlay
    assert isinstance(picker, PickerView)
    assert [item.title for item in picker.items] == ["a", "b"]
    assert "absent: unplugged" in picker.items[1].detail
    assert "␛" in picker.items[1].detail

    assert viewer.wait(2.0) == [ListBoards()]
    assert viewer.model.next_tick_at is None
    viewer.press("j")
    viewer.tell(BoardsListed(((daemon, make_board("0")), (daemon, first), (daemon, second))))
    assert viewer.press("enter") == [SwitchBoard("/run/esperd/a.sock", "b")]
    viewer.tell(EffectFailed(SwitchBoard("/run/esperd/a.sock", "b"), "absent", "b went away"))
    picker = viewer.view.overlay
    assert isinstance(picker, PickerView)
    assert picker.note == "b went away"
    assert viewer.press("escape") == [Leave()]


def test_a_list_that_fails_is_asked_for_again(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(wants_picker=True)
    viewer.press("x")
    viewer.tell(EffectFailed(ListBoards(), "failed", "no daemon answers"))

    assert picker_of(viewer).note == "no daemon answers"
    assert viewer.wait(5) == [ListBoards()]


def picker_of(viewer: Viewer) -> PickerView:
    picker = viewer.view.overlay
    assert isinstance(picker, PickerView)
    return picker


def choose_second(viewer: Viewer, boards: BoardsListed) -> None:
    viewer.press("ctrl-t", "g")
    viewer.tell(boards)
    assert viewer.press("down", "enter") == [SwitchBoard("/run/esperd/a.sock", "b")]


def test_a_chosen_board_that_is_not_there_is_told_as_that_board(
    viewer: Viewer, make_board: MakeBoard, make_daemon: MakeDaemon
) -> None:
    boards = BoardsListed(((make_daemon(), make_board()), (make_daemon(), make_board("b"))))
    choose_second(viewer, boards)
    viewer.tell(Detached("nothing listens", "b"))
    viewer.tell(Detached("nothing listens", "b"))

    assert picker_of(viewer).note == "b: nothing listens; it is tried again"
    assert viewer.toasts == ["b is not there: nothing listens; it is tried again"]
    title = viewer.view.title
    assert title is not None
    assert (title.board, title.state, title.is_well) == ("bench1", "not followed: waiting for b", False)
    viewer.press("escape")
    assert viewer.mode == "NO-PORT"
    assert viewer.press("x") == []
    assert viewer.toasts[-1] == "bench1 is not followed: keys are not sent"

    viewer.press("ctrl-t", "g")
    viewer.tell(boards)
    assert viewer.press("home", "enter") == [SwitchBoard("/run/esperd/a.sock", "bench1")]
    viewer.attach()
    assert viewer.mode == "DEVICE"


def test_what_a_board_that_was_left_says_at_last_is_ignored(viewer: Viewer) -> None:
    viewer.tell(Detached("gone", "another"))

    assert viewer.mode == "DEVICE"
    assert viewer.toasts == []
    viewer.tell(Detached("gone", "bench1"))
    assert viewer.mode == "NO-PORT"


def test_the_picker_over_a_board_leads_back_to_it(
    viewer: Viewer, make_board: MakeBoard, make_daemon: MakeDaemon
) -> None:
    assert viewer.press("ctrl-t", "g") == [ListBoards()]
    viewer.tell(BoardsListed(((make_daemon(), make_board()),)))
    picker = viewer.view.overlay
    assert isinstance(picker, PickerView)
    assert picker.items[0].title == "bench1 (this one)"

    assert viewer.press("enter") == []
    assert viewer.view.overlay is None
    assert viewer.mode == "DEVICE"


def test_without_boards_the_picker_says_how_to_start_one(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(wants_picker=True)
    viewer.tell(BoardsListed(()))

    picker = viewer.view.overlay
    assert isinstance(picker, PickerView)
    assert "esperd PORT" in picker.note
    assert viewer.press("enter") == []


def test_what_is_pressed_before_the_boards_are_known_is_done_when_they_are(
    viewer: Viewer, make_board: MakeBoard, make_daemon: MakeDaemon
) -> None:
    boards = BoardsListed(((make_daemon(), make_board()), (make_daemon(), make_board("b"))))
    viewer.press("ctrl-t", "g", "down", "enter")

    assert viewer.tell(boards) == [SwitchBoard("/run/esperd/a.sock", "b")]
    assert picker_of(viewer).note == "going to b…"


def test_the_board_before_can_be_gone_back_to_while_another_one_is_waited_for(
    viewer: Viewer, make_board: MakeBoard, make_daemon: MakeDaemon
) -> None:
    boards = BoardsListed(((make_daemon(), make_board()), (make_daemon(), make_board("b"))))
    choose_second(viewer, boards)

    assert viewer.press("up", "enter") == [SwitchBoard("/run/esperd/a.sock", "bench1")]
    viewer.press("escape", "ctrl-t", "g")
    viewer.tell(boards)
    assert viewer.press("home", "enter") == [SwitchBoard("/run/esperd/a.sock", "bench1")]
