from __future__ import annotations

import json
from typing import TYPE_CHECKING

from esper_protocol.events import (
    Backtrace,
    Boot,
    CoredumpEnded,
    CoredumpProgress,
    CoredumpStarted,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    Event,
    Panic,
    SessionLost,
    SessionOpened,
)
from esper_protocol.messages import CoredumpFile
from esperctl.viewer.effects import (
    CancelDecode,
    CopyText,
    DecodeCoredump,
    FetchCoredump,
    PinCoredump,
    SaveCoredump,
    SaveText,
    StartScan,
)
from esperctl.viewer.messages import CoredumpFetched, CoredumpsListed, EffectDone, ScanProgressed
from esperctl.viewer.model.incidents import MAX_INCIDENTS, MAX_REPORTS, Incidents
from esperctl.viewer.view import DetailView

if TYPE_CHECKING:
    from collections.abc import Callable

    from esper_protocol.records import CoredumpRecord
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer

REPORT = json.dumps(
    {
        "chip": "esp32",
        "reason": "StoreProhibited",
        "crashed_task": "main",
        "registers": {"PC": 0x400D1234, "A0": 1, "A1": 2, "A2": 3},
        "tasks": [
            {
                "name": "main",
                "crashed": True,
                "stack_used": 512,
                "frames": [
                    {"level": 0, "pc": 0x400D1234, "function": "boom", "file": "/src/main.c", "line": 42, "args": []},
                    {"level": 1, "pc": 0x400D2222, "function": "app_main\x1b[2J", "file": "/src/main.c", "line": 50},
                ],
            },
            {"name": "IDLE", "crashed": False, "frames": []},
        ],
        "memory": [{"address": 0x3FFB0000, "size": 4096, "flags": "RW", "name": ".bss"}],
        "warnings": ["stack_corrupt: main"],
    }
)


def panic(seq: int, *, fatal: bool = True) -> Panic:
    return Panic("exception", "StoreProhibited", fatal, 0, "main", {"PC": 0x400D1234}, [(0x400D1234, 0x3FFB0000)],
                 False, "0123abcd", seq, seq)  # fmt: skip


def ended(coredump: str, seq: int, capture: str = "captured") -> CoredumpEnded:
    reason = "end_marker" if capture == "captured" else "reboot"
    return CoredumpEnded(coredump, capture, reason, 100, 3, 0, 8192, 8192, "ok", seq, seq + 2, "/d")  # type: ignore[arg-type]  # a state of the contract


def crash(viewer: Viewer) -> int:
    """A boot, a panic and its dump; the panic's position."""
    viewer.happen(Boot(12, "SW_CPU_RESET", None, viewer.next_seq))
    viewer.say("Guru Meditation Error")
    seq = viewer.next_seq
    viewer.happen(panic(seq - 1))
    start = viewer.next_seq
    viewer.happen(CoredumpStarted("bench1-17", start))
    viewer.happen(ended("bench1-17", start))
    return seq


def detail_of(viewer: Viewer) -> DetailView:
    detail = viewer.view.overlay
    assert isinstance(detail, DetailView)
    return detail


def has_list(viewer: Viewer) -> bool:
    return viewer.view.inspector is not None


def text_of(detail: DetailView) -> str:
    return "\n".join("".join(span.text for span in line) for section in detail.sections for line in section.lines)


def test_the_whole_crash_flow(make_viewer: MakeViewer, make_coredump: Callable[..., CoredumpRecord]) -> None:
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
    detail = detail_of(viewer)
    assert [section.title for section in detail.sections] == [
        "Summary", "Frames", "Warnings", "Registers", "Tasks (2)", "Memory", "Files",
    ]  # fmt: skip
    assert "#0  0x400d1234 in boom at /src/main.c:42" in text_of(detail)
    assert detail.severity == "success"
    viewer.press("escape")
    assert viewer.mode == "DEVICE"


def test_what_a_report_says_is_printable(viewer: Viewer, make_coredump: Callable[..., CoredumpRecord]) -> None:
    crash(viewer)
    viewer.press("ctrl-t", "v")

    viewer.tell(CoredumpFetched(make_coredump(reason="\x1b]52;c;x\x07"), (), REPORT))

    assert text_of(detail_of(viewer)).replace("\n", "").isprintable()
    assert "app_main␛[2J" in text_of(detail_of(viewer))


