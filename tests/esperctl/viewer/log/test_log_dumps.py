from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from esper_protocol.events import (
    CoredumpEnded,
    CoredumpProgress,
    CoredumpStarted,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    Panic,
)

if TYPE_CHECKING:
    from tests.esperctl.viewer.log.conftest import WatchBoard, Watched

DUMP = "bench1-7"
FOLDED = f"[+] core dump {DUMP}: "


def ended(first_seq: int = 1) -> CoredumpEnded:
    return CoredumpEnded(DUMP, "captured", "end_marker", 9, 3, 0, 6000, 6000, "ok", first_seq, 9, "/x")


def base64_lines(count: int) -> str:
    return "".join(base64.b64encode(f"{index:06}".encode()).decode() + "\r\n" for index in range(count))


def crash(board: Watched, lines: int = 30) -> int:
    """A whole dump; returns the position of its end."""
    board.say("start marker\n")
    board.happen(CoredumpStarted(DUMP, 1))
    board.say(base64_lines(lines))
    board.say("end marker\n")
    return board.happen(ended())


def report(**fields: object) -> str:
    frames = [{"level": 0, "pc": 0x400D1234, "function": "boom", "file": "main.c", "line": 7}]
    task = {"name": "wifi", "crashed": True, "frames": frames}
    return json.dumps({"reason": "LoadProhibited", "tasks": [task], **fields})


def test_a_dump_is_one_row_with_live_progress(watch: WatchBoard) -> None:
    board = watch(columns=90, rows=9)
    board.say("start marker\n")
    board.happen(CoredumpStarted(DUMP, 1))
    board.say(base64_lines(30))
    board.happen(CoredumpProgress(DUMP, 240, 30, 1024, 4096, 2.5))
    assert board.screen == [
        "start marker",
        f"{FOLDED}1.0 KiB of 4.0 KiB, 25 % after 2 s, 30 lines of base64 folded",
    ]
    board.say("I (5) wifi: the other core\n" + base64_lines(2) + "end marker\n")
    board.happen(ended())
    assert board.screen == [
        "start marker",
        f"{FOLDED}32 lines of base64 folded",
        "I (5) wifi: the other core",
        "end marker",
        f"--- core dump {DUMP} captured (end_marker): 5.9 KiB, 3 lines, checksum ok ---",
    ]


def test_a_dump_is_unfolded_on_demand(watch: WatchBoard) -> None:
    board = watch(columns=60, rows=9)
    crash(board, lines=3)
    board.log.set_dumps_folded(False)
    assert board.screen[2:5] == base64_lines(3).split("\r\n")[:3]
    board.log.set_dumps_folded(True)
    assert board.screen[1] == f"{FOLDED}3 lines of base64 folded"


def test_a_dump_that_was_arriving_when_the_viewer_came_is_folded_at_once(watch: WatchBoard) -> None:
    board = watch(columns=80, rows=4)
    board.record(CoredumpStarted(DUMP, 1))
    board.attach(capture=DUMP)
    board.say(base64_lines(9))
    assert board.screen == [f"{FOLDED}9 lines of base64 folded"]


def test_a_dump_whose_beginning_is_not_in_memory_is_known_by_its_end(watch: WatchBoard) -> None:
    board = watch(columns=80, rows=4)
    board.say("before\n" + base64_lines(9) + "end marker\n")
    assert len(board.screen) == 4
    board.happen(ended(first_seq=2))
    assert board.screen[:2] == ["before", f"{FOLDED}9 lines of base64 folded"]


def test_the_decode_of_a_panic_stands_below_it_and_not_at_the_end(watch: WatchBoard) -> None:
    board = watch(columns=60, rows=12)
    board.say("Guru Meditation Error\n")
    seq = board.happen(Panic("exception", "LoadProhibited", True, 0, "wifi", {}, [(0x400D1234, 0)], False, None, 1, 1))
    board.say("rebooting\n")
    marker = "--- panic, exception on core 0 in wifi: LoadProhibited ---"
    target = f"panic:{seq}"
    board.happen(DecodeQueued(target, 1), DecodeStarted(target, "native", 1))
    assert board.screen == ["Guru Meditation Error", marker, "--- decoding in background ---", "rebooting"]
    frames = [{"level": 0, "pc": 0x400D1234, "function": "boom", "file": "main.c", "line": 7}]
    board.happen(DecodeFinished(target, "native", 0.5, "", json.dumps({"frames": frames}), 1))
    assert board.screen == [
        "Guru Meditation Error",
        marker,
        "    #0  0x400d1234 in boom at main.c:7",
        "rebooting",
    ]
    board.log.set_show_decode(False)
    assert board.screen == ["Guru Meditation Error", marker, "rebooting"]


def test_the_report_of_a_dump_is_short_and_stands_below_its_end(watch: WatchBoard) -> None:
    board = watch(columns=90, rows=20)
    crash(board)
    board.say("later\n")
    board.happen(DecodeQueued(DUMP, 1))
    assert board.screen[-3:] == [board.screen[3], "--- decoding in background ---", "later"]
    board.happen(DecodeFinished(DUMP, "native", 0.5, "/r", report(), 1))
    assert board.screen[-3:] == [
        "    decoded: task wifi crashed in boom at main.c:7; the inspector shows the report",
        "    #0  0x400d1234 in boom at main.c:7",
        "later",
    ]


def test_a_long_report_does_not_flood_the_log(watch: WatchBoard) -> None:
    board = watch(columns=90, rows=40)
    crash(board)
    frames = [{"level": level, "function": f"f{level}"} for level in range(100)]
    body = report(tasks=[{"name": "x", "crashed": True, "frames": frames}])
    board.happen(DecodeFinished(DUMP, "native", 0.5, "/r", body, 1))
    assert sum(row.startswith("    ") for row in board.screen) == 13
    assert board.screen[-1] == "    … the rest is in the report"


def test_a_failed_decode_says_why(watch: WatchBoard) -> None:
    board = watch(columns=90, rows=20)
    crash(board)
    board.happen(DecodeFailed(DUMP, "native", "no \x1b[5mELF file", 1))
    assert board.screen[-1] == "--- decoding failed (native): no ␛[5mELF file ---"


def test_a_decode_of_what_is_not_in_memory_is_told_where_it_came(watch: WatchBoard) -> None:
    board = watch(columns=90, rows=20)
    board.attach()
    board.say("one\n")
    board.happen(DecodeFinished("bench1-1", "native", 0.5, "/r", report(), 1))
    assert board.screen == [
        "one",
        "--- decoded bench1-1 in 0.5 s (native): /r ---",
        "    decoded: task wifi crashed in boom at main.c:7; the inspector shows the report",
        "    #0  0x400d1234 in boom at main.c:7",
    ]


def test_a_decode_moves_to_its_panic_when_that_is_scrolled_to(watch: WatchBoard) -> None:
    board = watch(columns=90, rows=4, page_lines=2)
    board.say("a\nb\nc\n")
    seq = board.happen(Panic("abort", "abort()", True, None, None, {}, [], False, None, 1, 1))
    board.say("1\n2\n3\n4\n5\n6\n")
    board.happen(DecodeFailed(f"panic:{seq}", "native", "no ELF", 1))
    board.say("7\n")
    board.attach()
    assert board.screen[-2:] == [f"--- decoding panic:{seq} failed (native): no ELF ---", "7"]
    board.log.scroll(-6)
    board.read()
    assert board.screen == ["--- panic, abort: abort() ---", "--- decoding failed (native): no ELF ---", "1", "2"]
