import errno
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from esperd.storage.disk_writer import BATCH_BYTES, FLUSH_S, RETRY_S, DiskWriter, Lost
from esperd.storage.journal import Journal
from esperd.testing.journals import EventSource, JournalFolder, read_all


@dataclass
class SmallDisk:
    """Operations on a disk that is full until it is not, and how the board's disk was told to be."""

    writer: DiskWriter
    journal: Journal
    error: int | None = errno.ENOSPC
    done: list[str] = field(default_factory=list[str])
    tries: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])

    def on_failure(self, error: OSError) -> None:
        self.told.append(f"failure: {error.strerror}")

    def on_loss(self, lost: Lost, failure: OSError) -> None:
        self.told.append(f"loss: {lost} {failure}")

    def on_recovery(self) -> None:
        self.told.append("recovery")

    def submit(self, name: str, coredump_id: str | None = "b-1", data_bytes: int = 1) -> bool:
        def run() -> None:
            self.tries.append(name)
            if self.error is not None:
                raise OSError(self.error, os.strerror(self.error))

        return self._submit(name, run, coredump_id, data_bytes)

    def submit_removal(self, coredump_id: str) -> bool:
        return self._submit(f"removal of {coredump_id}", lambda: None, coredump_id, 0)

    def _submit(self, name: str, run: Callable[[], None], coredump_id: str | None, data_bytes: int) -> bool:
        on_error = functools.partial(self._note_error, name)
        on_done = functools.partial(self.done.append, name)
        return self.writer.submit(run, on_error, on_done, data_bytes, coredump_id)

    def _note_error(self, name: str, error: OSError) -> None:
        self.done.append(f"{name}: {error.strerror}")

    async def next_batch(self) -> None:
        with trio.fail_after(10):
            await self.writer.progress.wait()


def small_disk(folder: JournalFolder, max_pending_bytes: int = 10**6) -> SmallDisk:
    journal, _ = folder.open()
    disk = SmallDisk(DiskWriter(journal, max_pending_bytes), journal)
    disk.writer.watch(disk)
    return disk


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_what_belongs_to_a_dump_waits_in_order_until_the_disk_takes_again(
    folder: JournalFolder, nursery: trio.Nursery, error: int
) -> None:
    disk = small_disk(folder)
    disk.error = error
    nursery.start_soon(disk.writer.run)
    disk.submit("first")
    disk.submit("second")
    await disk.next_batch()
    disk.submit("third")
    await disk.next_batch()
    assert disk.done == []
    assert set(disk.tries) == {"first"}
    assert disk.told == [f"failure: {os.strerror(error)}"]

    disk.error = None
    with trio.fail_after(10):
        while "recovery" not in disk.told:
            await disk.writer.progress.wait()

    assert disk.done == ["first", "second", "third"]
    assert disk.told[1:] == ["recovery"]
    disk.writer.close()


