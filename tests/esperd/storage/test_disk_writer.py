import errno
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from esper_protocol.events import Note
from esperd.storage.disk_writer import BATCH_BYTES, FLUSH_S, RETRY_S, SYNC_S, DiskWriter, Lost
from esperd.storage.journal import Journal
from esperd.testing.journals import EventSource, JournalFolder, read_all
from esperd.testing.small_disk import limited_file_size


@dataclass
class Watcher:
    failures: list[OSError] = field(default_factory=list[OSError])
    losses: list[tuple[Lost, OSError]] = field(default_factory=list[tuple[Lost, OSError]])
    recoveries: int = 0

    def on_failure(self, error: OSError) -> None:
        self.failures.append(error)

    def on_loss(self, lost: Lost, failure: OSError) -> None:
        self.losses.append((lost, failure))

    def on_recovery(self) -> None:
        self.recoveries += 1


def writer_for(journal: Journal, max_pending_bytes: int = 10**9) -> tuple[DiskWriter, Watcher]:
    writer, watcher = DiskWriter(journal, max_pending_bytes), Watcher()
    writer.watch(watcher)
    return writer, watcher


async def next_batch(writer: DiskWriter) -> None:
    with trio.fail_after(10):
        await writer.progress.wait()


def refuses(writer: DiskWriter) -> bool:
    return writer.failure is not None


def is_dirty(journal: Journal) -> bool:
    return journal.is_dirty


def break_disk(folder: JournalFolder) -> Callable[[], object]:
    """Takes the journal's directory away; what is returned brings it back."""
    away = folder.directory.rename(folder.directory.with_name("away"))
    return functools.partial(away.rename, folder.directory)


