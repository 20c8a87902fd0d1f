"""A disk that takes no more: viewers and the port go on, what is lost is named, and all is well once there is room."""

import re
from typing import Final

import pytest
import trio

from esper_protocol.events import (
    DaemonStopping,
    Event,
    Failure,
    FailureOver,
    Gap,
    Line,
    SessionOpened,
    seq_count,
)
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench
from esperd.testing.small_disk import SmallDisk
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies, joined_lines

MIB: Final = 1024 * 1024
NUMBERED: Final = re.compile(rb"line (\d{8}) ")


def numbered_lines(first: int, size_bytes: int) -> bytes:
    return b"".join(b"line %08d %s\r\n" % (first + i, b"." * 84) for i in range(size_bytes // 100))


def numbers(events: list[Event]) -> list[int]:
    return [int(number) for number in NUMBERED.findall(joined_lines(events))]


@pytest.mark.slow
@pytest.mark.parametrize("free_disk_percent", ["0", "5"])
async def test_a_full_disk_costs_viewers_nothing_and_the_journal_goes_on_with_a_gap_that_names_what_is_lost(
    small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal, nursery: trio.Nursery, free_disk_percent: str
) -> None:
    daemon = await small_bench.start(f"b={terminal.path}", "--free-disk-percent", free_disk_percent)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        before = numbered_lines(0, MIB)
        await terminal.send(before)
        await viewer.wait_for_bytes(len(before))
        small_disk.fill(64 * 1024)
        flood = numbered_lines(len(numbers(viewer.events)), 12 * MIB)
        nursery.start_soon(terminal.send, flood)
        failure = await viewer.wait_for(Failure)
        assert isinstance(failure.body, Failure)
        assert failure.body.part == "disk"
        await viewer.wait_for_bytes(len(before) + len(flood))
        assert joined_lines(viewer.events) == before + flood
        assert not bodies(viewer.events, Gap)

        small_disk.make_room()
        told = await viewer.wait_for(Gap)
        await viewer.wait_for(FailureOver, lambda over: over.text == "the disk takes the journal again; it has a gap")
        after = numbered_lines(len(numbers(viewer.events)), 1000)
        await terminal.send(after)
        await viewer.wait_for_bytes(len(before) + len(flood) + len(after))
        assert len(bodies(viewer.events, Failure)) == 1
    assert isinstance(told.body, Gap)
    assert told.body.reason == "disk_full"
    assert_only_missing(told.body, viewer.events, await daemon.history("b"))
    assert daemon.text.count("disk refuses") == 1
    assert await daemon.stop() == 0


def assert_only_missing(gap: Gap, seen: list[Event], kept: list[Event]) -> None:
    """The journal lacks what the gap names, and nothing else."""
    assert gap.first_lost_seq is not None
    assert gap.last_lost_seq is not None
    lost = range(gap.first_lost_seq, gap.last_lost_seq + 1)
    assert len(lost) > 10_000
    expected = [event for event in seen if event.seq not in lost]
    last = expected[-1].seq
    assert [event for event in kept if event.seq <= last] == expected
    positions = sum(seq_count(event.body) for event in seen if isinstance(event.body, Line))
    assert positions - len(numbers(kept)) <= len(lost)


@pytest.mark.slow
async def test_a_daemon_whose_disk_is_full_stops_in_order(
    small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal
) -> None:
    daemon = await small_bench.start(f"b={terminal.path}")
    small_disk.fill(0)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(b"hello\r\n")
        await viewer.wait_for(Failure)
        with trio.fail_after(3):
            assert await daemon.stop() == 0
        await viewer.receive_to_end()
    assert isinstance(viewer.events[-1].body, DaemonStopping)
    assert not daemon.socket.exists()


@pytest.mark.slow
async def test_the_start_after_an_orderly_stop_tells_what_the_full_disk_did_not_take(
    small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal
) -> None:
    arguments = f"b={terminal.path}", "--free-disk-percent", "0"
    daemon = await small_bench.start(*arguments)
    small_disk.fill(0)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        lines = numbered_lines(0, 50_000)
        await terminal.send(lines)
        await viewer.wait_for_bytes(len(lines))
        await viewer.wait_for(Failure)
        assert await daemon.stop() == 0
        await viewer.receive_to_end()
    lost, last = numbers(viewer.events), viewer.events[-1].seq
    assert daemon.text.count("stopped, the disk refused the rest") == 1

    # The disk is still full, so that this gap waits as well.
    daemon = await small_bench.start(*arguments)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(Failure)
        small_disk.make_room()
        await viewer.wait_for(FailureOver, lambda over: over.text.endswith("; all that waited is written"))
    events = await daemon.history("b")

    (gap,) = bodies(events, Gap)
    assert gap.reason == "disk_full"
    assert gap.detail.startswith("esperd stopped while the disk refused what it had to write (No space left on device)")
    assert gap.last_lost_seq == last
    assert gap.lost_bytes is not None
    assert gap.lost_bytes > len(lines)
    assert len(lost) == 500
    assert not numbers(events)
    assert await daemon.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("has_journal", [True, False])
async def test_a_daemon_that_starts_on_a_full_disk_serves_and_no_position_is_given_again_after_a_kill(
    small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal, has_journal: bool
) -> None:
    arguments = f"b={terminal.path}", "--free-disk-percent", "0"
    daemon = await small_bench.start(*arguments)
    assert await daemon.stop() == 0
    journal = small_bench.state_dir / "boards" / "b" / "journal"
    if not has_journal:
        for path in journal.iterdir():
            path.unlink()
    small_disk.fill(0)
    seen: dict[int, Event] = {}
    for _ in range(2):
        daemon = await small_bench.start(*arguments)
        async with daemon.viewer() as viewer:
            await viewer.subscribe(Subscribe("b", after=0))
            await viewer.wait_for(Failure, lambda failure: failure.part == "disk")
            await daemon.kill()
        assert_same(seen, viewer.events)
    small_disk.make_room()

    daemon = await small_bench.start(*arguments)
    events = await daemon.history("b")

    assert_same(seen, events)
    assert bodies(events, Gap)[-1].reason == "daemon_killed"
    assert await daemon.stop() == 0
    assert all(path.stat().st_size for path in journal.iterdir())


def assert_same(seen: dict[int, Event], events: list[Event]) -> None:
    """One position is one event, for all times."""
    for event in events:
        if not (isinstance(event.body, Gap) and event.body.reason == "retention"):
            assert seen.setdefault(event.seq, event) == event