async def test_a_disk_that_refuses_a_dump_is_asked_once_in_a_while_and_the_journal_goes_on_meanwhile(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    disk = small_disk(folder)
    nursery.start_soon(disk.writer.run)
    disk.submit("first")
    await disk.next_batch()
    began = trio.current_time()
    entries = [source.lines() for _ in range(5)]
    for entry in entries:
        disk.writer.append(entry)
        await disk.next_batch()

    assert trio.current_time() - began < RETRY_S * 0.9
    assert read_all(disk.journal) == b"".join(entry.frame for entry in entries)
    assert disk.tries == ["first"]
    await disk.next_batch()
    assert disk.tries == ["first", "first"]
    assert RETRY_S <= trio.current_time() - began + FLUSH_S < 2 * RETRY_S
    disk.writer.close()


async def test_one_dump_that_waits_keeps_no_other_from_being_written_or_removed(
    folder: JournalFolder, nursery: trio.Nursery
) -> None:
    disk = small_disk(folder, max_pending_bytes=2000)
    nursery.start_soon(disk.writer.run)
    disk.submit("waits", "b-1", 1000)
    await disk.next_batch()
    assert not disk.submit("too much", "b-1", 1000)
    # Though nothing else has a place by now: it makes room.
    assert disk.submit_removal("b-2")
    with trio.fail_after(10):
        while len(disk.done) < 2:
            await disk.writer.progress.wait()

    assert disk.done == ["too much: No space left on device", "removal of b-2"]
    disk.writer.close()


async def test_a_stop_asks_once_more_and_then_tells_what_the_disk_did_not_take(folder: JournalFolder) -> None:
    disk = small_disk(folder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.writer.run)
        disk.submit("waits")
        await disk.next_batch()
        disk.submit("waits, too")
        disk.writer.close()

    assert disk.tries == ["waits", "waits"]
    assert disk.done == ["waits: No space left on device", "waits, too: No space left on device"]


async def test_a_stop_writes_all_events_also_when_a_dump_is_refused(folder: JournalFolder, source: EventSource) -> None:
    disk = small_disk(folder, max_pending_bytes=10**7)
    disk.submit("waits")
    entries = [*(source.lines(1, 4000) for _ in range(3 * BATCH_BYTES // 4000)), source.stop()]
    for entry in entries:
        disk.writer.append(entry)
    disk.writer.close()
    with trio.fail_after(10):
        await disk.writer.run()

    assert read_all(disk.journal) == b"".join(entry.frame for entry in entries)
    # Not once for each batch: that would be to wait for it.
    assert disk.tries == ["waits"]


async def test_what_is_made_of_a_refusal_by_the_stop_is_tried_as_the_last(folder: JournalFolder) -> None:
    disk = small_disk(folder)
    ran: list[str] = []

    def refuse() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def note(error: OSError) -> None:
        disk.writer.submit(lambda: ran.append(error.strerror or ""), pytest.fail, None, 1, "b-1")  # type: ignore[arg-type]  # it is not called

    disk.writer.submit(refuse, note, None, 1, "b-1")
    disk.writer.close()
    with trio.fail_after(10):
        await disk.writer.run()

    assert ran == ["No space left on device"]


@pytest.mark.parametrize(("error", "coredump_id"), [(errno.ENOSPC, None), (errno.ENOENT, "b-1")])
async def test_what_belongs_to_no_dump_and_what_concerns_the_file_alone_is_told_at_once_and_stops_nothing(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery, error: int, coredump_id: str | None
) -> None:
    disk = small_disk(folder)
    nursery.start_soon(disk.writer.run)

    def refuse() -> None:
        raise OSError(error, "refused")

    disk.error = None
    disk.submit("first", coredump_id)
    disk.writer.submit(refuse, lambda told: disk.done.append(str(told.strerror)), None, 1, coredump_id)
    disk.submit("third", coredump_id)
    disk.writer.append(source.lines())
    await disk.next_batch()

    assert disk.done == ["first", "refused", "third"]
    assert disk.told == []
    assert read_all(disk.journal)
    disk.writer.close()


async def test_an_error_of_our_own_in_an_operation_is_told_like_one_of_the_disk_and_not_tried_again(
    folder: JournalFolder, source: EventSource, nursery: trio.Nursery
) -> None:
    disk = small_disk(folder)
    nursery.start_soon(disk.writer.run)

    def fail() -> None:
        raise ValueError("a bug")

    told: list[OSError] = []
    disk.writer.submit(fail, told.append, None, 1, "b-1")
    disk.writer.append(source.lines())
    await disk.next_batch()

    assert [error.strerror for error in told] == ["esperd failed: a bug"]
    assert disk.told == []
    assert read_all(disk.journal)
    disk.writer.close()


# A disk that does not answer ------------------------------------------------------------------------------


async def test_what_waits_for_a_disk_that_does_not_answer_is_bounded_and_the_rest_is_refused(
    folder: JournalFolder, nursery: trio.Nursery
) -> None:
    disk = small_disk(folder)
    disk.error = None
    # A FIFO without a writer: to open it blocks, as a disk does that hangs.
    fifo = folder.directory / "fifo"
    os.mkfifo(fifo)
    nursery.start_soon(disk.writer.run)
    disk.writer.submit(lambda: fifo.open("rb").close(), lambda _: None)
    await wait_all_tasks_blocked()
    await trio.sleep(2 * FLUSH_S)  # the thread has the first by now

    accepted = [disk.submit(str(number), "b-1", 100_000) for number in range(30)]
    assert disk.done == []  # never from inside the call
    with trio.fail_after(10):
        while len(disk.done) < accepted.count(False):
            await wait_all_tasks_blocked()

    assert accepted == [True] * 9 + [False] * 21
    assert disk.done == [f"{number}: the disk does not answer" for number in range(9, 30)]
    os.close(os.open(fifo, os.O_WRONLY))
    with trio.fail_after(10):
        while len(disk.done) < 30:
            await disk.writer.progress.wait()
    assert disk.done[21:] == [str(number) for number in range(9)]
    assert disk.told == ["recovery"]
    assert disk.submit("more")
    disk.writer.close()


async def test_an_error_in_telling_of_a_refusal_costs_only_that(folder: JournalFolder, nursery: trio.Nursery) -> None:
    disk = small_disk(folder, max_pending_bytes=0)
    nursery.start_soon(disk.writer.run)

    def fail(error: OSError) -> None:
        raise RuntimeError("a bug") from error

    disk.writer.submit(lambda: None, fail, None, 1)
    disk.submit("second")
    await wait_all_tasks_blocked()

    assert disk.done == ["second: the disk does not answer"]
    disk.writer.close()
