import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import Event, Line, Note, seq_count, split_lines
from esper_protocol.messages import HistoryEnd, Subscribed
from esperctl.errors import NotServedError
from esperctl.subscription import AnyEvent, Subscription, cut, cut_end, lines_of


def line_event(seq: int, *lines: bytes, board: str = "a") -> Event:
    return Event(seq, 0, board, 1, 1, Line(b"".join(lines), len(lines)))


def data_of(events: list[AnyEvent]) -> bytes:
    return b"".join(event.body.data for event in events if isinstance(event.body, Line))


def test_lines_before_the_position_are_cut_from_a_batch() -> None:
    event = cut(line_event(10, b"a\n", b"b\n", b"c\n"), 11)
    assert event == line_event(12, b"c\n")


def test_a_batch_that_lies_before_the_position_is_nothing() -> None:
    assert cut(line_event(10, b"a\n", b"b\n"), 11) is None
    assert cut(Event(10, 0, "a", 1, 1, Note("x", "y")), 10) is None


def test_a_batch_that_lies_after_the_position_is_whole() -> None:
    event = line_event(10, b"a\n", b"b\n")
    assert cut(event, 9) is event


def test_a_line_without_its_end_keeps_how_it_ends() -> None:
    event = Event(1, 0, "a", 1, 1, Line(b"a\nesp> ", 2, "fragment"))
    assert [line.body for line in lines_of(event, Line(b"a\nesp> ", 2, "fragment"))] == [
        Line(b"a\n", 1, "newline"),
        Line(b"esp> ", 1, "fragment"),
    ]
    assert cut(event, 1) == Event(2, 0, "a", 1, 1, Line(b"esp> ", 1, "fragment"))


@given(st.integers(0, 12), st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_whatever_is_sent_again_each_line_arrives_once(after: int, counts: list[int]) -> None:
    events: list[Event] = []
    seq = 1
    for count in counts:
        events.append(line_event(seq, *(b"%d\n" % (seq + index) for index in range(count))))
        seq += count
    subscription = Subscription("a", Subscribed(after + 1, 1, None, is_writer=False))
    received = subscription.absorb([*events, *events])
    assert data_of(received) == b"".join(b"%d\n" % number for number in range(after + 1, seq))
    assert subscription.cursor == max(after, seq - 1)


def test_lines_from_the_end_on_are_cut_from_a_batch() -> None:
    event = Event(10, 0, "a", 1, 1, Line(b"a\nb\nesp> ", 3, "fragment"))
    assert cut_end(event, 12) == line_event(10, b"a\n", b"b\n")
    assert cut_end(event, 13) is event
    assert cut_end(event, 10) is None
    note = Event(10, 0, "a", 1, 1, Note("x", "y"))
    assert (cut_end(note, 10), cut_end(note, 11)) == (None, note)


@given(st.integers(0, 12), st.integers(0, 14), st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_a_part_of_the_history_is_exact_though_its_events_are_sent_whole(
    after: int, until: int, counts: list[int]
) -> None:
    events: list[Event] = []
    seq = 1
    for count in counts:
        events.append(line_event(seq, *(b"%d\n" % (seq + index) for index in range(count))))
        seq += count
    until = min(until, seq)
    start = min(after + 1, until)
    subscription = Subscription("a", Subscribed(start, 1, None, is_writer=False), until)
    sent = [event for event in events if event.seq < until and event.seq + seq_count(event.body) > start]
    received = subscription.absorb([*sent, HistoryEnd("a", until)])
    assert data_of(received) == b"".join(b"%d\n" % number for number in range(max(start, 1), until))
    assert (subscription.cursor, subscription.ended) == (until - 1, True)


def test_events_of_other_boards_are_not_mixed_in() -> None:
    subscription = Subscription("a", Subscribed(1, 1, None, is_writer=False))
    assert subscription.absorb([line_event(1, b"x\n", board="b")]) == []
    assert subscription.cursor == 0


def test_a_subscription_that_the_daemon_ended_says_so_once_its_events_were_handled() -> None:
    subscription = Subscription("a", Subscribed(5, 1, None, False))
    subscription.check_served()
    subscription.absorb([HistoryEnd("b", 9, "another board")])
    subscription.check_served()
    subscription.absorb([HistoryEnd("a", 9, "it is gone")])
    assert (subscription.ended, subscription.cursor) == (True, 8)
    with pytest.raises(NotServedError, match=r"^board a is no longer served by esperd: it is gone$"):
        subscription.check_served()


def test_the_end_of_the_history_ends_the_subscription() -> None:
    subscription = Subscription("a", Subscribed(5, 1, None, is_writer=False))
    subscription.absorb([HistoryEnd("b", 9)])
    assert (subscription.ended, subscription.cursor) == (False, 4)
    subscription.absorb([HistoryEnd("a", 9)])
    assert (subscription.ended, subscription.cursor) == (True, 8)


def test_split_lines_of_a_cut_join_to_its_data() -> None:
    event = cut(line_event(1, b"a\n", b"b\n", b"c"), 1)
    assert event is not None
    assert isinstance(event.body, Line)
    assert split_lines(event.body) == [b"b\n", b"c"]
