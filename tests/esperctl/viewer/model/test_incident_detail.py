from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import DecodeFailed, DecodeFinished, DecodeStarted
from esperctl.viewer.effects import (
    CancelDecode,
    CopyText,
    DecodeCoredump,
    FetchCoredump,
    PinCoredump,
    SaveCoredump,
    SaveText,
)
from esperctl.viewer.messages import CoredumpFetched, EffectDone
from esperd.testing.crash_events import REPORT

if TYPE_CHECKING:
    from tests.esperctl.conftest import MakeCoredump
    from tests.esperctl.viewer.model.conftest import Viewer


def test_a_detail_jumps_to_its_line_in_the_log(viewer: Viewer) -> None:
    viewer.crash()
    viewer.say(*(f"later {number}" for number in range(100)))
    viewer.press("ctrl-t", "{")
    log = viewer.view.log
    assert log is not None
    assert ["".join(span.text for span in row.spans) for row in log.rows if row.is_match] == ["Guru Meditation Error"]
    viewer.press("G")
    assert "later 99" in viewer.log_text

    viewer.press("c", "up", "enter", "j")

    assert "Guru Meditation Error" in viewer.log_text
    assert viewer.view.overlay is None
    assert viewer.view.inspector is None
    assert viewer.mode == "HOST"


def test_what_can_be_done_with_a_dump(viewer: Viewer, make_coredump: MakeCoredump) -> None:
    viewer.crash()
    viewer.press("ctrl-t", "v")
    assert "P" not in dict(viewer.detail.keys)
    viewer.tell(CoredumpFetched(make_coredump(decode={"state": "failed", "error": "no ELF file"}), (), None))
    assert viewer.detail.state == "failed: no ELF file"

    assert viewer.press("r") == [SaveCoredump("bench1-17")]
    assert viewer.press("d") == [DecodeCoredump("bench1-17")]
    assert viewer.press("P") == [PinCoredump("bench1-17", pinned=True)]
    assert viewer.tell(EffectDone(PinCoredump("bench1-17", pinned=True))) == [FetchCoredump("bench1-17")]
    copied, saved = viewer.press("c", "s")
    assert isinstance(copied, CopyText)
    assert isinstance(saved, SaveText)
    assert copied.name == saved.name == "bench1-17-report.txt"
    assert "core dump bench1-17\n\nSummary\n" in copied.text

    viewer.happen(DecodeStarted("bench1-17", "native", 2))
    assert viewer.press("d") == [CancelDecode("bench1-17")]
    assert viewer.happen(DecodeFailed("bench1-17", "native", "bad", 2)) == [FetchCoredump("bench1-17")]


def test_a_panics_own_decode_is_shown_in_its_detail(viewer: Viewer) -> None:
    seq = viewer.crash()
    viewer.happen(DecodeStarted(f"panic:{seq}", "native", 3))
    viewer.happen(DecodeFinished(f"panic:{seq}", "native", 0.1, "", REPORT, 3))

    viewer.press("ctrl-t", "c", "up", "enter")

    assert viewer.detail.state == "decoded"
    assert "boom at /src/main.c:42" in viewer.detail_text
    assert "r" not in dict(viewer.detail.keys)


def test_a_report_that_is_no_json_is_shown_as_the_text_it_is(viewer: Viewer) -> None:
    seq = viewer.crash()
    viewer.happen(DecodeFinished(f"panic:{seq}", "x", 0.1, "", "line one\nline two", 3))
    viewer.press("ctrl-t", "c", "up", "enter")

    assert "line one\nline two" in viewer.detail_text


def test_a_long_detail_scrolls_to_its_last_line_and_no_further(viewer: Viewer, make_coredump: MakeCoredump) -> None:
    viewer.crash()
    viewer.press("ctrl-t", "v")
    viewer.tell(CoredumpFetched(make_coredump(), (), "\n".join(f"{number} " + "x" * 200 for number in range(100))))

    viewer.press("end")
    last = viewer.detail.scroll
    viewer.press("down", "pagedown")

    assert viewer.detail.scroll == last > 250
    viewer.press("home")
    assert viewer.detail.scroll == 0


def test_only_what_can_be_in_a_state_has_one(viewer: Viewer) -> None:
    viewer.crash()
    viewer.press("ctrl-t", "c", "home", "enter")
    assert (viewer.detail.title, viewer.detail.state) == ("boot 12: SW_CPU_RESET", "")

    viewer.press("tab")

    assert (viewer.detail.title, viewer.detail.state) == ("panic: exception", "not decoded")
