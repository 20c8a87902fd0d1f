import pytest

from esper_protocol.codec import decode_event_head
from esper_protocol.framing import scan_frames
from esperd.settings import KIB, MIB
from esperd.storage.journal import Journal
from esperd.storage.journal_reader import JournalReader
from esperd.storage.segment_marks import SegmentMarks
from esperd.storage.tail import Entry
from esperd.testing.journals import EventSource, JournalFolder, append


@pytest.fixture
def entries(source: EventSource) -> list[Entry]:
    return [source.lines(10, 100) for _ in range(1000)]


def events_at(journal: Journal, seqs: range) -> list[tuple[int, bytes]]:
    """What a new reader finds at each position: the first event, and all it got."""
    found: list[tuple[int, bytes]] = []
    for seq in seqs:
        stretch = JournalReader(journal).read(seq)
        assert stretch is not None
        first = next(payload for _, _, payload in scan_frames(stretch.frames))
        found.append((decode_event_head(first).seq, stretch.frames[:1000]))
    return found


def test_marks_are_a_little_apart_and_only_made_as_far_as_is_asked(folder: JournalFolder, entries: list[Entry]) -> None:
    journal, _ = folder.open(segment_bytes=2 * MIB)
    append(journal, *entries)
    marks, segment = SegmentMarks(), journal.segments[0]

    assert marks.up_to(segment, 1) == ()
    assert [mark.seq for mark in marks.up_to(segment, 2)] == [1]
    found = marks.up_to(segment, 10_001)
    assert [mark.offset for mark in found] == sorted(mark.offset for mark in found)
    assert len(found) == -(-segment.size_bytes // (128 * KIB + len(entries[0].frame)))
    starts: dict[int, int] = {}
    offset = 0
    for entry in entries:
        starts[entry.first_seq] = offset
        offset += len(entry.frame)
    assert all(starts[mark.seq] == mark.offset for mark in found)
    # Asked for less, marks that are there already are not given.
    assert all(mark.seq < 5000 for mark in marks.up_to(segment, 5000))


def test_marks_follow_a_segment_that_grows(folder: JournalFolder, entries: list[Entry]) -> None:
    journal, _ = folder.open(segment_bytes=2 * MIB)
    for start in range(0, 1000, 100):
        append(journal, *entries[start : start + 100])
        last = entries[start + 99].end_seq
        grown = journal.marks.up_to(journal.segments[0], last)
        assert grown == SegmentMarks().up_to(journal.segments[0], last)


def test_a_segment_that_is_removed_has_no_marks_any_more(folder: JournalFolder, entries: list[Entry]) -> None:
    journal, _ = folder.open(segment_bytes=2 * MIB)
    append(journal, *entries)
    segment = journal.segments[0]
    assert journal.marks.up_to(segment, 5000)
    segment.path.unlink()
    assert journal.marks.up_to(segment, 5000)
    journal.marks.forget(segment)
    with pytest.raises(FileNotFoundError):
        journal.marks.up_to(segment, 5000)
    journal.marks.forget(segment)


@pytest.mark.parametrize("at_percent", [0, 1, 30, 60, 99])
def test_damage_is_passed_over_whether_the_marks_were_made_before_or_after(
    folder: JournalFolder, entries: list[Entry], at_percent: int
) -> None:
    journal, _ = folder.open(segment_bytes=2 * MIB)
    append(journal, *entries)
    segment = journal.segments[0]
    journal.marks.up_to(segment, 10_001)
    content = bytearray(segment.path.read_bytes())
    start = segment.size_bytes * at_percent // 100
    content[start : start + 5000] = bytes(len(content[start : start + 5000]))
    segment.path.write_bytes(content)

    asked = range(1, 9900, 250)
    with_old_marks = events_at(journal, asked)
    journal.marks.forget(segment)
    assert events_at(journal, asked) == with_old_marks
    # The last ones first: they leave no mark for those before them.
    journal.marks.forget(segment)
    assert list(reversed(events_at(journal, asked[::-1]))) == with_old_marks
    lost = len(entries[0].frame) + 5000
    assert all(0 <= found - seq + 9 <= 10 + lost // 90 for (found, _), seq in zip(with_old_marks, asked, strict=True))
