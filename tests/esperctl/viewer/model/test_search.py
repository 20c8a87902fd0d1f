from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import Note
from esperctl.viewer.effects import SendToBoard, ShownEvents, StartScan, StopScan
from esperctl.viewer.keys import Key
from esperctl.viewer.messages import EffectFailed, ScanProgressed
from esperctl.viewer.model.search import MAX_MATCHES, Search

if TYPE_CHECKING:
    from esperctl.viewer.effects import Effect
    from tests.esperctl.viewer.model.conftest import Viewer


def scan_of(effects: list[Effect]) -> StartScan:
    scans = [effect for effect in effects if isinstance(effect, StartScan) and effect.purpose == "search"]
    assert len(scans) == 1
    return scans[0]


def search(viewer: Viewer, text: str) -> StartScan:
    viewer.press("/", "ctrl-u")
    viewer.type(text)
    return scan_of(viewer.press("enter"))


def count(viewer: Viewer) -> str:
    assert viewer.view.search is not None
    return viewer.view.search.count


def marked(viewer: Viewer) -> list[str]:
    log = viewer.view.log
    assert log is not None
    return ["".join(span.text for span in row.spans) for row in log.rows if row.is_match]


def test_the_whole_journal_is_searched_and_n_and_shift_n_go_through_it(viewer: Viewer) -> None:
    viewer.say(*(f"line {number}" for number in range(1, 201)))
    viewer.press("ctrl-t")

    scan = search(viewer, "line 1")
    assert (scan.before, scan.pattern, scan.is_regex, scan.limit_bytes) == (201, "line 1", False, None)
    viewer.tell(ScanProgressed(scan.scan, matches=(150, 160), share=0.4))
    assert count(viewer) == "2 so far, 40 % read"
    assert marked(viewer) == ["line 160"]

    viewer.tell(ScanProgressed(scan.scan, matches=(10,), share=1.0, is_finished=True))
    assert count(viewer) == "match 3/3"
    viewer.press("N")
    assert marked(viewer) == ["line 150"]
    viewer.press("N")
    assert count(viewer) == "match 1/3"
    assert marked(viewer) == ["line 10"]
    viewer.press("N")
    assert marked(viewer) == ["line 160"]
    assert "search goes on from the newest match" in viewer.toasts
    viewer.press("n")
    assert marked(viewer) == ["line 10"]


def test_older_matches_are_gone_to_as_soon_as_they_are_found(viewer: Viewer) -> None:
    viewer.say(*(f"line {number}" for number in range(1, 101)))
    viewer.press("ctrl-t")
    scan = search(viewer, "line")
    viewer.tell(ScanProgressed(scan.scan, matches=(90,), share=0.5))

    viewer.press("N")
    assert marked(viewer) == ["line 90"]
    viewer.tell(ScanProgressed(scan.scan, matches=(20, 30), share=1.0, is_finished=True))

    assert marked(viewer) == ["line 30"]
    assert count(viewer) == "match 2/3"


