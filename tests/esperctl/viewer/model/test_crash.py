from __future__ import annotations

from typing import TYPE_CHECKING

from esper_protocol.events import (
    Backtrace,
    CoredumpProgress,
    CoredumpStarted,
    DecodeCancelled,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
)
from esper_protocol.messages import CoredumpFile
from esperctl.viewer.effects import FetchCoredump
from esperctl.viewer.messages import CoredumpFetched
from esperd.testing.crash_events import REPORT, ended, panic

if TYPE_CHECKING:
    from tests.esperctl.conftest import MakeCoredump
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer


def test_the_whole_crash_flow(make_viewer: MakeViewer, make_coredump: MakeCoredump) -> None:
    viewer = make_viewer(120, 40)
    viewer.attach()
    viewer.say("Guru Meditation Error: StoreProhibited")
    viewer.happen(panic(viewer.next_seq - 1))
    assert any("panic in main: StoreProhibited; Ctrl-T v shows it" in toast for toast in viewer.toasts)
    assert viewer.mode == "DEVICE"

    viewer.happen(CoredumpStarted("bench1-17", viewer.next_seq))
    assert viewer.mode == "CAPTURE"
    viewer.happen(CoredumpProgress("bench1-17", 2000, 30, 1000, 4000, 1.0))
    viewer.happen(CoredumpProgress("bench1-17", 4000, 60, 3000, 4000, 2.0))
    viewer.wait(1.5)
    progress = viewer.view.capture
    assert progress is not None
    assert (progress.decoded_bytes, progress.total_bytes, progress.elapsed_s) == (3000, 4000, 3.0)
    assert 1000 < progress.bytes_per_s < 2000
    assert viewer.segment("Capture") == "75 %"

    viewer.happen(ended("bench1-17", viewer.next_seq))
    assert viewer.mode == "DEVICE"
    assert viewer.view.capture is None
    assert "core dump bench1-17 captured (8.0 KiB); decoding…; Ctrl-T v shows it" in viewer.toasts
    viewer.happen(DecodeQueued("bench1-17", 1), DecodeStarted("bench1-17", "native", 1))
    assert viewer.view.inspector is not None
    assert viewer.view.inspector.items[-1].detail.startswith("decoding, ")
    viewer.say("the log keeps flowing")
    assert viewer.press("x")[0] is not None

    viewer.happen(DecodeFinished("bench1-17", "native", 0.3, "/r.json", REPORT, 1))
    assert "core dump bench1-17 decoded: boom at main.c:42; Ctrl-T v shows it" in viewer.toasts
    assert "the log keeps flowing" in viewer.log_text

    assert viewer.press("ctrl-t", "v") == [FetchCoredump("bench1-17")]
    files = (CoredumpFile("core.b64", 100),)
    viewer.tell(CoredumpFetched(make_coredump(decode={"state": "done"}), files, REPORT))
    detail = viewer.detail
    assert [section.title for section in detail.sections] == [
        "Summary", "Frames", "Warnings", "Registers", "Tasks (2)", "Memory", "Files",
    ]  # fmt: skip
    assert "#0  0x400d1234 in boom at /src/main.c:42" in viewer.detail_text
    assert detail.severity == "success"
    viewer.press("escape")
    assert viewer.mode == "DEVICE"


def test_what_a_report_says_is_printable(viewer: Viewer, make_coredump: MakeCoredump) -> None:
    viewer.crash()
    viewer.press("ctrl-t", "v")

    viewer.tell(CoredumpFetched(make_coredump(reason="\x1b]52;c;x\x07"), (), REPORT))

    assert viewer.detail_text.replace("\n", "").isprintable()
    assert "app_main␛[2J" in viewer.detail_text


def test_many_panics_are_one_toast(viewer: Viewer) -> None:
    for _ in range(5):
        viewer.happen(panic(viewer.next_seq))

    assert len(viewer.toasts) == 1
    assert viewer.toasts[0].endswith("(5 times)")


def test_decodes_are_not_told_when_they_are_hidden(make_viewer: MakeViewer) -> None:
    viewer = make_viewer(show_decode=False)
    viewer.attach()

    viewer.happen(DecodeCancelled("bench1-17", "the daemon stops"))

    assert viewer.toasts == []
    assert viewer.segment("Decodes") == "hidden"


def test_a_partial_dump_is_a_warning(viewer: Viewer) -> None:
    viewer.happen(CoredumpStarted("bench1-2", viewer.next_seq))
    viewer.happen(ended("bench1-2", viewer.next_seq, "partial"))

    assert viewer.toasts == ["core dump bench1-2 is partial (reboot), 8.0 KiB; Ctrl-T v shows it"]
    assert viewer.view.toasts[0].severity == "warning"


def test_the_latest_crash_is_said_to_be_none(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "v")

    assert viewer.toasts == ["no crash is known"]


def test_a_reader_is_not_asked_about_a_capture_by_ctrl_c(reader: Viewer) -> None:
    reader.happen(CoredumpStarted("bench1-1", reader.next_seq))
    reader.press("ctrl-c")

    assert reader.view.overlay is None
    assert "Ctrl-] leaves" in reader.toasts


def test_a_backtrace_without_a_panic_is_no_crash(viewer: Viewer) -> None:
    viewer.say("Backtrace: 0x400d1234:0x3ffb0000")
    viewer.happen(Backtrace([(0x400D1234, 0x3FFB0000)], False, viewer.next_seq - 1))
    viewer.happen(DecodeFinished(f"panic:{viewer.next_seq - 1}", "native", 0.1, "", REPORT, 4))

    assert viewer.toasts[0].startswith("backtrace decoded: boom at main.c:42")
    viewer.press("ctrl-t", "v")
    assert "no crash is known" in viewer.toasts
    viewer.press("ctrl-t", "c", "enter")
    assert viewer.detail.title == "backtrace"


def test_a_guessed_frame_says_so_wherever_it_is_shown(viewer: Viewer) -> None:
    frames = '[{"pc": 1, "function": "sure", "how": "cfi"}, {"pc": 2, "function": "maybe", "how": "scan"}]'
    guessed = "#1  0x00000002 in maybe  (guessed)"
    panic_seq = viewer.crash()
    for target in (f"panic:{panic_seq}", "bench1-17"):
        viewer.happen(DecodeFinished(target, "native", 0.1, "", f'{{"frames": {frames}}}', 3))

    assert viewer.log_text.count(guessed) == viewer.log_text.count("(guessed)") == 2
    viewer.press("ctrl-t", "c", "enter")
    assert guessed in viewer.detail_text
    viewer.press("escape", "up", "enter")
    assert guessed in viewer.detail_text
