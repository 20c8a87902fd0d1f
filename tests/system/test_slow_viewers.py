"""Viewers at their own pace: nobody's slowness costs the port, the others, the memory, or the slow one any bytes."""

from itertools import pairwise
from typing import Final

import pytest
import trio

from esper_protocol.events import Event, Gap, SessionOpened, seq_count
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies, joined_lines

MIB: Final = 1024 * 1024
TAIL_BYTES: Final = 1 * MIB
# What else is in memory: frames that wait for the disk (8 MiB at most), reads, one batch for each viewer.
SLACK_BYTES: Final = 24 * MIB
FLOOD_BYTES: Final = 60 * MIB
MANY: Final = 64
# A busy machine with two cores, on which the test itself takes one.
FLOOD_TIMEOUT_S: Final = 90


def numbered_lines(size_bytes: int) -> bytes:
    return b"".join(b"line %08d: the quick brown fox jumps over the lazy dog\r\n" % i for i in range(size_bytes // 59))


def assert_in_order(events: list[Event]) -> None:
    for before, after in pairwise(events):
        assert after.seq == before.seq + seq_count(before.body)


@pytest.mark.slow
async def test_a_viewer_that_stops_reading_costs_nobody_anything_and_gets_everything_when_it_reads_on(
    bench: Bench, terminal: BoardTerminal, nursery: trio.Nursery
) -> None:
    flood = numbered_lines(FLOOD_BYTES)
    daemon = await bench.start(f"b={terminal.path}", "--tail-bytes", str(TAIL_BYTES))
    async with daemon.viewer() as slow, daemon.viewer() as quick:
        await slow.subscribe(Subscribe("b", after=0))
        await quick.subscribe(Subscribe("b", after=0))
        await quick.wait_for(SessionOpened)
        before_bytes = daemon.rss_bytes
        nursery.start_soon(terminal.send, flood)
        await quick.wait_for_bytes(len(flood), timeout_s=FLOOD_TIMEOUT_S)
        assert joined_lines(quick.events) == flood
        assert not bodies(quick.events, Gap)
        assert_in_order(quick.events)
        assert daemon.peak_rss_bytes < before_bytes + TAIL_BYTES + SLACK_BYTES
        assert len(joined_lines(slow.events)) < MIB

        await slow.wait_for_bytes(len(flood), timeout_s=FLOOD_TIMEOUT_S)
        assert joined_lines(slow.events) == flood
        assert not bodies(slow.events, Gap)
        assert_in_order(slow.events)
        assert daemon.peak_rss_bytes < before_bytes + TAIL_BYTES + SLACK_BYTES


@pytest.mark.slow
async def test_many_viewers_at_once_all_get_everything(
    bench: Bench, terminal: BoardTerminal, nursery: trio.Nursery
) -> None:
    flood = numbered_lines(2 * MIB)
    daemon = await bench.start(f"b={terminal.path}", "--tail-bytes", "65536")
    complete: list[bytes] = []

    async def watch(subscribed: trio.MemorySendChannel[None]) -> None:
        async with daemon.viewer() as viewer:
            await viewer.subscribe(Subscribe("b", after=0))
            await subscribed.send(None)
            await viewer.wait_for_bytes(len(flood), timeout_s=FLOOD_TIMEOUT_S)
            assert_in_order(viewer.events)
            complete.append(joined_lines(viewer.events))

    send, receive = trio.open_memory_channel[None](MANY)
    async with trio.open_nursery() as viewers:
        for _ in range(MANY):
            viewers.start_soon(watch, send)
        for _ in range(MANY):
            await receive.receive()
        viewers.start_soon(terminal.send, flood)
    assert complete == [flood] * MANY


@pytest.mark.slow
async def test_a_viewer_further_behind_than_retention_is_told_what_it_missed_and_goes_on(
    bench: Bench, terminal: BoardTerminal, nursery: trio.Nursery
) -> None:
    flood = numbered_lines(10 * MIB)
    daemon = await bench.start(
        f"b={terminal.path}",
        *("--tail-bytes", "64KiB", "--journal-bytes", "2MiB", "--journal-segment-bytes", "1MiB"),
    )
    async with daemon.viewer() as slow, daemon.viewer() as quick:
        await slow.subscribe(Subscribe("b", after=0))
        await quick.subscribe(Subscribe("b", after=0))
        await quick.wait_for(SessionOpened)
        nursery.start_soon(terminal.send, flood)
        await quick.wait_for_bytes(len(flood), timeout_s=FLOOD_TIMEOUT_S)
        assert joined_lines(quick.events) == flood
        last_seq = quick.events[-1].seq
        with trio.fail_after(FLOOD_TIMEOUT_S):
            while not slow.events or slow.events[-1].seq < last_seq:
                await slow.receive_once()
    assert_told_of_gaps(slow.events, flood)
    oldest = (await daemon.history("b"))[0]
    assert oldest.seq > 1


def assert_told_of_gaps(events: list[Event], flood: bytes) -> None:
    """Each jump in the positions is announced by a gap that names it; between two of them nothing is missing."""
    stretch: list[Event] = []
    stretches = [stretch]
    next_seq = 0
    for event in events:
        if isinstance(event.body, Gap):
            assert event.body.reason == "retention"
            assert event.body.first_lost_seq == stretch[-1].seq + seq_count(stretch[-1].body)
            stretches.append(stretch := [])
            next_seq = (event.body.last_lost_seq or 0) + 1
        else:
            assert stretch or stretch is stretches[0] or event.seq == next_seq
            stretch.append(event)
    assert len(stretches) > 1
    for stretch in stretches:
        assert_in_order(stretch)
        assert joined_lines(stretch) in flood
    assert flood.startswith(joined_lines(stretches[0]))
    assert flood.endswith(joined_lines(stretches[-1]))