def test_live_matches_are_counted(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    scan = search(viewer, "wifi")
    viewer.tell(ScanProgressed(scan.scan, share=1.0, is_finished=True))
    assert count(viewer) == "no match"

    viewer.say("wifi up", "heap", "WIFI down")
    viewer.press("N")

    assert count(viewer) == "match 2/2"
    assert marked(viewer) == ["WIFI down"]


def test_a_capital_letter_makes_case_matter_and_ctrl_r_makes_it_a_regex(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "/")
    viewer.type("Wi.i")
    viewer.press("ctrl-r")

    scan = scan_of(viewer.press("enter"))

    assert (scan.is_regex, scan.ignore_case) == (True, False)


def test_a_wrong_regex_is_said_in_the_bar_and_every_letter_can_be_typed(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "/", "ctrl-r")
    viewer.type("(nNq?/")
    bar = viewer.view.search
    assert bar is not None
    assert bar.input.text == "(nNq?/"
    assert bar.input.error
    assert not any(isinstance(effect, StartScan) for effect in viewer.press("enter"))

    viewer.press("ctrl-r")

    assert viewer.view.search is not None
    assert viewer.view.search.input.error is None
    assert scan_of(viewer.press("enter")).pattern == "(nNq?/"


def test_editing_ends_the_scan_and_what_it_still_tells_is_ignored(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    scan = search(viewer, "wifi")

    assert viewer.press("/", "x") == [StopScan(scan.scan)]
    viewer.tell(ScanProgressed(scan.scan, matches=(1, 2, 3), is_finished=True))
    second = scan_of(viewer.press("enter"))
    viewer.tell(ScanProgressed(scan.scan, matches=(1, 2, 3), is_finished=True))

    assert second.scan != scan.scan
    assert count(viewer) == "0 so far, 0 % read"


def test_escape_ends_the_search_and_its_segment(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    scan = search(viewer, "wifi")
    assert viewer.segment("Search") == "wifi 0 so far, 0 % read"

    assert viewer.press("/", "escape") == [StopScan(scan.scan)]

    assert viewer.segment("Search") is None
    assert viewer.view.search is None
    assert viewer.mode == "HOST"


def test_a_search_outlives_the_way_back_to_the_board(viewer: Viewer) -> None:
    viewer.say("wifi up")
    viewer.press("ctrl-t")
    scan = search(viewer, "wifi")
    viewer.tell(ScanProgressed(scan.scan, matches=(1,), is_finished=True, share=1.0))
    viewer.press("escape")
    assert viewer.mode == "DEVICE"
    assert viewer.view.search is None

    viewer.press("ctrl-t", "n")

    assert viewer.segment("Search") == "wifi match 1/1"
    assert viewer.mode == "HOST"


def test_earlier_searches_come_back_with_the_arrows(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    search(viewer, "one")
    search(viewer, "two")

    viewer.press("/", "up", "up")

    assert viewer.view.search is not None
    assert viewer.view.search.input.text == "one"


def test_a_scan_that_fails_says_so(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    scan = search(viewer, "wifi")

    viewer.tell(EffectFailed(scan, "failed", "the journal can't be read"))

    assert viewer.view.search is not None
    assert viewer.view.search.input.error == "the journal can't be read"
    assert count(viewer) == "no match, ended early"


def test_the_bar_takes_a_row_of_the_log(viewer: Viewer) -> None:
    viewer.say(*(f"line {number}" for number in range(50)))
    before = viewer.view.log
    viewer.press("ctrl-t", "/")
    after = viewer.view.log

    assert before is not None
    assert after is not None
    assert (len(before.rows), len(after.rows)) == (21, 20)


def test_next_without_a_search_says_so(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "n")

    assert any("nothing was searched for" in toast for toast in viewer.toasts)
    assert viewer.mode == "HOST"


@pytest.fixture
def started() -> Search:
    """Scan 1 runs."""
    search = Search()
    search.open()
    search.edit(Key("a", b"a"))
    search.start(1, 10**8, None, ShownEvents())
    return search


def test_matches_are_bounded_and_still_counted(started: Search) -> None:
    started.progressed(ScanProgressed(1, matches=tuple(range(10)), is_finished=True))

    started.came(range(10, MAX_MATCHES * 2))
    started.go("older", None)

    assert started.count_text == f"match {MAX_MATCHES * 2}/{MAX_MATCHES * 2}, older ones are not listed"
    assert started.enough() == []


def test_the_newest_matches_of_a_scan_are_kept_without_a_hole_and_it_is_ended_then(started: Search) -> None:
    newest, page, position = 10_000_000, MAX_MATCHES // 4 - 100, 10_000_000
    told: list[Effect] = []
    for _ in range(8):
        matches = tuple(range(position - page, position))
        position -= page
        started.progressed(ScanProgressed(1, matches))
        told += started.enough()

    found = [started.go("older", None)]
    while (found[-1] or 0) > newest - MAX_MATCHES:
        found.append(started.go("older", found[-1]))
    assert found == list(range(newest - 1, newest - MAX_MATCHES - 1, -1))
    assert started.go("older", found[-1]) == newest - 1
    assert started.count_text == f"match {MAX_MATCHES}/{MAX_MATCHES}, older ones are not listed"
    assert told == [StopScan(1)]


def test_a_scan_of_a_search_that_matches_everywhere_costs_little(started: Search) -> None:
    pages = [tuple(range(position, position + 20_000)) for position in range(10**7, 0, -20_000)]
    began_at = time.process_time()
    for page in pages:
        started.progressed(ScanProgressed(1, page))

    assert time.process_time() - began_at < 0.5


def test_pages_that_overlap_are_listed_once(started: Search) -> None:
    started.progressed(ScanProgressed(1, (5, 7, 9)))
    started.progressed(ScanProgressed(1, (3, 5, 6), is_finished=True))

    assert started.go("older", None) == 9
    assert started.count_text == "match 5/5"


def test_who_waits_for_an_older_match_is_taken_to_the_newest_when_no_older_are_listed(started: Search) -> None:
    assert started.go("older", 50) is None

    assert started.progressed(ScanProgressed(1, tuple(range(100, MAX_MATCHES + 200)))) == MAX_MATCHES + 199
    assert started.stop() == [StopScan(1)]


SLOW = "(x+x+)+y|(a|aa)+$"
SLOW_LINE = "a" * 60 + "b"


def test_a_slow_regex_is_switched_off_and_said_in_the_bar(viewer: Viewer) -> None:
    viewer.say(*(f"{number} {SLOW_LINE}" for number in range(60)))
    viewer.press("ctrl-t", "/", "ctrl-r")
    began_at = time.process_time()
    viewer.type(SLOW)
    bar = viewer.view.search

    assert time.process_time() - began_at < 1
    assert bar is not None
    assert bar.input.error is not None
    assert SLOW in bar.input.error
    assert viewer.press("enter") == []
    viewer.press("ctrl-u")
    viewer.type("6 a")
    assert viewer.view.search is not None
    assert viewer.view.search.input.error is None
    assert scan_of(viewer.press("enter")).pattern == "6 a"


def test_a_search_that_a_live_line_makes_slow_is_said_once(viewer: Viewer) -> None:
    viewer.press("ctrl-t", "/", "ctrl-r")
    viewer.type(SLOW)
    scan = scan_of(viewer.press("enter"))
    viewer.tell(ScanProgressed(scan.scan, is_finished=True))
    viewer.press("escape")

    viewer.say(SLOW_LINE)

    assert [toast for toast in viewer.toasts if SLOW in toast] == viewer.toasts
    assert len(viewer.toasts) == 1
    viewer.wait(20)
    viewer.say(*[SLOW_LINE] * 100)
    assert viewer.toasts == []


def test_after_no_match_the_text_can_be_edited_again(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    scan = search(viewer, "wdt")
    viewer.tell(ScanProgressed(scan.scan, share=1.0, is_finished=True))
    status = viewer.view.status
    assert status is not None
    assert "/ edit the search" in status.hint

    viewer.press("backspace")
    viewer.type("h?n")
    bar = viewer.view.search
    assert bar is not None
    assert bar.input.text == "wdh?n"
    assert bar.count == ""
    viewer.press("ctrl-u")
    viewer.type("x")

    assert scan_of(viewer.press("enter")).pattern == "x"
    viewer.press("escape")
    assert viewer.mode == "DEVICE"
    assert viewer.press("ctrl-u") == [SendToBoard(b"\x15")]


def test_events_are_found_live_and_gone_to(viewer: Viewer) -> None:
    viewer.press("ctrl-t")
    scan = search(viewer, "store")
    assert scan.shown == ShownEvents("me (pid 1)")
    viewer.tell(ScanProgressed(scan.scan, share=1.0, is_finished=True))

    viewer.happen(Note("in the store", "bob"))
    viewer.say("other", "the store is open")
    viewer.press("N", "N")

    assert count(viewer) == "match 1/2"
    assert marked(viewer) == ["--- note by bob: in the store ---"]


def test_a_line_that_matches_again_as_it_goes_on_is_one_match(started: Search) -> None:
    started.came([3, 9])
    started.came([9])
    started.came([5, 9, 12])

    assert [started.go("newer", position) for position in (3, 5, 9)] == [5, 9, 12]
    assert started.count_text == "4 so far, 0 % read"
