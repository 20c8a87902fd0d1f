"""A disk that refuses, and a kill meanwhile: no position is given twice."""

import dataclasses
import errno

import pytest

from esperd.storage.journal import Journal, Recovery
from esperd.storage.reserved_positions import SEQ_SKIP, Unwritten
from esperd.testing.journals import EventSource, JournalFolder, append, read_all
from esperd.testing.small_disk import limited_file_size

# No disk has more free than this.
FULL = 100


def refuse(journal: Journal, source: EventSource) -> None:
    with pytest.raises(OSError, match="of the disk is free"):
        append(journal, source.lines())


def run_in_order(folder: JournalFolder) -> EventSource:
    """A run that ended in order; returns what goes on behind it."""
    source = EventSource()
    journal, _ = folder.open()
    append(journal, source.lines(5), source.stop())
    journal.close()
    return source


def refused_run(folder: JournalFolder, next_seq: int) -> Recovery:
    """A run that gave positions from *next_seq* on, and wrote nothing until it was killed; returns the next start's."""
    journal, _ = folder.open(free_disk_percent=FULL)
    refuse(journal, EventSource(next_seq))
    return folder.open(free_disk_percent=FULL)[1]


def test_a_run_of_which_the_disk_took_nothing_was_killed_and_its_positions_are_not_given_again(
    folder: JournalFolder,
) -> None:
    source = run_in_order(folder)

    recovery = refused_run(folder, source.next_seq)

    assert recovery.was_killed
    assert recovery.next_seq >= source.next_seq + SEQ_SKIP
    assert (recovery.generation, recovery.boot, recovery.last_at) == (4, 7, source.last_at)


def test_also_the_very_first_run_may_be_refused_and_killed(folder: JournalFolder) -> None:
    recovery = refused_run(folder, 1)

    assert recovery.was_killed
    assert recovery.next_seq > SEQ_SKIP
    assert recovery.last_at is None


def test_each_refused_run_goes_on_behind_the_one_before(folder: JournalFolder) -> None:
    next_seq = run_in_order(folder).next_seq
    for _ in range(4):
        after = refused_run(folder, next_seq).next_seq
        assert after >= next_seq + SEQ_SKIP
        next_seq = after


def test_positions_of_events_that_were_dropped_for_a_long_time_are_not_given_again(folder: JournalFolder) -> None:
    source = run_in_order(folder)
    journal, _ = folder.open(free_disk_percent=FULL)
    # All that a board may print between two tries is dropped each time, and more of it than is reserved at once.
    for _ in range(8):
        refuse(journal, source)
        source.next_seq += 3 * SEQ_SKIP

    _, recovery = folder.open()

    assert recovery.next_seq >= source.next_seq


def test_when_the_disk_takes_again_nothing_of_it_stays(folder: JournalFolder) -> None:
    source = run_in_order(folder)
    journal, _ = folder.open()
    with limited_file_size(0), pytest.raises(OSError, match="File too large"):
        append(journal, source.lines())
    assert len(folder.segments) == 2
    append(journal, source.lines(), source.stop())
    journal.close()

    assert len(folder.segments) == 1
    _, recovery = folder.open()
    assert (recovery.was_killed, recovery.next_seq) == (False, source.next_seq)


def test_what_was_reserved_stays_until_events_behind_it_are_synced(folder: JournalFolder) -> None:
    refused = refused_run(folder, run_in_order(folder).next_seq)
    journal, recovery = folder.open()
    assert recovery.next_seq > refused.next_seq
    source = EventSource(recovery.next_seq)
    append(journal, source.lines(2))
    assert len(folder.segments) == 2

    journal.sync()

    assert len(folder.segments) == 1
    append(journal, source.stop())
    journal.close()
    assert folder.open()[1].next_seq == source.next_seq


@pytest.mark.parametrize("is_closed", [False, True])
def test_what_the_disk_took_before_it_refused_is_no_reason_to_give_it_up(
    folder: JournalFolder, is_closed: bool
) -> None:
    source = run_in_order(folder)
    journal, recovery = folder.open(segment_bytes=200)
    source.next_seq = recovery.next_seq
    append(journal, source.lines(2))
    journal.limits = dataclasses.replace(journal.limits, free_disk_percent=FULL)
    refuse(journal, source)
    source.next_seq += 4 * SEQ_SKIP
    # Only now that is synced: at the stop, or before the next segment, which the disk then refuses.
    if is_closed:
        journal.close()
    else:
        journal.limits = dataclasses.replace(journal.limits, free_disk_percent=0)
        with limited_file_size(0), pytest.raises(OSError, match="File too large"):
            append(journal, source.lines(20))

    _, recovery = folder.open()

    assert recovery.next_seq >= source.next_seq


