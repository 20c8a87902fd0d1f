"""A viewer gets every event once, in order, or is told of a gap; however it reads and whatever goes from memory."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings, strategies as st

from esper_protocol.codec import decode_server_message
from esper_protocol.events import Event, Gap, Line, Note, kind_of, seq_count
from esper_protocol.framing import FrameReader
from esper_protocol.messages import HistoryEnd
from esperd.board.board import Board
from esperd.server.output import Output
from esperd.server.registry import Registry
from esperd.server.subscription import Subscription
from esperd.settings import KIB, MIB, Limits
from esperd.testing.boards import open_boards

Pair = tuple[socket.socket, socket.socket]
# As little memory, and as short a journal, as may be set.
SMALL = Limits(tail_bytes=64 * KIB, journal_bytes=2 * MIB, journal_segment_bytes=MIB, free_disk_percent=0)


@dataclass
class Reader:
    """The client's end: what arrived, checked as it comes."""

    client: socket.socket
    next_seq: int
    events: list[Event] = field(default_factory=list[Event])
    history_ends: list[HistoryEnd] = field(default_factory=list[HistoryEnd])
    frames: FrameReader = field(default_factory=FrameReader)

    def read(self, size: int) -> bool:
        """Takes up to *size* bytes; False when there are none."""
        try:
            data = self.client.recv(size)
        except BlockingIOError:
            return False
        for payload in self.frames.receive_data(data):
            message = decode_server_message(payload)
            if isinstance(message, HistoryEnd):
                self.history_ends.append(message)
            else:
                assert isinstance(message, Event)
                self.take(message)
        return True

    def take(self, event: Event) -> None:
        body = event.body
        if isinstance(body, Gap) and body.first_lost_seq is not None and body.last_lost_seq == event.seq:
            # A gap that the daemon made up for this viewer stands in the place of what is missing.
            assert body.first_lost_seq == self.next_seq
        else:
            # The first one may begin before what was asked for.
            is_first = not self.events and event.seq < self.next_seq
            assert is_first or event.seq == self.next_seq, (event.seq, self.next_seq)
        self.next_seq = event.seq + seq_count(body)
        self.events.append(event)

    async def read_until(self, is_enough: Callable[[], bool]) -> None:
        with trio.fail_after(20):
            while not is_enough():
                if not self.read(100_000):
                    await trio.lowlevel.wait_readable(self.client)


def follow(registry: Registry, output: Output, cursor: int, *, follows: bool = True) -> Subscription:
    board = registry.board("b")
    end = None if follows else board.publisher.next_seq
    subscription = Subscription(board, output, cursor, end, readers=registry.readers)
    output.add_source(subscription)
    if follows:
        board.publisher.add_follower(subscription)
    return subscription


def publish_lines(board: Board, count: int, size: int) -> None:
    first = board.publisher.next_seq
    text = "".join(f"{first + index}".ljust(size - 1, ".") + "\n" for index in range(count))
    board.publisher.publish(Line(text.encode(), count))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 40), st.integers(10, 1500)),
        st.tuples(st.just("flood"), st.integers(5, 60), st.integers(500, 1500)),
        st.tuples(st.just("read"), st.integers(1, 100_000), st.just(0)),
        st.tuples(st.just("pause"), st.integers(0, 3), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, start=st.integers(0, 5))
