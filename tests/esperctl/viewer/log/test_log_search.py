from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from esper_protocol.events import (
    CoredumpEnded,
    CoredumpStarted,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    Note,
    Panic,
    Tx,
)
from esperctl.viewer.effects import ShownEvents
from esperctl.viewer.log.event_search import EventSearch
from esperctl.viewer.log.highlighting import SearchPattern

if TYPE_CHECKING:
    from tests.esperctl.viewer.log.conftest import WatchBoard, Watched

REPORT = json.dumps({"reason": "Store", "frames": [{"pc": 1, "function": "boom"}]})
PANIC = Panic("exception", "Store access fault", True, 0, "main", {}, [], False, None, 1, 1)


def typed(text: str, who: str = "bob") -> Tx:
    return Tx(text.encode(), who, "typed")


def ended(lines: int = 2) -> CoredumpEnded:
    return CoredumpEnded("b-7", "captured", "end_marker", 9, lines, 0, 6000, 6000, "ok", 1, 9, "/x")


def found_live(board: Watched, pattern: str) -> list[int]:
    """What matches of the whole journal, had it come live."""
    board.log.set_search(SearchPattern(pattern))
    return board.log.matching(board.journal)


def found_in_journal(board: Watched, pattern: str, shown: ShownEvents | None = None) -> list[int]:
    """What a scan finds of what is no line."""
    search = EventSearch(shown or ShownEvents(), SearchPattern(pattern).is_in)
    for event in board.journal:
        search.take(event)
    return search.positions()


@pytest.fixture
def crashed(watch: WatchBoard) -> Watched:
    """1 a line, 2 a note, 3 a panic, 4 to 9 its decode and a dump, 10 the dump's decode, 11 and 12 what bob typed."""
    board = watch(80, 30)
    board.say("rst\n")
    board.happen(
        Note("before it", "alice"),
        PANIC,
        DecodeQueued("panic:3", 1),
        DecodeFinished("panic:3", "native", 0.1, "", REPORT, 1),
    )
    board.happen(CoredumpStarted("b-7", 1))
    board.say("QUJD\nQUJD\n")
    board.happen(ended(), DecodeFinished("b-7", "native", 0.1, "/r.json", REPORT, 2), typed("he"), typed("lp"))
    return board


@pytest.mark.parametrize(
    ("pattern", "positions"),
    [
        ("note by alice", [2]),
        ("store access", [3]),
        ("in boom", [5, 10]),
        ("decoding in background", []),
        ("lines of base64 folded", [6]),
        ("checksum ok", [9]),
        ("> help (bob)", [11]),
        ("nothing like it", []),
    ],
)
def test_events_are_found_by_what_the_screen_shows_of_them(
    crashed: Watched, pattern: str, positions: list[int]
) -> None:
    assert found_live(crashed, pattern) == positions
    assert found_in_journal(crashed, pattern) == positions


def test_a_dump_s_row_is_found_by_its_number_of_lines(crashed: Watched) -> None:
    assert "[+] core dump b-7: 2 lines of base64 folded" in crashed.screen
    assert found_live(crashed, "b-7: 2 lines") == found_in_journal(crashed, "b-7: 2 lines") == [6]


def test_what_is_not_shown_is_not_found(crashed: Watched) -> None:
    crashed.log.set_show_decode(show=False)
    crashed.log.set_own_name("bob")

    assert crashed.log.shown_events == ShownEvents("bob", decodes=False)
    for pattern in ("in boom", "> help"):
        assert found_live(crashed, pattern) == []
        assert found_in_journal(crashed, pattern, crashed.log.shown_events) == []


def test_a_decode_whose_panic_is_elsewhere_is_found_by_itself(watch: WatchBoard) -> None:
    board = watch(80, 10)
    board.say("rst\n")
    board.happen(DecodeStarted("b-7", "native", 2), DecodeFinished("b-7", "native", 0.1, "/r.json", REPORT, 2))

    assert found_in_journal(board, "decoding b-7") == [2]
    assert found_in_journal(board, "decoded b-7") == [3]


def test_a_line_that_arrives_in_pieces_is_found_where_it_begins(watch: WatchBoard) -> None:
    board = watch()
    board.say("wi", end="fragment")
    board.log.set_search(SearchPattern("wifi"))
    board.say("fi up\n")

    assert board.log.matching(board.journal[-1:]) == [1]


def test_who_went_to_a_decode_goes_on_from_there_although_it_stands_at_its_panic(crashed: Watched) -> None:
    crashed.log.go_to(5)

    assert crashed.marked == ["--- panic, exception on core 0 in main: Store access fault ---"]
    assert crashed.log.position == 5


def test_the_row_of_a_dump_stays_what_it_is_when_it_is_gone_to(crashed: Watched) -> None:
    crashed.log.go_to(6)

    assert crashed.marked == ["[+] core dump b-7: 2 lines of base64 folded"]
