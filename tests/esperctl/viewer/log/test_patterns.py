from __future__ import annotations

import re
import string
import time

import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import Line
from esperctl.viewer.connection.line_search import LineSearch
from esperctl.viewer.log.highlighting import HighlightRule, SearchPattern
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.log.patterns import MOST_MATCHES, LivePattern, SlowPatternError, compile_pattern

SLOW = "(a|aa)+$"
SLOW_LINE = "a" * 60 + "b"


def test_a_search_that_would_take_hours_ends_within_a_frame() -> None:
    pattern = LivePattern(SLOW)
    began_at = time.process_time()
    for _ in range(1000):
        assert not pattern.is_in(SLOW_LINE)
        assert pattern.spans(SLOW_LINE) == []

    assert time.process_time() - began_at < 0.2
    assert pattern.trouble is not None
    assert SLOW in pattern.trouble
    assert pattern.take_trouble() == pattern.trouble
    assert pattern.take_trouble() is None


def test_matches_that_are_to_be_styled_are_looked_for_as_briefly() -> None:
    pattern = LivePattern(SLOW)
    began_at = time.process_time()

    assert pattern.spans(SLOW_LINE) == []
    assert time.process_time() - began_at < 0.2
    assert pattern.trouble is not None


def test_a_pattern_that_is_slow_but_never_too_slow_is_switched_off_as_well() -> None:
    pattern = LivePattern(SLOW)
    line = "a" * 22 + "b"
    began_at = time.process_time()
    for _ in range(20_000):
        pattern.is_in(line)

    assert time.process_time() - began_at < 2
    assert pattern.trouble is not None


@pytest.mark.parametrize("pattern", ["heap", r"rssi -?\d+", r"^[IWE] \(\d+\) (wifi|heap)", r"\bfoo\b.*bar", "."])
def test_an_ordinary_pattern_stays_switched_on(pattern: str) -> None:
    live = LivePattern(pattern, ignore_case=True)
    for number in range(20_000):
        live.is_in(f"I ({number}) wifi: connected to ap SSID:foo channel 11 rssi -67 heap 1234")
    for _ in range(500):
        live.is_in("x" * 4096)
        live.spans("x" * 4096)

    assert live.trouble is None


def test_a_filter_that_is_too_slow_filters_nothing() -> None:
    line_filter = LineFilter.parse(include=SLOW, exclude=f"{SLOW}|zz")

    assert line_filter.passes(SLOW_LINE.encode())
    assert line_filter.passes(b"zz")
    assert [bool(pattern.trouble) for pattern in line_filter.patterns] == [True, True]


def test_a_highlight_rule_that_is_too_slow_styles_nothing() -> None:
    rule = HighlightRule(SLOW, "red")

    assert list(rule.ranges(SLOW_LINE)) == []
    assert list(rule.ranges("aa")) == []
    assert rule.live.trouble is not None


def test_a_scan_of_the_journal_ends_with_a_sentence() -> None:
    with pytest.raises(SlowPatternError, match="takes too long"):
        LineSearch(SLOW, is_regex=True, ignore_case=False).positions(1, Line(f"{SLOW_LINE}\n".encode(), 1))


def test_where_a_match_is() -> None:
    assert compile_pattern("b+").search("abba") == (1, 3)
    assert compile_pattern("b+").search("x") is None


@pytest.mark.parametrize(
    "pattern", ["(", "[", "a{5,2}", "*a", "(" * 2000 + ")" * 2000, "a{100000000}", "(a{999}){999}"]
)
def test_what_is_no_pattern_is_said_in_one_sentence(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is not a regular expression: .*\.$"):
        compile_pattern(pattern)


@given(st.text(st.sampled_from(string.punctuation + " aB\n"), min_size=1, max_size=12))
def test_literal_text_is_found_as_it_is(text: str) -> None:
    assert SearchPattern(text, ignore_case=False).is_in(f"x{text}y")
    assert compile_pattern(text, is_regex=False).search(f"x{text}") == (1, 1 + len(text))


# Python's own warning: it may read nested sets one day.
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("pattern", ["[a&&b]", "[[a]+", "a||b", "(?i)A", r"\Aab", "a.b", "^b", r"\w+\Z"])
def test_a_pattern_means_what_it_means_to_python(pattern: str) -> None:
    for text in ("ab", "a&&b]", "[a", "a\nb", "a||b", "xb", "-"):
        found = re.search(pattern, text)
        assert compile_pattern(pattern).search(text) == (None if found is None else found.span())


def test_matches_of_one_line_are_bounded_and_never_empty() -> None:
    assert len(LivePattern("x").spans("x" * 1000)) == MOST_MATCHES
    assert LivePattern("x*").spans("axa") == [(1, 2)]
