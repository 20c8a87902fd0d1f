"""What is said, and where keys go, while the daemon has not the board's port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import SessionLost, SessionOpened, SessionReleased
from esperctl.viewer.effects import SendToBoard

if TYPE_CHECKING:
    from tests.esperctl.conftest import MakeBoard
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer

LENT = SessionReleased("/dev/ttyUSB0", "alice (pid 7)", "idf.py flash")


def hint(viewer: Viewer) -> str:
    status = viewer.view.status
    assert status is not None
    return status.hint


def test_keys_are_not_sent_to_a_board_that_is_away_and_everything_says_so(viewer: Viewer) -> None:
    viewer.happen(SessionLost("/dev/ttyUSB0", "unplugged"))

    assert viewer.mode == "NO-PORT"
    assert hint(viewer) == "keys are not sent  Ctrl-T commands  Ctrl-] leaves  bench1 is not connected"
    assert viewer.press("a", "ctrl-c", "enter") == []
    assert "bench1 is not connected: keys are not sent" in viewer.toasts

    viewer.happen(SessionOpened("/dev/ttyUSB0", 115200))

    assert viewer.mode == "DEVICE"
    assert "all other keys go to the board" in hint(viewer)
    assert viewer.press("b") == [SendToBoard(b"b")]
    assert viewer.sent == b"b"


def test_a_board_that_was_away_before_is_too(make_viewer: MakeViewer, make_board: MakeBoard) -> None:
    viewer = make_viewer()
    viewer.attach(board=make_board(state="absent", state_detail="no such file"))

    assert viewer.mode == "NO-PORT"
    assert viewer.type("x") == []


def test_who_has_the_port_and_what_for_is_said_to_who_types(viewer: Viewer) -> None:
    viewer.happen(LENT)
    why = "/dev/ttyUSB0 is lent to alice (pid 7): idf.py flash"
    assert viewer.toasts == [why]
    assert hint(viewer).endswith(why)

    viewer.type("x")

    assert f"{why}: keys are not sent" in viewer.toasts
    viewer.press("ctrl-t", "r")
    assert f"Reset the board: {why}" in viewer.toasts


def test_a_port_that_was_lent_before_is_said_in_the_same_words(make_viewer: MakeViewer, make_board: MakeBoard) -> None:
    viewer = make_viewer()
    viewer.attach(board=make_board(state="released", state_detail="lent to alice (pid 7): idf.py flash"))

    viewer.type("x")

    assert "/dev/ttyUSB0 is lent to alice (pid 7): idf.py flash: keys are not sent" in viewer.toasts


def test_commands_are_there_as_ever(viewer: Viewer) -> None:
    viewer.happen(LENT)
    viewer.press("ctrl-t", "h")
    assert viewer.mode == "HOST"
    assert viewer.view.overlay is not None

    viewer.press("escape")

    assert viewer.mode == "NO-PORT"


def test_who_may_not_type_reads_only_whether_the_board_is_there_or_not(reader: Viewer) -> None:
    reader.happen(LENT)

    assert reader.mode == "READ-ONLY"