def test_every_event_comes_once_and_in_order_or_is_told_as_a_gap(
    steps: list[tuple[str, int, int]], start: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def scenario() -> None:
        daemon, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with daemon, client:
            daemon.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            daemon.setblocking(False)
            client.setblocking(False)
            async with open_boards(tmp_path_factory.mktemp("state"), "b", limits=SMALL) as registry:
                await play(registry, Output(daemon), Reader(client, 1))

    async def play(registry: Registry, output: Output, reader: Reader) -> None:
        board = registry.board("b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(output.run)
            for _ in range(start):
                publish_lines(board, 3, 500)
            follow(registry, output, 1)
            for kind, count, size in steps:
                if kind == "publish":
                    publish_lines(board, count, size)
                elif kind == "flood":
                    for _ in range(count):
                        publish_lines(board, 10, size)
                elif kind == "read":
                    reader.read(count)
                else:
                    await trio.sleep(count * 0.02)
            board.publisher.publish(Note("the end", "me"))
            await reader.read_until(lambda: bool(reader.events) and kind_of(reader.events[-1].body) == "note")
            # Level again: what is published now needs no task to be sent.
            await trio.testing.wait_all_tasks_blocked()
            publish_lines(board, 1, 10)
            assert reader.read(1000)
            nursery.cancel_scope.cancel()
        assert reader.next_seq == board.publisher.next_seq
        # Two megabytes of journal hold all of it but in the largest floods; what was sent adds up.
        gaps = [event.body for event in reader.events if isinstance(event.body, Gap)]
        assert all(gap.reason == "retention" for gap in gaps)

    trio.run(scenario)


async def test_who_is_far_behind_is_served_from_the_journal_without_a_gap(pair: Pair, tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b", limits=SMALL) as registry, trio.open_nursery() as nursery:
        board, output, reader = registry.board("b"), Output(pair[0]), Reader(pair[1], 1)
        nursery.start_soon(output.run)
        follow(registry, output, 1)
        for _ in range(100):
            publish_lines(board, 10, 1000)
        assert board.publisher.tail.first_seq > 500

        await reader.read_until(lambda: reader.next_seq == board.publisher.next_seq)

        assert not [event for event in reader.events if isinstance(event.body, Gap)]
        nursery.cancel_scope.cancel()


async def test_what_retention_took_is_one_gap(pair: Pair, tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b", limits=SMALL) as registry, trio.open_nursery() as nursery:
        board, output, reader = registry.board("b"), Output(pair[0]), Reader(pair[1], 1)
        for _ in range(30):
            for _ in range(10):
                publish_lines(board, 10, 1000)
            await board.parts.disk.progress.wait()
        nursery.start_soon(output.run)
        follow(registry, output, 1)

        await reader.read_until(lambda: reader.next_seq == board.publisher.next_seq)

        (gap,) = [event.body for event in reader.events if isinstance(event.body, Gap)]
        assert (gap.reason, gap.first_lost_seq) == ("retention", 1)
        nursery.cancel_scope.cancel()


async def test_a_disk_that_takes_nothing_costs_a_viewer_that_is_behind_what_memory_dropped(
    pair: Pair, tmp_path: Path
) -> None:
    async with open_boards(tmp_path, "b", limits=SMALL) as registry, trio.open_nursery() as nursery:
        board, output, reader = registry.board("b"), Output(pair[0]), Reader(pair[1], 1)
        await board.parts.disk.progress.wait()
        journal = board.parts.journal.directory
        away = journal.rename(journal.with_name("away"))
        nursery.start_soon(output.run)
        follow(registry, output, 1)
        for _ in range(100):
            publish_lines(board, 10, 1000)

        await reader.read_until(lambda: reader.next_seq == board.publisher.next_seq)

        lost = [event.body for event in reader.events if isinstance(event.body, Gap) and event.body.first_lost_seq]
        assert [gap.reason for gap in lost] == ["disk_stalled"]
        away.rename(journal)
        nursery.cancel_scope.cancel()


async def test_without_follow_it_ends_at_the_present(pair: Pair, tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b", limits=SMALL) as registry, trio.open_nursery() as nursery:
        board, output, reader = registry.board("b"), Output(pair[0]), Reader(pair[1], 5)
        nursery.start_soon(output.run)
        publish_lines(board, 10, 100)
        present = board.publisher.next_seq
        follow(registry, output, 5, follows=False)
        publish_lines(board, 10, 100)

        await reader.read_until(lambda: bool(reader.history_ends))

        assert reader.history_ends == [HistoryEnd("b", present)]
        assert reader.next_seq == present
        # The event that holds the first wanted position comes whole.
        assert reader.events[0].seq <= 5
        nursery.cancel_scope.cancel()


async def test_a_viewer_of_the_past_sees_over_a_run_that_was_killed(pair: Pair, tmp_path: Path) -> None:
    async with open_boards(tmp_path, "b", limits=SMALL) as registry:
        publish_lines(registry.board("b"), 10, 100)
    async with open_boards(tmp_path, "b", limits=SMALL) as registry, trio.open_nursery() as nursery:
        board, output = registry.board("b"), Output(pair[0])
        assert board.publisher.tail.first_seq > 10_000_000
        nursery.start_soon(output.run)
        client, events, frames = pair[1], list[Event](), FrameReader()
        follow(registry, output, 1)
        with trio.fail_after(20):
            while not events or events[-1].seq + 1 < board.publisher.next_seq:
                await trio.lowlevel.wait_readable(client)
                for payload in frames.receive_data(client.recv(65536)):
                    event = decode_server_message(payload)
                    assert isinstance(event, Event)
                    events.append(event)

        kinds = [kind_of(event.body) for event in events]
        assert kinds == ["daemon_started", "line", "daemon_started", "gap"]
        assert isinstance(events[-1].body, Gap)
        assert events[-1].body.reason == "daemon_killed"
        nursery.cancel_scope.cancel()
