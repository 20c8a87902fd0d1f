from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import Boot, DecodeFinished, DecodeQueued, Event, SessionLost, SessionOpened
from esperctl.viewer.effects import FetchCoredump, StartScan
from esperctl.viewer.messages import CoredumpsListed, ScanProgressed
from esperctl.viewer.model.incidents import MAX_INCIDENTS, MAX_REPORTS, Incidents
from esperd.testing.crash_events import panic

if TYPE_CHECKING:
    from tests.esperctl.conftest import MakeCoredump
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def test_the_list_has_the_keys_and_opens_what_is_selected(viewer: Viewer) -> None:
    viewer.crash()
    viewer.press("ctrl-t", "c")
    inspector = viewer.view.inspector
    assert inspector is not None
    assert inspector.has_focus
    assert [item.title for item in inspector.items] == [
        "boot 12: SW_CPU_RESET", "panic: exception", "core dump bench1-17",
    ]  # fmt: skip
    assert inspector.selected == 2

    viewer.press("up", "enter")

    detail = viewer.detail
    assert detail.title == "panic: exception"
    assert "core dump: bench1-17, captured, 8.0 KiB" in viewer.detail_text
    assert "0x400d1234 (sp 0x3ffb0000)" in viewer.detail_text
    assert viewer.press("tab") == [FetchCoredump("bench1-17")]
    assert viewer.detail.title == "core dump bench1-17"
    viewer.press("escape", "escape")
    assert viewer.mode == "DEVICE"


def has_list(viewer: Viewer) -> bool:
    return viewer.view.inspector is not None


def test_below_100_columns_the_list_is_there_only_while_it_has_the_keys(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(99, 30)
    viewer.attach()
    assert not has_list(viewer)
    viewer.press("ctrl-t", "c")
    assert has_list(viewer)
    viewer.press("escape")
    assert not has_list(viewer)

    viewer.size(100, 30)
    assert has_list(viewer)
    assert viewer.mode == "DEVICE"
    viewer.press("ctrl-t", "o")
    assert not has_list(viewer)


def test_boots_are_jumped_between_and_the_end_is_said(viewer: Viewer) -> None:
    for number in (1, 2, 3):
        viewer.say(f"rst {number}")
        viewer.happen(Boot(1, "POWERON", None, viewer.next_seq - 1), boot=number)
        viewer.say(*["x"] * 30)

    viewer.press("ctrl-t", "[", "[")
    assert "rst 2" in viewer.log_text
    viewer.press("]")
    assert "rst 3" in viewer.log_text
    viewer.press("]")

    assert "no newer boot" in viewer.toasts


def test_states_never_go_back_when_older_events_come_later() -> None:
    incidents = Incidents()
    finished = Event(20, 1, "b", 1, 1, DecodeFinished("b-1", "native", 1.0, "", "{}", 1))
    queued = Event(10, 1, "b", 1, 1, DecodeQueued("b-1", 1))

    incidents.learn([finished])
    incidents.learn([queued])

    incident = incidents.get("b-1")
    assert incident is not None
    assert incident.decode.state == "decoded"


def test_a_scan_and_the_stored_dumps_fill_the_list(make_viewer: MakeViewer, make_coredump: MakeCoredump) -> None:
    viewer = make_viewer(120, 30)
    effects = viewer.attach(next_seq=1000)
    scan = next(effect for effect in effects if isinstance(effect, StartScan))
    assert (scan.purpose, scan.before, scan.wants_events, scan.limit_bytes) == ("incidents", 1000, True, 16 << 20)
    assert viewer.view.inspector is not None
    assert viewer.view.inspector.note == "looking through the journal…"

    boot = Event(50, 1, "bench1", 1, 3, Boot(1, "POWERON", None, 50))
    viewer.tell(ScanProgressed(scan.scan, events=(boot,)))
    viewer.tell(ScanProgressed(scan.scan + 99, events=(Event(60, 1, "bench1", 1, 4, Boot(1, "X", None, 60)),)))
    viewer.tell(ScanProgressed(scan.scan, is_finished=True))
    viewer.tell(CoredumpsListed((make_coredump(), make_coredump("other-1", board="other"))))

    assert viewer.view.inspector is not None
    assert [item.title for item in viewer.view.inspector.items] == ["boot 3: POWERON", "core dump bench1-17"]
    assert "journal…" not in viewer.view.inspector.note


def test_incidents_and_their_reports_are_bounded() -> None:
    incidents = Incidents()

    for seq in range(0, 4000, 2):
        incidents.learn([Event(seq, 1, "b", 1, 1, panic(seq))])
        done = DecodeFinished(f"panic:{seq}", "native", 1.0, "", "{}", 1)
        incidents.learn([Event(seq + 1, 1, "b", 1, 1, done)])

    kept = incidents.sorted()
    assert MAX_INCIDENTS <= len(kept) <= MAX_INCIDENTS * 1.2
    assert kept[-1].seq == 3998
    assert sum(incident.decode.report is not None for incident in kept) == MAX_REPORTS


def test_a_port_that_goes_and_comes_is_said_and_listed(viewer: Viewer) -> None:
    viewer.happen(SessionLost("/dev/ttyUSB0", "unplugged"))
    title = viewer.view.title
    assert title is not None
    assert (title.state, title.is_well) == ("absent", False)
    assert viewer.toasts == ["/dev/ttyUSB0 is gone: unplugged"]

    viewer.happen(SessionOpened("/dev/ttyUSB1", 921600))

    title = viewer.view.title
    assert title is not None
    assert (title.port, title.baud, title.state, title.is_well) == ("/dev/ttyUSB1", 921600, "connected", True)
    assert viewer.toasts == ["/dev/ttyUSB1 is there"]


def selected(viewer: Viewer) -> str:
    inspector = viewer.view.inspector
    assert inspector is not None
    assert inspector.selected is not None
    return inspector.items[inspector.selected].title


def test_the_newest_crash_is_selected_at_first_whatever_came_after_it(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(120, 40)
    viewer.attach()
    viewer.crash()
    viewer.happen(Boot(12, "SW_CPU_RESET", None, viewer.next_seq), boot=13)
    assert selected(viewer) == "boot 13: SW_CPU_RESET"

    viewer.press("ctrl-t", "c")
    assert selected(viewer) == "core dump bench1-17"
    viewer.press("end")
    assert selected(viewer) == "boot 13: SW_CPU_RESET"
    viewer.press("up", "up", "escape", "ctrl-t", "c")
    assert selected(viewer) == "panic: exception"

    viewer.press("enter")

    assert viewer.detail.title == "panic: exception"


def test_without_a_crash_the_newest_entry_is_selected(viewer: Viewer) -> None:
    viewer.happen(Boot(12, "POWERON", None, 1), SessionLost("/dev/ttyUSB0", "unplugged"))
    viewer.press("ctrl-t", "c")

    assert selected(viewer) == "/dev/ttyUSB0 is gone: unplugged"
