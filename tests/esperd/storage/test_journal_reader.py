import pytest

from esper_protocol.events import Line, Note
from esper_protocol.framing import MAX_PAYLOAD_BYTES
from esperd.storage.journal_reader import JournalReader, Missing
from esperd.testing.journals import EventSource, JournalFolder, append, read_all


def test_reading_begins_with_the_event_that_holds_the_position(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    entries = [source.lines(5) for _ in range(4)]
    append(journal, *entries)

    for seq in range(1, 21):
        stretch = JournalReader(journal).read(seq)
        assert stretch is not None
        assert stretch.frames == b"".join(entry.frame for entry in entries[(seq - 1) // 5 :])
        assert (stretch.next_seq, stretch.missing) == (21, None)
    assert JournalReader(journal).read(21) is None


def test_an_empty_journal_has_nothing(folder: JournalFolder) -> None:
    assert JournalReader(folder.open()[0]).read(1) is None


def test_reading_goes_on_over_the_ends_of_segments(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=500)
    entries = [source.lines(3) for _ in range(50)]
    for entry in entries:
        append(journal, entry)
    assert len(journal.segments) > 5

    assert read_all(journal) == b"".join(entry.frame for entry in entries)


def test_a_reader_sees_what_is_appended_after_it_reached_the_end(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=500)
    reader, seq = JournalReader(journal), 1
    for _ in range(30):
        entry = source.lines(2)
        assert reader.read(seq) is None
        append(journal, entry)
        stretch = reader.read(seq)
        assert stretch is not None
        assert stretch.frames == entry.frame
        seq = stretch.next_seq


def test_a_position_that_is_not_written_yet_is_not_mistaken_for_what_is_written_before_it(
    folder: JournalFolder, source: EventSource
) -> None:
    journal, _ = folder.open()
    first, second, third = (source.lines(3) for _ in range(3))
    append(journal, first)
    reader = JournalReader(journal)

    # The tail in memory has dropped the third already, and the disk is late.
    assert reader.read(third.first_seq) is None
    append(journal, second)
    assert reader.read(third.first_seq) is None
    append(journal, third)

    stretch = reader.read(third.first_seq)
    assert stretch is not None
    assert stretch.frames == third.frame


def test_positions_that_a_killed_run_skipped_are_no_gap(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    before = source.lines(3)
    append(journal, before)
    journal.close()
    journal, recovery = folder.open()
    after = EventSource(recovery.next_seq).lines(3)
    append(journal, after)
    reader = JournalReader(journal)

    first = reader.read(1)
    assert first is not None
    assert first.frames == before.frame + after.frame
    second = JournalReader(journal).read(4)
    assert second is not None
    assert (second.frames, second.missing) == (after.frame, None)


def test_what_retention_removed_is_told(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=500, total_bytes=1500)
    for _ in range(60):
        append(journal, source.lines(3))
    oldest = journal.first_seq
    assert oldest is not None

    stretch = JournalReader(journal).read(1)

    assert stretch is not None
    assert stretch.missing == Missing(1, oldest - 1, "retention")


def test_retention_may_overtake_a_reader(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=500, total_bytes=1500)
    for _ in range(10):
        append(journal, source.lines(3))
    reader, seq, told = JournalReader(journal), 1, 0
    for _ in range(20):
        stretch = reader.read(seq)
        if stretch is not None:
            assert stretch.missing is None or stretch.missing.first_seq == seq
            told += stretch.missing is not None
            seq = stretch.next_seq
        for _ in range(15):
            append(journal, source.lines(3))

    assert told > 10


def test_a_segment_that_vanishes_between_two_reads_is_skipped(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=1)
    entries = [source.lines(3) for _ in range(3)]
    for entry in entries:
        append(journal, entry)
    reader = JournalReader(journal)
    assert reader.read(1) is not None

    # Between the look at the segments and the open, retention removes one: nobody can order that, but a file that is
    # gone for good is the same to the reader, which tries a few times and then has nothing.
    folder.segments[1].unlink()

    assert reader.read(entries[1].first_seq) is None


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_damaged_event_is_a_gap_of_its_own_positions(
    folder: JournalFolder, source: EventSource, damaged: int
) -> None:
    journal, _ = folder.open()
    entries = [source.lines(4) for _ in range(4)]
    append(journal, *entries)
    content = bytearray(folder.segments[0].read_bytes())
    content[sum(len(entry.frame) for entry in entries[:damaged]) + 40] ^= 0xFF
    folder.segments[0].write_bytes(content)

    reader, seq, frames, missing = JournalReader(journal), 1, b"", list[Missing]()
    while (stretch := reader.read(seq)) is not None:
        frames += stretch.frames
        missing += [] if stretch.missing is None else [stretch.missing]
        seq = stretch.next_seq

    assert frames == b"".join(entry.frame for index, entry in enumerate(entries) if index != damaged)
    lost = entries[damaged]
    assert missing == [Missing(lost.first_seq, lost.end_seq - 1, "journal_damaged")]


def test_a_reader_that_begins_in_a_damaged_event_is_told(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    entries = [source.lines(4) for _ in range(3)]
    append(journal, *entries)
    content = bytearray(folder.segments[0].read_bytes())
    content[len(entries[0].frame) + 40] ^= 0xFF
    folder.segments[0].write_bytes(content)

    stretch = JournalReader(journal).read(6)

    assert stretch is not None
    assert stretch.frames == entries[2].frame
    assert stretch.missing == Missing(6, 8, "journal_damaged")


def test_damage_to_the_end_of_a_segment_is_told_with_the_next_one(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=1)
    entries = [source.lines(4) for _ in range(3)]
    for entry in entries:
        append(journal, entry)
    content = bytearray(folder.segments[1].read_bytes())
    content[2:] = bytes(len(content) - 2)
    folder.segments[1].write_bytes(content)
    reader = JournalReader(journal)

    first = reader.read(1)
    assert first is not None
    second = reader.read(first.next_seq)

    assert second is not None
    assert second.frames == entries[2].frame
    assert second.missing == Missing(5, 8, "journal_damaged")


def test_the_largest_event_is_read_whole(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    entries = [source.lines(), source.entry(Note("x" * (MAX_PAYLOAD_BYTES - 100), "me")), source.lines()]
    for entry in entries:
        append(journal, entry)

    assert read_all(journal) == b"".join(entry.frame for entry in entries)


def test_what_a_board_prints_to_be_taken_for_events_ends_the_search_behind_damage(
    folder: JournalFolder, source: EventSource
) -> None:
    journal, _ = folder.open()
    first, printed = source.lines(), source.entry(Line(b"\x97\xa5event" * 5000 + b"\n", 1))
    append(journal, first, printed, source.lines())
    journal.close()
    journal, _ = folder.open(segment_bytes=1)
    last = source.lines()
    append(journal, last)
    content = bytearray(folder.segments[0].read_bytes())
    content[len(first.frame) + 2] ^= 0xFF
    folder.segments[0].write_bytes(content)
    reader = JournalReader(journal)

    beginning = reader.read(1)
    assert beginning is not None
    assert beginning.frames == first.frame
    rest = reader.read(beginning.next_seq)

    assert rest is not None
    assert (rest.frames, rest.missing) == (last.frame, Missing(2, 3, "journal_damaged"))
