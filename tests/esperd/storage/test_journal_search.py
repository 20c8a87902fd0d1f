from pathlib import Path

from esper_protocol.events import Note
from esperd.settings import KIB
from esperd.storage.journal_reader import JournalReader
from esperd.storage.journal_search import seq_at_time, seq_of_last_lines
from esperd.testing.journals import EventSource, JournalFolder, append


def test_the_first_event_at_or_after_a_time_is_found_in_any_segment(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=300)
    assert seq_at_time(journal, 0) is None
    for _ in range(20):
        append(journal, source.lines(3))
    assert len(journal.segments) > 3

    # Events begin at 1, 4, 7, ... and their time is their position in seconds.
    for asked_s, found in ((0, 1), (1, 1), (1.5, 4), (4, 4), (57.5, 58), (58, 58)):
        assert seq_at_time(journal, int(asked_s * 1_000_000_000)) == found
    assert seq_at_time(journal, 58_000_000_001) is None


def test_lines_are_counted_back_over_segments_and_other_events(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=300)
    line_seqs: list[int] = []
    for index in range(20):
        line_seqs += range(source.next_seq, source.next_seq + 3)
        append(journal, source.lines(3))
        if index % 3 == 0:
            append(journal, source.entry(Note("not a line", "me")))

    for lines in (1, 2, 3, 4, 10, 59, 60):
        assert seq_of_last_lines(journal, source.next_seq, lines) == line_seqs[-lines]
    # Fewer than asked for: from the oldest event on.
    assert seq_of_last_lines(journal, source.next_seq, 61) == 1
    # Counted back from the middle of an event.
    assert seq_of_last_lines(journal, line_seqs[31], 5) == line_seqs[26]
    assert seq_of_last_lines(journal, 1, 5) is None


def bytes_read() -> int:
    """What this process has read from files and all else."""
    return int(Path("/proc/self/io").read_text("ascii").split()[1])


def test_going_back_reads_a_little_and_a_segment_once_to_learn_where(
    folder: JournalFolder, source: EventSource
) -> None:
    journal, _ = folder.open(segment_bytes=4 * 1024 * 1024)
    while len(journal.segments) < 3:
        append(journal, *(source.lines(1, 50) for _ in range(1000)))
    middle = journal.segments[1].first_seq + 20_000
    block = 256 * KIB

    start = bytes_read()
    assert seq_of_last_lines(journal, middle, 500) == middle - 500
    # Up to the place, and once more the part that it is in.
    assert bytes_read() - start < journal.segments[1].size_bytes
    for before in (middle, middle - 500, middle - 10_000):
        start = bytes_read()
        assert seq_of_last_lines(journal, before, 500) == before - 500
        assert bytes_read() - start < 2.1 * block
        start = bytes_read()
        stretch = JournalReader(journal).read(before - 500, before)
        assert stretch is not None
        assert stretch.next_seq == before
        # Behind the last mark, to the place, and what is there.
        assert bytes_read() - start < 3.1 * block


def test_a_segment_that_retention_removed_meanwhile_is_passed_over(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=1)
    for _ in range(3):
        append(journal, source.lines(3))
    folder.segments[0].unlink()

    assert seq_at_time(journal, 0) == 4
    assert seq_of_last_lines(journal, 10, 100) == 4