def test_a_lower_limit_makes_room_also_on_a_full_disk(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=1000)
    for _ in range(20):
        append(journal, source.lines(10))
    journal.limits = dataclasses.replace(journal.limits, total_bytes=2000, free_disk_percent=FULL)
    refuse(journal, source)
    assert journal.size_bytes <= 2000
    assert len(folder.segments) <= 4


def test_readers_do_not_see_it(folder: JournalFolder) -> None:
    source = run_in_order(folder)
    journal, _ = folder.open(free_disk_percent=FULL)
    before = journal.segments, read_all(journal)

    refuse(journal, source)

    assert (journal.segments, read_all(journal)) == before


def test_a_run_has_begun_when_the_next_start_will_know_of_it(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    away = folder.directory.rename(folder.directory.with_name("away"))
    with pytest.raises(FileNotFoundError):
        append(journal, source.lines())
    assert not journal.has_begun

    away.rename(folder.directory)
    with limited_file_size(0), pytest.raises(OSError, match="File too large"):
        append(journal, source.lines())

    assert journal.has_begun


def stopped_run(folder: JournalFolder, next_seq: int) -> Recovery:
    """A run that wrote nothing until it was stopped, ten positions behind *next_seq*; returns the next start's."""
    journal, _ = folder.open(free_disk_percent=FULL)
    refuse(journal, EventSource(next_seq))
    journal.close(Unwritten(next_seq, next_seq + 9, 1000, errno.ENOSPC))
    return folder.open(free_disk_percent=FULL)[1]


@pytest.mark.parametrize("has_journal", [True, False])
def test_the_start_after_an_orderly_stop_knows_what_the_disk_refused_to_the_end(
    folder: JournalFolder, has_journal: bool
) -> None:
    source = run_in_order(folder) if has_journal else EventSource(1)

    recovery = stopped_run(folder, source.next_seq)

    assert recovery.unwritten == Unwritten(source.next_seq, source.next_seq + 9, 1000, errno.ENOSPC)
    assert not recovery.was_killed
    assert recovery.next_seq >= source.next_seq + 10
    assert recovery.last_at == (source.last_at if has_journal else None)


def test_a_start_that_showed_nobody_anything_leaves_it_to_the_next(folder: JournalFolder) -> None:
    recovery = stopped_run(folder, run_in_order(folder).next_seq)

    assert folder.open()[1] == recovery


def test_a_second_stop_while_the_disk_still_refuses_tells_of_both(folder: JournalFolder) -> None:
    first_seq = run_in_order(folder).next_seq
    next_seq = stopped_run(folder, first_seq).next_seq

    recovery = stopped_run(folder, next_seq)

    assert recovery.unwritten == Unwritten(first_seq, next_seq + 9, 2000, errno.ENOSPC)
    assert recovery.next_seq >= next_seq + 10


def test_a_kill_after_such_a_stop_is_told_as_one(folder: JournalFolder) -> None:
    refused = refused_run(folder, stopped_run(folder, run_in_order(folder).next_seq).next_seq)
    assert (refused.was_killed, refused.unwritten) == (True, None)


def test_what_was_told_and_is_durable_is_not_told_again(folder: JournalFolder) -> None:
    source = EventSource(stopped_run(folder, run_in_order(folder).next_seq).next_seq)
    journal, _ = folder.open()
    append(journal, source.lines(2))
    killed = folder.open()[1]
    assert (killed.was_killed, killed.unwritten) == (True, None)
    journal, recovery = folder.open()
    source = EventSource(recovery.next_seq)
    append(journal, source.lines(2), source.stop())
    journal.close()

    recovery = folder.open()[1]

    assert (recovery.was_killed, recovery.unwritten, recovery.next_seq) == (False, None, source.next_seq)
    assert [path.suffix for path in folder.directory.iterdir()] == [".journal"]