async def test_what_is_left_is_on_disk_within_the_promised_time(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    nursery.start_soon(writer.run)
    await wait_all_tasks_blocked()
    began = trio.current_time()
    entries = [source.lines() for _ in range(5)]
    for entry in entries:
        writer.append(entry)

    await next_batch(writer)

    assert FLUSH_S <= trio.current_time() - began < FLUSH_S + 1
    assert read_all(journal) == b"".join(entry.frame for entry in entries)
    writer.close()


async def test_close_writes_all_that_was_left_and_ends_even_when_cancelled(
    folder: JournalFolder, source: EventSource
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    entries = [source.lines(1, 4000) for _ in range(3 * BATCH_BYTES // 4000)]
    ran: list[int] = []
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            nursery.cancel_scope.cancel()
            for entry in entries:
                writer.append(entry)
            writer.submit(lambda: ran.append(1), lambda _: ran.append(0))
            writer.close()

    assert read_all(journal) == b"".join(entry.frame for entry in entries)
    assert ran == [1]


async def test_nothing_waits_for_more_when_a_batch_is_full(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    nursery.start_soon(writer.run)
    entries = [source.lines(100, 500) for _ in range(20 * BATCH_BYTES // 50_000)]
    began = trio.current_time()
    for entry in entries:
        writer.append(entry)
    with trio.fail_after(10):
        while journal.size_bytes < sum(len(entry.frame) for entry in entries):
            await writer.progress.wait()

    # Twenty batches, each after the time of one, would take a second.
    assert trio.current_time() - began < 10 * FLUSH_S
    writer.close()


async def test_hurry_does_not_wait_for_more_and_syncs(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    nursery.start_soon(writer.run)
    writer.append(source.lines())
    await next_batch(writer)
    await wait_all_tasks_blocked()
    began = trio.current_time()
    writer.append(source.lines())
    await wait_all_tasks_blocked()  # it waits for more by now
    writer.hurry()
    await next_batch(writer)

    assert trio.current_time() - began < FLUSH_S
    assert not is_dirty(journal)
    writer.close()


async def test_what_was_appended_is_synced_after_a_second_and_then_no_timer_runs(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    nursery.start_soon(writer.run)
    writer.append(source.lines())
    await next_batch(writer)
    writer.append(source.lines())
    await next_batch(writer)
    assert is_dirty(journal)

    await next_batch(writer)
    assert not is_dirty(journal)
    idle = writer.progress
    with trio.move_on_after(SYNC_S * 1.5):
        await idle.wait()
    assert not idle.is_set()
    writer.close()


async def test_a_disk_that_refuses_is_told_once_and_tried_again_until_it_takes_all(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, watcher = writer_for(journal)
    nursery.start_soon(writer.run)
    repair = break_disk(folder)
    entries = [source.lines() for _ in range(3)]
    for entry in entries:
        writer.append(entry)
        await next_batch(writer)
    assert [error.errno for error in watcher.failures] == [errno.ENOENT]
    assert refuses(writer)

    repair()
    await next_batch(writer)

    assert not refuses(writer)
    assert (watcher.losses, watcher.recoveries) == ([], 1)
    assert read_all(journal) == b"".join(entry.frame for entry in entries)
    writer.close()


async def test_a_run_has_begun_once_the_disk_takes_an_event_or_the_name_of_one(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    nursery.start_soon(writer.run)
    repair = break_disk(folder)
    writer.append(source.lines())
    await next_batch(writer)
    with trio.move_on_after(0.1) as waiting:
        await writer.wait_begun()
    assert waiting.cancelled_caught

    repair()
    with limited_file_size(0):
        await next_batch(writer)
        assert refuses(writer)
        with trio.fail_after(0.1):
            await writer.wait_begun()
    writer.close()


async def test_a_disk_that_takes_not_even_a_name_keeps_nobody_from_being_served(
    folder: JournalFolder, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    with trio.fail_after(60):
        await writer.wait_begun()
    assert "journal not begun" in caplog.text


async def test_hurry_is_no_reason_to_ask_a_disk_that_refuses_more_often(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    nursery.start_soon(writer.run)
    repair = break_disk(folder)
    writer.append(source.lines())
    await next_batch(writer)
    began = trio.current_time()
    for _ in range(3):
        writer.append(source.lines())
        writer.hurry()
        await wait_all_tasks_blocked()
    await next_batch(writer)

    assert trio.current_time() - began > RETRY_S * 0.9
    repair()
    writer.close()


async def test_what_is_over_the_limit_is_dropped_counted_and_told(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, watcher = writer_for(journal, max_pending_bytes=BATCH_BYTES)
    nursery.start_soon(writer.run)
    repair = break_disk(folder)
    entries = [source.lines(1, 10_000) for _ in range(100)]
    for entry in entries:
        writer.append(entry)
        if entry is entries[10]:
            await next_batch(writer)
    await next_batch(writer)
    repair()
    await next_batch(writer)

    ((lost, _),) = watcher.losses
    assert watcher.recoveries == 1
    with trio.fail_after(10):
        while not read_all(journal).endswith(entries[-1].frame):
            await next_batch(writer)
    kept = read_all(journal)
    gone = [entry for entry in entries if entry.frame not in kept]
    assert gone
    assert (lost.first_seq, lost.last_seq) == (gone[0].first_seq, gone[-1].end_seq - 1)
    assert lost.size_bytes == sum(len(entry.frame) for entry in gone)
    assert kept == b"".join(entry.frame for entry in entries if entry not in gone)
    writer.close()


async def test_a_failed_sync_does_not_write_the_same_events_again(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, refusals = os.fdatasync, [errno.EIO, errno.EIO]

    def refuse_twice(descriptor: int) -> None:
        if refusals:
            raise OSError(refusals.pop(), "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", refuse_twice)
    journal, _ = folder.open()
    writer, watcher = writer_for(journal)
    nursery.start_soon(writer.run)
    entries = [source.lines() for _ in range(4)]
    for entry in entries:
        writer.append(entry)
        writer.hurry()
        await next_batch(writer)

    assert [error.errno for error in watcher.failures] == [errno.EIO]
    assert watcher.recoveries == 1
    assert read_all(journal) == b"".join(entry.frame for entry in entries)
    writer.close()


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events with this word meet a bug on their way to the disk."""
    write = os.writev

    def fail_at_poison(descriptor: int, buffers: list[bytes]) -> int:
        if b"poison" in b"".join(buffers):
            raise ValueError("a bug")
        return write(descriptor, buffers)

    monkeypatch.setattr(os, "writev", fail_at_poison)


@pytest.mark.usefixtures("poison")
async def test_an_error_of_our_own_costs_its_batch_and_is_told(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    journal, _ = folder.open()
    writer, watcher = writer_for(journal)
    nursery.start_soon(writer.run)
    lost = source.entry(Note("poison", "me"))
    writer.append(lost)
    await next_batch(writer)
    kept = source.lines()
    writer.append(kept)
    await next_batch(writer)

    ((told, failure),) = watcher.losses
    assert told == Lost(lost.first_seq, lost.end_seq - 1, len(lost.frame))
    assert "a bug" in str(failure)
    assert read_all(journal) == kept.frame
    writer.close()


@pytest.mark.usefixtures("poison")
async def test_an_error_of_our_own_in_the_last_batch_does_not_keep_it_from_ending(
    folder: JournalFolder, source: EventSource
) -> None:
    journal, _ = folder.open()
    writer, _ = writer_for(journal)
    writer.append(source.entry(Note("poison", "me")))
    writer.close()

    with trio.fail_after(10):
        await writer.run()

    assert read_all(journal) == b""
