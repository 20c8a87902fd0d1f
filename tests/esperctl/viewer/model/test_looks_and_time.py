from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import CoredumpProgress, CoredumpStarted, Note
from esperctl.viewer import layout
from esperctl.viewer.effects import CopyText, SaveText
from esperctl.viewer.messages import EffectDone, Ticked
from esperctl.viewer.model.toasts import MAX_TOASTS, Toasts

if TYPE_CHECKING:
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def test_nothing_is_due_while_nothing_happens(viewer: Viewer) -> None:
    viewer.say("a line")

    assert viewer.model.next_tick_at is None


def test_toasts_go_by_themselves(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "n")
    assert viewer.model.next_tick_at == viewer.now + 3.0

    viewer.wait(2.9)
    assert viewer.toasts != []
    viewer.wait(0.1)

    assert viewer.toasts == []
    assert viewer.model.next_tick_at is None


def test_a_capture_ticks_while_it_lasts(viewer: Viewer) -> None:
    viewer.happen(CoredumpStarted("bench1-1", viewer.next_seq))
    viewer.wait(30.0)

    assert viewer.model.next_tick_at is not None
    assert viewer.view.capture is not None
    assert viewer.view.capture.elapsed_s == pytest.approx(30.0)


def test_a_stalled_capture_shows_its_rate_fall(viewer: Viewer) -> None:
    viewer.happen(CoredumpStarted("bench1-1", viewer.next_seq))
    for second, size in enumerate((1000, 2000, 2000, 2000, 2000), 1):
        viewer.happen(CoredumpProgress("bench1-1", 0, 0, size, None, float(second)))

    assert viewer.view.capture is not None
    assert viewer.view.capture.bytes_per_s < 250


def test_each_severity_stays_its_time_and_the_number_is_bounded() -> None:
    toasts = Toasts()
    for severity in ("info", "success", "warning", "error"):
        toasts.say(severity, severity, 0.0)
    for number in range(10):
        toasts.say(f"{number}\x1b", "error", 0.0)

    assert [toast.text for toast in toasts.view()] == ["8␛", "9␛"]
    assert len(toasts.view()) == MAX_TOASTS
    assert toasts.next_at == 10.0


def test_follow_counts_new_lines_and_comes_back(viewer: Viewer) -> None:
    viewer.say(*(f"line {number}" for number in range(100)))
    viewer.press("ctrl-t", "pageup")
    viewer.say("one more")
    assert viewer.segment("Follow") == "off, 1 new line"
    assert "one more" not in viewer.log_text

    viewer.press("F")

    assert viewer.segment("Follow") == "on"
    assert "one more" in viewer.log_text


def test_a_pause_discards_nothing(viewer: Viewer) -> None:
    viewer.say("before")
    viewer.press("ctrl-t", "y")
    assert viewer.segment("Pause") == "on"
    viewer.say("meanwhile")
    assert "meanwhile" not in viewer.log_text

    viewer.press("ctrl-t", "y")

    assert "meanwhile" in viewer.log_text
    assert viewer.segment("Pause") is None


def test_timestamps_cycle(viewer: Viewer) -> None:
    kinds: list[str | None] = []
    for _ in range(4):
        viewer.press("ctrl-t", "i")
        kinds.append(viewer.segment("Time"))

    assert kinds == ["wall", "boot", "delta", None]


def test_sideways_needs_cut_lines(viewer: Viewer) -> None:
    viewer.say("x" * 100 + "END")
    viewer.press("ctrl-t", "right")
    assert any("lines are wrapped; Ctrl-T z" in toast for toast in viewer.toasts)

    viewer.press("z", "right", "right", "right")

    assert "END" in viewer.log_text


def test_dumps_unfold_and_fold(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "d")
    assert viewer.segment("Dumps") == "unfolded"

    viewer.press("ctrl-t", "d")

    assert viewer.segment("Dumps") is None


def test_visible_lines_are_copied_and_all_are_saved(viewer: Viewer) -> None:
    viewer.say(*(f"line {number}" for number in range(50)))

    (copied,) = viewer.press("ctrl-t", "Y")
    (saved,) = viewer.press("ctrl-t", "s")

    assert isinstance(copied, CopyText)
    assert isinstance(saved, SaveText)
    assert copied.text.splitlines()[-1] == "line 49"
    assert "line 0\n" not in copied.text
    assert saved.text.splitlines()[0] == "line 0"
    assert saved.name == "bench1.log"
    viewer.tell(EffectDone(saved, "/tmp/bench1.log"))  # noqa: S108 - only shown
    assert "saved: /tmp/bench1.log" in viewer.toasts


def test_there_may_be_nothing_to_copy(viewer: Viewer) -> None:
    assert viewer.press("ctrl-t", "Y") == []
    assert viewer.toasts == ["there are no lines"]


def test_toasts_of_the_board_are_printable(viewer: Viewer) -> None:
    viewer.happen(Note("x", "y"))
    viewer.tell(EffectDone(CopyText("", ""), "\x1b]0;owned\x07"))

    assert viewer.toasts == ["copied: ␛]0;owned\\x07"]


@pytest.mark.parametrize(("columns", "rows"), [(30, 6), (80, 24), (100, 30), (160, 50), (200, 60)])
def test_the_log_has_the_size_that_the_layout_gives_it(make_viewer: MakeViewer, columns: int, rows: int) -> None:
    viewer = make_viewer(columns, rows)
    viewer.attach()
    viewer.say(*["x" * 500] * 30)
    viewer.press("ctrl-t", "/")

    log = viewer.view.log
    assert log is not None
    area = layout.lay_out(columns, rows, with_panel=columns >= 100, bars=1).log
    assert len(log.rows) == area.rows
    assert max(len("".join(span.text for span in row.spans)) for row in log.rows) == area.columns


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (1, 1), (20, 5), (29, 40), (300, 5)])
def test_a_terminal_that_is_too_small_disturbs_nothing(make_viewer: MakeViewer, columns: int, rows: int) -> None:
    viewer = make_viewer()
    viewer.attach()
    viewer.size(columns, rows)
    viewer.press("ctrl-t", "?", "end", "escape", "c", "v")
    viewer.say("still there")

    viewer.size(80, 24)

    assert "still there" in viewer.log_text or viewer.view.inspector is not None


def test_the_hint_names_the_keys_that_are_set(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(settings={"prefix": "ctrl-a", "keys": {"help": "H"}})
    viewer.attach()
    status = viewer.view.status
    assert status is not None
    assert status.hint.startswith("Ctrl-A commands  Ctrl-A H help  Ctrl-] leaves")

    viewer.press("ctrl-a")

    status = viewer.view.status
    assert status is not None
    assert status.hint.startswith("Esc back to the board  r reset  H help")


def test_a_tick_that_nobody_asked_for_changes_nothing(viewer: Viewer) -> None:
    before = viewer.view

    assert viewer.tell(Ticked()) == []
    assert viewer.view == before


def test_before_it_is_attached_there_is_a_mode_and_a_way_out(make_viewer: MakeViewer) -> None:
    viewer = make_viewer()

    assert viewer.mode == "READ-ONLY"
    assert viewer.view.log is None
    viewer.press("r", "w", "v", "c", "/", "escape", "[", "Y")
    assert viewer.sent == b""
