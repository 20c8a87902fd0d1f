from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import (
    CoredumpStarted,
    Event,
    Line,
    Panic,
    ViewerAttached,
    WriterChanged,
)
from esperctl.viewer.effects import (
    AskForLease,
    FetchPage,
    SendToBoard,
    StartScan,
    TakeWriter,
)
from esperctl.viewer.messages import Detached, EffectDone, EffectFailed, PageArrived, ScanProgressed

if TYPE_CHECKING:
    from tests.esperctl.conftest import MakeBoard
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def state(viewer: Viewer) -> str:
    title = viewer.view.title
    assert title is not None
    return title.state


def test_a_lost_connection_and_its_return_are_each_said_once(viewer: Viewer) -> None:
    viewer.tell(Detached("the daemon stopped"))
    viewer.tell(Detached("nothing listens"))
    assert viewer.toasts == ["the connection is lost (the daemon stopped); reconnecting"]
    assert state(viewer) == "reconnecting: nothing listens"
    assert viewer.mode == "NO-PORT"
    assert viewer.segment("Writer") == "not connected"
    status = viewer.view.status
    assert status is not None
    assert status.hint == "keys are not sent  Ctrl-T commands  Ctrl-] leaves  esperd is away"
    assert viewer.press("a") == []
    assert viewer.toasts[-1] == "esperd is away: keys are not sent"

    viewer.attach(again=True)

    assert viewer.toasts[-1] == "attached to bench1 again"
    assert state(viewer) == "connected"
    assert viewer.mode == "DEVICE"


def test_a_board_that_is_served_no_longer_is_said_to_be_so(viewer: Viewer) -> None:
    for reason in (
        "board bench1 is no longer served by esperd: it is gone",
        "board bench1 is no longer served by esperd",
    ):
        viewer.tell(Detached(reason, "bench1", is_served=False))
    assert viewer.toasts == ["board bench1 is no longer served by esperd: it is gone; it is waited for"]
    assert state(viewer) == "no longer served by esperd"
    assert viewer.mode == "NO-PORT"
    viewer.press("a")
    assert viewer.toasts[-1] == "bench1 is no longer served by esperd: keys are not sent"


def test_who_only_watched_does_not_ask_for_the_lease_when_the_daemon_is_back(reader: Viewer) -> None:
    assert reader.tell(Detached("the daemon stopped")) == [AskForLease(wanted=False)]
    assert reader.mode == "READ-ONLY"
    status = reader.view.status
    assert status is not None
    assert "write lease" not in status.hint

    reader.attach(again=True, is_writer=False)

    assert reader.toasts[-1] == "attached to bench1 again"
    assert reader.segment("Writer") == "nobody types"
    assert reader.press("w") == [TakeWriter(steal=False)]


def test_who_typed_asks_for_the_lease_again_however_long_it_takes(viewer: Viewer) -> None:
    for _ in range(2):
        assert viewer.tell(Detached("the daemon stopped")) == [AskForLease(wanted=True)]
    viewer.attach(again=True, is_writer=False, writer="bob (pid 2)")

    assert viewer.mode == "READ-ONLY"
    assert viewer.toasts[-1] == "bob (pid 2) types: read-only here; w takes the write lease"
    assert viewer.tell(Detached("the daemon stopped")) == [AskForLease(wanted=False)]


def test_who_gave_the_lease_back_does_not_ask_for_it(viewer: Viewer) -> None:
    viewer.happen(WriterChanged(None, "me (pid 1)", stolen=False))
    assert viewer.tell(Detached("the daemon stopped")) == [AskForLease(wanted=False)]


def test_the_log_goes_on_after_an_absence_and_what_happened_meanwhile_is_said(viewer: Viewer) -> None:
    viewer.say("before")
    viewer.tell(Detached("gone"))
    board_at = viewer.next_seq
    viewer.attach(again=True, next_seq=board_at)
    viewer.say("after")
    viewer.happen(Panic("abort", "abort()", True, 0, None, {}, [], False, None, board_at, board_at))

    assert "before\nafter" in viewer.log_text
    assert any("abort()" in toast for toast in viewer.toasts)


def test_history_changes_neither_lease_nor_capture_and_is_not_told(
    make_viewer: MakeViewer, make_board: MakeBoard
) -> None:
    viewer = make_viewer()
    viewer.attach(board=make_board(next_seq=10), next_seq=5)

    viewer.happen(WriterChanged("bob", "me (pid 1)", stolen=True))
    viewer.happen(CoredumpStarted("bench1-1", 6))
    viewer.happen(Line(b"\x1b[5n", 1, "fragment"))

    assert viewer.mode == "DEVICE"
    assert viewer.toasts == []
    assert viewer.sent == b""


def test_a_dump_that_arrives_already_is_shown_at_once(make_viewer: MakeViewer, make_board: MakeBoard) -> None:
    viewer = make_viewer()
    viewer.attach(board=make_board(capture="bench1-3", next_seq=10))

    assert viewer.mode == "CAPTURE"
    assert viewer.view.capture is not None
    assert viewer.view.capture.total_bytes is None


def test_the_lease_that_was_asked_for_leads_to_device_whenever_the_answer_comes(reader: Viewer) -> None:
    reader.happen(ViewerAttached(7, "me (pid 1)", 2))
    reader.press("w", "y")
    reader.tell(EffectDone(TakeWriter(steal=True)))
    reader.happen(WriterChanged("me (pid 1)", "bob (pid 2)", stolen=True))
    assert reader.mode == "DEVICE"
    assert reader.toasts[-1] == "you type to the board now"

    reader.happen(WriterChanged("bob (pid 2)", "me (pid 1)", stolen=True))
    assert reader.mode == "READ-ONLY"
    reader.press("w", "y")
    reader.happen(WriterChanged("me (pid 1)", "bob (pid 2)", stolen=True))
    reader.tell(EffectDone(TakeWriter(steal=True)))

    assert reader.mode == "DEVICE"