def test_the_list_has_the_keys_and_opens_what_is_selected(viewer: Viewer) -> None:
    crash(viewer)
    viewer.press("ctrl-t", "c")
    inspector = viewer.view.inspector
    assert inspector is not None
    assert inspector.has_focus
    assert [item.title for item in inspector.items] == [
        "boot 12: SW_CPU_RESET", "panic: exception", "core dump bench1-17",
    ]  # fmt: skip
    assert inspector.selected == 2

    viewer.press("up", "enter")

    detail = detail_of(viewer)
    assert detail.title == "panic: exception"
    assert "core dump: bench1-17, captured, 8.0 KiB" in text_of(detail)
    assert "0x400d1234 (sp 0x3ffb0000)" in text_of(detail)
    assert viewer.press("tab") == [FetchCoredump("bench1-17")]
    assert detail_of(viewer).title == "core dump bench1-17"
    viewer.press("escape", "escape")
    assert viewer.mode == "DEVICE"


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


def test_a_detail_jumps_to_its_line_in_the_log(viewer: Viewer) -> None:
    crash(viewer)
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


def test_what_can_be_done_with_a_dump(viewer: Viewer, make_coredump: Callable[..., CoredumpRecord]) -> None:
    crash(viewer)
    viewer.press("ctrl-t", "v")
    assert "P" not in dict(detail_of(viewer).keys)
    viewer.tell(CoredumpFetched(make_coredump(decode={"state": "failed", "error": "no ELF file"}), (), None))
    assert detail_of(viewer).state == "failed: no ELF file"

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
    seq = crash(viewer)
    viewer.happen(DecodeStarted(f"panic:{seq}", "native", 3))
    viewer.happen(DecodeFinished(f"panic:{seq}", "native", 0.1, "", REPORT, 3))

    viewer.press("ctrl-t", "c", "up", "enter")

    assert detail_of(viewer).state == "decoded"
    assert "boom at /src/main.c:42" in text_of(detail_of(viewer))
    assert "r" not in dict(detail_of(viewer).keys)


def test_a_report_that_is_no_json_is_shown_as_the_text_it_is(viewer: Viewer) -> None:
    seq = crash(viewer)
    viewer.happen(DecodeFinished(f"panic:{seq}", "x", 0.1, "", "line one\nline two", 3))
    viewer.press("ctrl-t", "c", "up", "enter")

    assert "line one\nline two" in text_of(detail_of(viewer))


def test_states_never_go_back_when_older_events_come_later() -> None:
    incidents = Incidents()
    finished = Event(20, 1, "b", 1, 1, DecodeFinished("b-1", "native", 1.0, "", "{}", 1))
    queued = Event(10, 1, "b", 1, 1, DecodeQueued("b-1", 1))

    incidents.learn([finished])
    incidents.learn([queued])

    incident = incidents.get("b-1")
    assert incident is not None
    assert incident.decode.state == "decoded"


def test_a_scan_and_the_stored_dumps_fill_the_list(
    make_viewer: MakeViewer, make_coredump: Callable[..., CoredumpRecord]
) -> None:
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


def test_a_long_detail_scrolls_to_its_last_line_and_no_further(
    viewer: Viewer, make_coredump: Callable[..., CoredumpRecord]
) -> None:
    crash(viewer)
    viewer.press("ctrl-t", "v")
    viewer.tell(CoredumpFetched(make_coredump(), (), "\n".join(f"{number} " + "x" * 200 for number in range(100))))

    viewer.press("end")
    last = detail_of(viewer).scroll
    viewer.press("down", "pagedown")

    assert detail_of(viewer).scroll == last > 250
    viewer.press("home")
    assert detail_of(viewer).scroll == 0


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
    assert detail_of(viewer).title == "backtrace"


def test_a_guessed_frame_says_so_wherever_it_is_shown(viewer: Viewer) -> None:
    frames = '[{"pc": 1, "function": "sure", "how": "cfi"}, {"pc": 2, "function": "maybe", "how": "scan"}]'
    guessed = "#1  0x00000002 in maybe  (guessed)"
    panic_seq = crash(viewer)
    for target in (f"panic:{panic_seq}", "bench1-17"):
        viewer.happen(DecodeFinished(target, "native", 0.1, "", f'{{"frames": {frames}}}', 3))

    assert viewer.log_text.count(guessed) == viewer.log_text.count("(guessed)") == 2
    viewer.press("ctrl-t", "c", "enter")
    assert guessed in text_of(detail_of(viewer))
    viewer.press("escape", "up", "enter")
    assert guessed in text_of(detail_of(viewer))
