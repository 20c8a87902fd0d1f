import errno
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from esper_protocol.codec import encode_message
from esper_protocol.events import DecodeCancelled, Event
from esperd.storage.files import Access
from esperd.storage.journal import Journal, JournalLimits
from esperd.storage.reserved_positions import SEQ_SKIP, seq_after_kill
from esperd.testing.journals import EventSource, JournalFolder, append, read_all
from esperd.testing.small_disk import limited_file_size

MIB = 1024 * 1024


def test_a_new_journal_begins_at_position_one(folder: JournalFolder) -> None:
    journal, recovery = folder.open()

    assert (recovery.next_seq, recovery.generation, recovery.boot) == (1, 0, 0)
    assert not recovery.was_killed
    assert journal.first_seq is None


def test_after_an_orderly_stop_counting_goes_on_where_it_ended(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    append(journal, source.lines(5), source.stop())
    journal.close()

    _, recovery = folder.open()

    assert recovery.next_seq == 7
    assert (recovery.generation, recovery.boot, recovery.torn_bytes, recovery.was_killed) == (3, 7, 0, False)
    assert recovery.last_at == source.last_at


def test_after_a_kill_no_position_is_given_again(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    append(journal, source.lines(5))
    journal.close()

    _, recovery = folder.open()

    assert recovery.was_killed
    assert recovery.next_seq == 2 * SEQ_SKIP
    # More than the disk writer can hold, at one byte a position, lies between.
    assert recovery.next_seq - 6 >= SEQ_SKIP


def test_after_a_kill_a_result_that_came_late_does_not_turn_back_sessions_and_boots(
    folder: JournalFolder, source: EventSource
) -> None:
    late = encode_message(Event(6, 6_000_000_000, "b", 2, 5, DecodeCancelled("panic:1", "late")))
    journal, _ = folder.open()
    append(journal, source.lines(5))
    journal.append([late], 6, 6_000_000_000)
    journal.close()

    _, recovery = folder.open()

    assert (recovery.generation, recovery.boot, recovery.last_at) == (4, 7, 6_000_000_000)


def test_each_kill_skips_again(folder: JournalFolder) -> None:
    next_seq = 1
    for _ in range(3):
        journal, recovery = folder.open()
        assert recovery.next_seq >= next_seq
        source = EventSource(recovery.next_seq)
        append(journal, source.lines(3))
        next_seq = source.next_seq
        journal.close()


def test_every_truncation_of_the_last_segment_is_cut_back_to_whole_events(
    folder: JournalFolder, source: EventSource
) -> None:
    journal, _ = folder.open()
    entries = [source.lines(2), source.lines(3), source.stop()]
    append(journal, *entries)
    journal.close()
    (path,) = folder.segments
    content = path.read_bytes()
    ends = [0]
    for entry in entries:
        ends.append(ends[-1] + len(entry.frame))

    # Of an empty one only the name is left.
    for size in range(1, len(content)):
        path.write_bytes(content[:size])
        reopened, recovery = folder.open()
        whole = max(end for end in ends if end <= size)

        assert path.read_bytes() == content[:whole], size
        assert recovery.torn_bytes == size - whole
        assert recovery.was_killed
        assert recovery.next_seq == seq_after_kill(source.next_seq)
        assert read_all(reopened) == content[:whole]
        reopened.close()


def test_events_can_be_appended_after_a_torn_end(folder: JournalFolder) -> None:
    journal, _ = folder.open()
    first = EventSource(1).lines(4)
    append(journal, first)
    journal.close()
    with folder.segments[0].open("ab") as file:
        file.write(first.frame[:-1])

    journal, recovery = folder.open()
    second = EventSource(recovery.next_seq).lines(4)
    append(journal, second)

    assert read_all(journal) == first.frame + second.frame


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_costs_at_most_the_event_that_it_is_in(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("flipped")
    source = EventSource()
    entries = [source.lines(data.draw(st.integers(1, 3))) for _ in range(6)]
    limits = JournalLimits(MIB, 10 * MIB, 0)
    journal = Journal(directory, limits, Access())
    journal.open()
    for entry in entries:
        journal.append([entry.frame], entry.first_seq, entry.at)
    journal.close()
    (path,) = directory.glob("*.journal")
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)

    journal = Journal(directory, limits, Access())
    recovery = journal.open()
    kept = read_all(journal)
    journal.close()

    hit = next(index for index in range(6) if bit // 8 < sum(len(entry.frame) for entry in entries[: index + 1]))
    expected = [entry.frame for index, entry in enumerate(entries) if index != hit]
    assert kept == b"".join(expected)
    assert recovery.next_seq >= source.next_seq
    assert (recovery.torn_bytes > 0) == (hit == 5)


def test_zeros_at_the_end_are_cut_off(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    entry = source.lines(3)
    append(journal, entry)
    journal.close()
    with folder.segments[0].open("ab") as file:
        file.write(bytes(4096))

    journal, recovery = folder.open()

    assert recovery.torn_bytes == 4096
    assert read_all(journal) == entry.frame


def test_an_empty_last_segment_says_that_the_run_was_killed(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    append(journal, source.lines(3), source.stop())
    journal.close()
    (folder.directory / f"{source.next_seq:020d}.journal").touch()

    journal, recovery = folder.open()

    assert recovery.was_killed
    assert recovery.next_seq == seq_after_kill(source.next_seq)
    # What is known stands in the segment before.
    assert (recovery.generation, recovery.boot, recovery.last_at) == (4, 7, source.last_at)
    assert len(read_all(journal)) == folder.segments[0].stat().st_size


def test_an_empty_segment_in_the_middle_hides_nothing(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=1)
    entries = [source.lines(2) for _ in range(3)]
    for entry in entries:
        append(journal, entry)
    journal.close()
    folder.segments[1].write_bytes(b"")

    journal, _ = folder.open()

    assert read_all(journal) == entries[0].frame + entries[2].frame
    assert [segment.first_at for segment in journal.segments] == sorted(
        segment.first_at for segment in journal.segments
    )


def test_files_that_are_no_segments_are_left_alone(folder: JournalFolder, source: EventSource) -> None:
    folder.directory.mkdir()
    for name in ("notes.txt", "old.journal", "1.journal.bak"):
        (folder.directory / name).write_bytes(b"mine")

    journal, recovery = folder.open()
    append(journal, source.lines())

    assert recovery.next_seq == 1
    assert {path.name for path in folder.directory.iterdir()} > {"notes.txt", "old.journal", "1.journal.bak"}


def test_a_segment_is_closed_before_it_outgrows_its_limit(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=1000)
    for _ in range(20):
        append(journal, source.lines(5))

    sizes = [path.stat().st_size for path in folder.segments]
    assert len(sizes) > 2
    assert max(sizes) <= 1000
    assert [segment.size_bytes for segment in journal.segments] == sizes


def test_retention_removes_whole_segments_oldest_first(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open(segment_bytes=1000, total_bytes=3000)
    for _ in range(60):
        append(journal, source.lines(5))

    assert journal.size_bytes <= 3000
    assert len(folder.segments) == len(journal.segments)
    assert journal.first_seq is not None
    assert journal.first_seq > 1
    assert int(folder.segments[0].stem) == journal.first_seq


def test_a_disk_that_is_too_full_refuses_the_newest_and_costs_nothing_that_is_kept(
    folder: JournalFolder, source: EventSource
) -> None:
    journal, _ = folder.open(segment_bytes=1)
    kept = [source.lines() for _ in range(3)]
    for entry in kept:
        append(journal, entry)
    journal.close()
    # No disk has more free than this.
    journal, _ = folder.open(free_disk_percent=100)

    with pytest.raises(OSError, match="of the disk is free") as caught:
        append(journal, source.lines())

    assert caught.value.errno == errno.ENOSPC
    assert read_all(journal) == b"".join(entry.frame for entry in kept)


def test_files_and_folders_are_for_the_daemons_user_alone(folder: JournalFolder, source: EventSource) -> None:
    before = os.umask(0)
    try:
        journal, _ = folder.open()
        append(journal, source.lines())
    finally:
        os.umask(before)

    assert stat.S_IMODE(folder.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.segments[0].stat().st_mode) == 0o600


def test_with_a_group_files_and_folders_belong_to_it(tmp_path: Path, source: EventSource) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files to any group")
    journal = Journal(tmp_path / "a" / "journal", JournalLimits(MIB, MIB, 0), Access(group=4242))
    journal.open()
    entry = source.lines()
    journal.append([entry.frame], 1, 1)
    journal.close()

    (segment,) = (tmp_path / "a" / "journal").glob("*.journal")
    assert (segment.stat().st_gid, stat.S_IMODE(segment.stat().st_mode)) == (4242, 0o640)
    for made in (tmp_path / "a", tmp_path / "a" / "journal"):
        assert (made.stat().st_gid, stat.S_IMODE(made.stat().st_mode) & 0o777) == (4242, 0o750)


def test_a_refused_append_leaves_no_part_of_itself(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    kept, refused, later = source.lines(3), source.lines(50), source.lines(2)
    append(journal, kept)

    with limited_file_size(len(kept.frame) + 100), pytest.raises(OSError, match="File too large"):
        append(journal, refused)
    assert folder.segments[0].stat().st_size > len(kept.frame)  # a part of it did arrive
    assert read_all(journal) == kept.frame
    append(journal, later)

    assert read_all(journal) == kept.frame + later.frame
    assert folder.segments[0].read_bytes() == kept.frame + later.frame


def test_a_refused_append_is_cut_off_when_the_journal_closes(folder: JournalFolder, source: EventSource) -> None:
    journal, _ = folder.open()
    kept = source.stop()
    append(journal, kept)
    with limited_file_size(len(kept.frame) + 100), pytest.raises(OSError, match="File too large"):
        append(journal, source.lines(50))

    journal.close()

    assert folder.segments[0].read_bytes() == kept.frame
    recovery = folder.open()[1]
    assert recovery.torn_bytes == 0
    # Viewers may have seen the positions that were refused.
    assert recovery.next_seq > source.next_seq


def test_a_full_disk_refuses_and_takes_again(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system of its own")
    script = textwrap.dedent("""
        import pathlib, sys
        from esperd.storage.files import Access
        from esperd.testing.journals import EventSource, JournalFolder, append, read_all
        room = pathlib.Path(sys.argv[1])
        (room / "ballast").write_bytes(bytes(300_000))
        journal, _ = JournalFolder(room / "journal").open()
        source, kept, refused = EventSource(), [], 0
        while len(kept) < 30:
            entry = source.lines(1, 10_000)
            try:
                append(journal, entry)
                kept.append(entry.frame)
            except OSError as error:
                assert error.errno == 28, error
                refused += 1
                (room / "ballast").unlink()
        journal.close()
        assert refused == 1, refused
        assert (room / "journal" / "00000000000000000001.journal").read_bytes() == b"".join(kept)
        print("as it should be")
    """)
    command = f'mount -t tmpfs -o size=512k tmpfs "$1" && exec "{sys.executable}" -c "$2" "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, "sh", str(tmp_path), script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount namespaces here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout) == (0, "as it should be\n"), done.stderr
