from hypothesis import given, strategies as st

from esper_protocol.events import Note
from esperd.storage.tail import Tail
from esperd.testing.journals import EventSource


def test_an_empty_tail_begins_where_the_journal_ended() -> None:
    tail = Tail(1000, 57)

    assert (tail.first_seq, tail.next_seq, tail.size_bytes) == (57, 57, 0)
    assert tail.from_seq(57, 1000) == []
    assert tail.seq_of_last_lines(57, 5) == (57, 5)
    assert tail.seq_of_last_lines(50, 5) == (50, 5)
    assert tail.seq_at_time(0) == 57
    assert not tail.is_behind(1)


def test_the_newest_stays_however_large_it_is(source: EventSource) -> None:
    tail = Tail(100, 1)
    tail.append(source.lines(1))
    tail.append(source.lines(1, 5000))

    assert tail.first_seq == 2
    assert [entry.first_seq for entry in tail.from_seq(2, 1)] == [2]


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=1500),
    max_bytes=st.integers(1, 20_000),
)
def test_whatever_comes_and_goes_the_tail_is_the_newest_part(counts: list[int], max_bytes: int) -> None:
    source, tail = EventSource(), Tail(max_bytes, 1)
    entries = [source.lines(count) for count in counts]
    for entry in entries:
        tail.append(entry)

    assert tail.next_seq == source.next_seq
    kept = [entry for entry in entries if entry.first_seq >= tail.first_seq]
    assert tail.size_bytes == sum(len(entry.frame) for entry in kept)
    assert tail.size_bytes <= max_bytes or len(kept) == 1
    older = entries[: -len(kept)]
    assert not older or tail.size_bytes + len(older[-1].frame) > max_bytes
    for seq in {tail.first_seq, (tail.first_seq + tail.next_seq) // 2, tail.next_seq - 1}:
        expected = [entry for entry in kept if entry.end_seq > seq]
        assert tail.from_seq(seq, 10**9) == expected
        assert tail.from_seq(seq, 1) == expected[:1]


@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=20), wanted=st.integers(0, 100), before=st.integers(0, 90)
)
def test_lines_are_counted_back_from_any_position(counts: list[int], wanted: int, before: int) -> None:
    source, tail = EventSource(10), Tail(10**9, 10)
    line_seqs: list[int] = []
    for count in counts:
        line_seqs += range(source.next_seq, source.next_seq + count)
        tail.append(source.lines(count) if count else source.entry(Note("not a line", "me")))
    before = min(before, source.next_seq)

    seq, missing = tail.seq_of_last_lines(before, wanted)

    older = [line_seq for line_seq in line_seqs if line_seq < before]
    assert missing == max(wanted - len(older), 0)
    assert seq == (min(before, 10) if missing else [before, *reversed(older)][wanted])


def test_positions_are_found_by_time(source: EventSource) -> None:
    tail = Tail(10**9, 1)
    for _ in range(5):
        tail.append(source.lines(10))

    # Events begin at 1, 11, 21, ... and their time is their position in seconds.
    assert tail.seq_at_time(11_000_000_000) == 11
    assert tail.seq_at_time(11_000_000_001) == 21
    assert tail.seq_at_time(10**15) == tail.next_seq
    assert tail.is_behind(1_000_000_001)
    assert not tail.is_behind(1_000_000_000)