def test_a_lease_that_is_lost_before_the_answer_comes_stays_lost(reader: Viewer) -> None:
    reader.happen(ViewerAttached(7, "me (pid 1)", 2))
    reader.press("w", "y")
    reader.happen(
        WriterChanged("me (pid 1)", "bob (pid 2)", stolen=True),
        WriterChanged("eve (pid 9)", "me (pid 1)", stolen=True),
    )
    reader.tell(EffectDone(TakeWriter(steal=True)))

    assert reader.mode == "READ-ONLY"
    assert reader.segment("Writer") == "eve (pid 9) types"
    assert reader.press("x") == []
    assert "eve (pid 9) took over" in " ".join(reader.toasts)


def test_nobody_elses_name_is_taken_for_ones_own(reader: Viewer) -> None:
    reader.press("w", "y")
    reader.happen(WriterChanged("eve (pid 9)", "bob (pid 2)", stolen=True))
    reader.tell(EffectDone(TakeWriter(steal=True)))

    assert reader.mode == "READ-ONLY"


def test_a_lease_that_the_daemon_says_was_there_all_along_is_taken_up_again(viewer: Viewer) -> None:
    viewer.tell(EffectFailed(SendToBoard(b"a"), "busy", "bench1: bob is writing", "wait"))
    assert viewer.mode == "READ-ONLY"
    viewer.tell(EffectDone(TakeWriter(steal=True)))

    assert viewer.mode == "DEVICE"


def test_a_reader_knows_its_name_from_its_own_attachment(reader: Viewer) -> None:
    reader.happen(ViewerAttached(7, "me (pid 1)", 2))
    reader.happen(WriterChanged("me (pid 1)", "bob (pid 2)", stolen=True))

    assert reader.mode == "DEVICE"


def test_a_refused_key_makes_the_viewer_read_only(viewer: Viewer) -> None:
    viewer.tell(EffectFailed(SendToBoard(b"a"), "busy", "bench1: bob is writing", "wait"))

    assert viewer.mode == "READ-ONLY"
    assert viewer.toasts == ["bench1: bob is writing; w takes the write lease"]


def test_a_failure_is_said_with_its_hint(viewer: Viewer) -> None:
    viewer.tell(EffectFailed(SendToBoard(b"a"), "absent", "bench1 is absent", "plug it in"))

    assert viewer.mode == "DEVICE"
    assert viewer.toasts == ["bench1 is absent; plug it in"]


def test_the_status_query_is_answered_at_most_once_a_second(viewer: Viewer) -> None:
    query = Line(b"\x1b[5n", 1, "fragment")

    assert viewer.happen(query) == [SendToBoard(b"\x1b[0n")]
    assert viewer.happen(query) == []
    viewer.wait(1.0)
    assert viewer.happen(Line(b"\x1b[", 1, "fragment")) == []
    assert viewer.happen(Line(b"5n", 1, "fragment")) == [SendToBoard(b"\x1b[0n")]


def test_the_status_query_is_answered_only_by_a_writer_in_raw_device_mode(
    viewer: Viewer, reader: Viewer, make_viewer: MakeViewer
) -> None:
    query = Line(b"\x1b[5n", 1, "fragment")
    liner = make_viewer(settings={"input": "line"})
    liner.attach()
    viewer.press("ctrl-t")

    assert viewer.happen(query) == []
    assert reader.happen(query) == []
    assert liner.happen(query) == []


def test_older_lines_are_fetched_and_shown(viewer: Viewer, make_board: MakeBoard) -> None:
    effects = viewer.attach(board=make_board("bench2", next_seq=500))
    effects += viewer.press("ctrl-t", "pageup")
    request = next(effect for effect in effects if isinstance(effect, FetchPage))
    lines = tuple(Event(seq, seq, "bench2", 1, 1, Line(b"old %d\n" % seq, 1)) for seq in range(400, 500))

    viewer.tell(PageArrived(request, lines, is_end=False))

    assert "old 499" in viewer.log_text or "old 480" in viewer.log_text


def test_who_typed_is_told_when_the_lease_is_gone_after_an_absence(viewer: Viewer) -> None:
    viewer.tell(Detached("gone"))
    viewer.attach(again=True, is_writer=False, writer="bob (pid 2)")

    assert viewer.toasts[-1] == "bob (pid 2) types: read-only here; w takes the write lease"


def test_a_scan_that_an_absence_ended_is_begun_again(viewer: Viewer) -> None:
    scan = next(effect for effect in viewer.effects if isinstance(effect, StartScan))
    viewer.tell(EffectFailed(scan, "failed", "the daemon is away"))
    viewer.tell(Detached("gone"))

    again = [effect for effect in viewer.attach(again=True) if isinstance(effect, StartScan)]
    assert [effect.scan > scan.scan for effect in again] == [True]
    viewer.tell(ScanProgressed(again[0].scan, is_finished=True))
    viewer.tell(Detached("gone"))

    assert not any(isinstance(effect, StartScan) for effect in viewer.attach(again=True))


def test_a_first_connection_that_fails_is_said(make_viewer: MakeViewer) -> None:
    viewer = make_viewer()

    viewer.tell(Detached("nothing listens"))

    assert viewer.toasts == ["not attached yet: nothing listens; it is tried again"]
