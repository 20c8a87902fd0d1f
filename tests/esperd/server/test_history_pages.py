"""History is read in parts, backwards and on one connection, by clients that count as no viewers."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings, strategies as st

from esper_protocol.connection import ClientConnection
from esper_protocol.events import Event, Gap, Line, Note, split_lines
from esper_protocol.messages import Boards, HistoryEnd, ListBoards, Response, Subscribe
from esperd.board.board import Board
from esperd.server.registry import Registry
from esperd.settings import Limits
from esperd.testing.boards import connected, open_boards
from esperd.testing.viewer import Viewer

# Some events in memory, and some in each segment.
SMALL = Limits(tail_bytes=1500, journal_segment_bytes=4000, free_disk_percent=0)
Piece = tuple[int, object]


@asynccontextmanager
async def reading(registry: Registry) -> AsyncGenerator[Viewer]:
    async with connected(registry) as stream:
        viewer = Viewer(stream)
        await viewer.open()
        yield viewer


async def on_disk(board: Board) -> None:
    """Waits until all that was published is written."""
    is_done = trio.Event()
    board.parts.disk.submit(lambda: None, lambda _: None, is_done.set)
    with trio.fail_after(10):
        await is_done.wait()


def publish_lines(board: Board, count: int) -> None:
    first = board.publisher.next_seq
    board.publisher.publish(Line(b"".join(b"line %d\n" % (first + index) for index in range(count)), count))


def pieces(events: Sequence[Event], start: int, end: int) -> list[Piece]:
    """The lines and the other events that begin at *start* or later and before *end*, each by itself."""
    found: list[Piece] = []
    for event in events:
        if isinstance(event.body, Line):
            found += [(event.seq + index, line) for index, line in enumerate(split_lines(event.body))]
        else:
            found.append((event.seq, event.body))
    return [piece for piece in found if start <= piece[0] < end]


async def part(viewer: Viewer, request: Subscribe) -> tuple[int, int, list[Piece]]:
    """Where a part of the history begins and ends, and what is in it."""
    viewer.events.clear()
    subscribed = await viewer.subscribe(request)
    await viewer.receive_history()
    assert viewer.history_end is not None
    start, end = subscribed.next_seq, viewer.history_end.next_seq
    # An event is whole: only the first and the last may reach beyond what was asked for.
    assert all(event.seq >= start for event in viewer.events[1:])
    assert all(event.seq < end for event in viewer.events)
    return start, end, pieces(viewer.events, start, end)


BODIES = st.lists(st.one_of(st.integers(1, 30), st.just(0)), max_size=60)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first_run=BODIES, second_run=BODIES, lines=st.integers(1, 200))
@example(first_run=[30] * 60, second_run=[], lines=7)
@example(first_run=[0, 1, 0, 1], second_run=[0] * 40, lines=1)
def test_pages_read_backwards_are_together_the_whole_journal(
    first_run: list[int], second_run: list[int], lines: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def scenario() -> None:
        folder = tmp_path_factory.mktemp("state")
        async with open_boards(folder, "b", limits=SMALL) as registry:
            publish(registry.board("b"), first_run)
        # This looks like a run that was killed, so positions are skipped.
        async with open_boards(folder, "b", limits=SMALL) as registry:
            board = registry.board("b")
            publish(board, second_run)
            await on_disk(board)
            async with reading(registry) as viewer:
                await read_backwards(viewer, board.publisher.next_seq)

    def publish(board: Board, counts: list[int]) -> None:
        for count in counts:
            if count:
                publish_lines(board, count)
            else:
                board.publisher.publish(Note("not a line", "me"))

    async def read_backwards(viewer: Viewer, present: int) -> None:
        _, _, whole = await part(viewer, Subscribe("b", after=0, follow=False))
        joined: list[Piece] = []
        until, pages = present, list[int]()
        while True:
            start, end, page = await part(viewer, Subscribe("b", last_lines=lines, until=until))
            if start >= until:
                break
            assert end == until
            pages.append(sum(isinstance(content, bytes) for _, content in page))
            joined, until = page + joined, start
        assert joined == whole
        assert all(count == lines for count in pages[:-1])

    trio.run(scenario)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[Registry]:
    async with open_boards(tmp_path, "b", limits=SMALL) as registry:
        for _ in range(100):  # behind daemon_started, which is at 1
            publish_lines(registry.board("b"), 5)
        await on_disk(registry.board("b"))
        yield registry


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Subscribe("b", after=1, until=9), (2, 9)),
        (Subscribe("b", after=3, until=4), (4, 4)),
        (Subscribe("b", after=3, until=5), (4, 5)),
        (Subscribe("b", after=300, until=5), (5, 5)),
        (Subscribe("b", after=480, until=497), (481, 497)),
        (Subscribe("b", after=490, until=10**12), (491, 502)),
        (Subscribe("b", after=490, until=10**12, follow=False), (491, 502)),
        (Subscribe("b", last_lines=10, until=100), (90, 100)),
        (Subscribe("b", last_lines=10, until=500), (490, 500)),
        (Subscribe("b", last_lines=10, until=2**63), (492, 502)),
        (Subscribe("b", last_lines=10, until=4), (1, 4)),
        (Subscribe("b", last_lines=10, until=1), (1, 1)),
        (Subscribe("b", last_lines=10, until=-7), (0, 0)),
        (Subscribe("b", last_lines=0, until=100), (100, 100)),
        (Subscribe("b", since=0, until=100), (1, 100)),
        (Subscribe("b", since=2**62, until=100), (100, 100)),
        (Subscribe("b", until=100), (100, 100)),
        (Subscribe("b", follow=False), (502, 502)),
    ],
)
async def test_a_part_of_the_history_is_what_was_asked_for(
    registry: Registry, request_: Subscribe, expected: tuple[int, int]
) -> None:
    async with reading(registry) as viewer:
        start, end, found = await part(viewer, request_)

    assert (start, end) == expected
    assert [seq for seq, _ in found] == list(range(*expected))
    assert all(content == b"line %d\n" % seq for seq, content in found if seq > 1)


async def test_what_is_published_meanwhile_is_not_in_a_part_that_ends_at_the_present(registry: Registry) -> None:
    board = registry.board("b")
    async with reading(registry) as viewer:
        subscribed = await viewer.subscribe(Subscribe("b", last_lines=400, follow=False))
        for _ in range(100):
            publish_lines(board, 5)
        await viewer.receive_history()

        assert viewer.history_end is not None
        assert (subscribed.next_seq, viewer.history_end.next_seq) == (102, 502)
        assert viewer.events[-1].seq < 502


async def test_who_reads_pages_is_no_viewer_and_leaves_no_trace(registry: Registry) -> None:
    publisher = registry.board("b").publisher
    present = publisher.next_seq
    async with reading(registry) as viewer:
        for until in range(500, 0, -50):
            await part(viewer, Subscribe("b", last_lines=50, until=until))
            boards = await viewer.request(ListBoards())
            assert isinstance(boards, Boards)
            assert boards.boards[0].viewers == 0

    assert publisher.next_seq == present


async def test_nothing_of_a_page_follows_the_answer_to_the_next_request(registry: Registry) -> None:
    connection = ClientConnection("test")
    async with connected(registry) as stream:
        await stream.send_all(connection.hello())
        while connection.welcome is None:
            connection.receive_data(bytes(await stream.receive_some()))
        wanted = [Subscribe("b", after=0, until=400 - 10 * index) for index in range(20)]
        await stream.send_all(b"".join(connection.request(request)[1] for request in wanted))
        received: list[object] = []
        with trio.fail_after(10):
            while received[-1:] != [HistoryEnd("b", 210)]:
                received += connection.receive_data(bytes(await stream.receive_some()))

    answers = [index for index, message in enumerate(received) if isinstance(message, Response)]
    assert len(answers) == 20
    last = [message for message in received[answers[-1] + 1 : -1] if isinstance(message, Event)]
    assert last == received[answers[-1] + 1 : -1]
    assert [seq for seq, _ in pieces(last, 1, 210)] == list(range(1, 210))


async def test_pages_beside_a_viewer_of_the_same_board_on_another_connection(registry: Registry) -> None:
    board = registry.board("b")
    async with reading(registry) as follower, reading(registry) as pager:
        await follower.subscribe(Subscribe("b"))
        _, _, page = await part(pager, Subscribe("b", last_lines=2, until=50))
        publish_lines(board, 1)
        await follower.wait_for(Line)

        assert [seq for seq, _ in page] == [48, 49]
        assert len(board.publisher.followers) == 1


async def test_a_page_of_what_retention_removed_is_a_gap_that_ends_with_the_page(tmp_path: Path) -> None:
    limits = Limits(tail_bytes=1500, journal_segment_bytes=2000, journal_bytes=8000, free_disk_percent=0)
    async with open_boards(tmp_path, "b", limits=limits) as registry:
        board = registry.board("b")
        for _ in range(20):
            for _ in range(10):
                publish_lines(board, 5)
            await on_disk(board)
        assert (board.parts.journal.first_seq or 0) > 100
        async with reading(registry) as viewer:
            await viewer.subscribe(Subscribe("b", after=9, until=20))
            await viewer.receive_history()

    gap = viewer.events[0].body
    assert isinstance(gap, Gap)
    assert len(viewer.events) == 1
    assert (gap.reason, gap.first_lost_seq, gap.last_lost_seq, viewer.events[0].seq) == ("retention", 10, 19, 19)
    assert viewer.history_end is not None
    assert viewer.history_end.next_seq == 20
