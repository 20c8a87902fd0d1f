"""Viewers at their own pace: nobody's slowness costs the port, the others, the memory, or the slow one any bytes."""

from typing import Final

import pytest
import trio

from esper_protocol.events import Event, Gap, SessionOpened, seq_count
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import Viewer, bodies, joined_lines

MIB: Final = 1024 * 1024
TAIL_BYTES: Final = 1 * MIB
# What else is in memory: frames that wait for the disk (8 MiB at most), reads, one batch for each viewer.
SLACK_BYTES: Final = 16 * MIB
FLOOD_BYTES: Final = 30 * MIB
MANY: Final = 64
# A busy machine with two cores, on which the test itself takes one.
FLOOD_TIMEOUT_S: Final = 90


def numbered_lines(size_bytes: int) -> bytes:
    return b"".join(b"line %08d: the quick brown fox jumps over the lazy dog\r\n" % i for i in range(size_bytes // 59))


def assert_in_order(events: list[Event]) -> None:
    for before, after in zip(events, events[1:], strict=False):
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
    assert_told_of_the_gap(slow, flood)
    oldest = (await daemon.history("b"))[0]
    assert oldest.seq > 1


def assert_told_of_the_gap(slow: Viewer, flood: bytes) -> None:
    print(bodies(slow.events,Gap))
    (at,) = [index for index, event in enumerate(slow.events) if isinstance(event.body, Gap)]
    before, after, gap = slow.events[:at], slow.events[at + 1 :], slow.events[at].body
    assert isinstance(gap, Gap)
    assert gap.reason == "retention"
    assert gap.first_lost_seq == before[-1].seq + seq_count(before[-1].body)
    assert gap.last_lost_seq == after[0].seq - 1
    assert_in_order(before)
    assert_in_order(after)
    assert flood.startswith(joined_lines(before))
    assert flood.endswith(joined_lines(after))
    assert len(joined_lines(after)) > MIB
