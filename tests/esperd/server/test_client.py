"""A client's session on a socket pair, with boards that are real but for their port."""

import pytest
import trio

from esper_protocol import messages
from esper_protocol.connection import ClientConnection
from esper_protocol.events import Line, Note, ViewerAttached, ViewerDetached, WriterChanged, kind_of
from esperd.errors import CommandError
from esperd.server.registry import Registry
from esperd.testing.boards import Connect, connected, newest, publish_lines
from esperd.testing.viewer import RefusedError, Viewer


def lines_of(viewer: Viewer) -> list[bytes]:
    return [event.body.data for event in viewer.events if isinstance(event.body, Line)]


async def receive_for_ever(viewer: Viewer) -> None:
    while True:
        await viewer.receive_once()


# Handshake and breaches -----------------------------------------------------------------------------------


async def test_who_says_nothing_is_sent_away(registry: Registry, autojump_clock: object) -> None:
    async with connected(registry) as stream:
        with pytest.raises(RefusedError, match="no handshake within 5 s"):
            await receive_for_ever(Viewer(stream))


async def test_who_breaks_the_protocol_is_told_and_sent_away(registry: Registry, connect: Connect) -> None:
    async with connected(registry) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(RefusedError, match="bad_request"):
            await receive_for_ever(Viewer(stream))
    async with connect() as viewer:
        assert isinstance(await viewer.request(messages.ListBoards()), messages.Boards)


async def test_a_request_may_arrive_byte_by_byte_and_many_at_once(registry: Registry) -> None:
    connection = ClientConnection("test")
    async with connected(registry) as stream:
        for byte in connection.hello():
            await stream.send_all(bytes([byte]))
        while connection.welcome is None:
            connection.receive_data(bytes(await stream.receive_some()))
        await stream.send_all(b"".join(connection.request(messages.ListBoards())[1] for _ in range(200)))
        answers: list[int] = []
        with trio.fail_after(10):
            while len(answers) < 200:
                received = connection.receive_data(bytes(await stream.receive_some()))
                answers += [answer.id for answer in received if isinstance(answer, messages.Response)]
        assert answers == list(range(1, 201))


async def test_unknown_boards_are_named_with_those_that_are_here(connect: Connect) -> None:
    async with connect() as viewer:
        with pytest.raises(RefusedError, match="there is no board x") as caught:
            await viewer.request(messages.Subscribe("x"))
        assert caught.value.error.hint == "boards here: b, c"


async def test_the_registry_knows_its_boards_only(registry: Registry) -> None:
    with pytest.raises(CommandError, match="there is no board gone"):
        registry.board("gone")
    assert kind_of(newest(registry)[0].body) == "daemon_started"


# Subscriptions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (messages.Subscribe("b", after=0), range(2, 12)),
        (messages.Subscribe("b", after=6), range(7, 12)),
        (messages.Subscribe("b", last_lines=3), range(9, 12)),
        (messages.Subscribe("b", last_lines=0), range(0)),
        (messages.Subscribe("b"), range(0)),
        (messages.Subscribe("b", after=10**9), range(0)),
    ],
)
async def test_a_subscription_begins_where_it_was_asked_to(
    registry: Registry, connect: Connect, request_: messages.Subscribe, expected: range
) -> None:
    publish_lines(registry, 10)  # behind daemon_started, which is at 1
    async with connect() as viewer:
        await viewer.subscribe(request_)
        publish_lines(registry, 1)
        with trio.fail_after(10):
            while not lines_of(viewer) or not lines_of(viewer)[-1].endswith(b"13\n"):
                await viewer.receive_once()

        # 12 is the event that tells of this viewer.
        assert lines_of(viewer) == [b"line %d\n" % seq for seq in (*expected, 13)]


async def test_since_finds_what_is_in_memory_but_not_on_disk_yet(registry: Registry, connect: Connect) -> None:
    board = registry.board("b")
    with trio.fail_after(10):
        await board.parts.disk.progress.wait()
    journal = board.parts.journal.directory
    away = journal.rename(journal.with_name("away"))
    publish_lines(registry, 5)
    since = newest(registry)[-3].at
    async with connect() as viewer:
        await viewer.subscribe(messages.Subscribe("b", since=since, follow=False))
        await viewer.receive_history()

    assert lines_of(viewer) == [b"line 4\n", b"line 5\n", b"line 6\n"]
    away.rename(journal)


async def test_viewers_are_counted_and_those_that_only_read_the_past_are_none(
    registry: Registry, connect: Connect
) -> None:
    async with connect() as past, connect() as present:
        await past.subscribe(messages.Subscribe("b", after=0, follow=False))
        await present.subscribe(messages.Subscribe("b"))
        boards = await past.request(messages.ListBoards())
        assert isinstance(boards, messages.Boards)
        assert {board.board: board.viewers for board in boards.boards} == {"b": 1, "c": 0}

    told = [event.body for event in newest(registry)]
    assert [body.viewers for body in told if isinstance(body, ViewerAttached)] == [1]
    assert [(body.viewers, body.reason) for body in told if isinstance(body, ViewerDetached)] == [(0, "detached")]


async def test_after_unsubscribe_nothing_comes_and_the_lease_is_free(registry: Registry, connect: Connect) -> None:
    async with connect() as viewer:
        subscribed = await viewer.subscribe(messages.Subscribe("b", interactive=True))
        assert subscribed.is_writer
        await viewer.request(messages.Unsubscribe("b"))
        before = len(viewer.events)
        publish_lines(registry, 5)
        await viewer.request(messages.ListBoards())

        assert len(viewer.events) == before
        assert registry.board("b").lease.holder is None


async def test_who_subscribes_again_begins_anew_and_keeps_the_lease(registry: Registry, connect: Connect) -> None:
    publish_lines(registry, 5)
    async with connect() as viewer:
        await viewer.subscribe(messages.Subscribe("b", interactive=True))
        subscribed = await viewer.subscribe(messages.Subscribe("b", after=0, follow=False))
        await viewer.receive_history()

        assert subscribed.is_writer
        # What came before is of the first subscription, which began at the present.
        anew = [event.seq for event in viewer.events].index(1)
        assert [event.seq for event in viewer.events[anew : anew + 6]] == [1, 2, 3, 4, 5, 6]


# The lease ------------------------------------------------------------------------------------------------


async def test_who_took_the_lease_later_is_kept_out_when_he_lost_it_as_who_began_with_it(connect: Connect) -> None:
    async with connect() as watcher, connect() as thief:
        await watcher.subscribe(messages.Subscribe("b"))
        await watcher.request(messages.TakeWriter("b"))
        await thief.request(messages.TakeWriter("b", steal=True))
        with pytest.raises(RefusedError, match="busy"):
            await watcher.request(messages.Send("b", b"the rest of a word\n"))


async def test_the_lease_has_one_holder_can_be_stolen_and_is_free_when_he_goes(
    registry: Registry, connect: Connect
) -> None:
    async with connect() as second:
        async with connect() as first:
            assert (await first.subscribe(messages.Subscribe("b", interactive=True))).is_writer
            assert not (await second.subscribe(messages.Subscribe("b", interactive=True))).is_writer
            with pytest.raises(RefusedError, match="busy"):
                await second.request(messages.TakeWriter("b"))
            with pytest.raises(RefusedError, match="busy"):
                await second.request(messages.Send("b", b"reboot\n"))
            await second.request(messages.TakeWriter("b", steal=True))
            with pytest.raises(RefusedError, match="busy"):
                await first.request(messages.Send("b", b"reboot\n"))
            await first.request(messages.ReleaseWriter("b"))  # not his any more
            assert registry.board("b").lease.holder is not None
        await second.request(messages.ReleaseWriter("b"))

    changes = [event.body for event in newest(registry) if isinstance(event.body, WriterChanged)]
    assert [(change.writer is None, change.stolen) for change in changes] == [
        (False, False),
        (False, True),
        (True, False),
    ]


async def test_an_absent_board_takes_nothing(connect: Connect) -> None:
    async with connect() as viewer:
        for body in (messages.Send("b", b"x"), messages.Reset("b"), messages.Break("b")):
            with pytest.raises(RefusedError, match="absent: b is not connected"):
                await viewer.request(body)
        with pytest.raises(RefusedError, match="no core dump is arriving"):
            await viewer.request(messages.AbortCapture("b"))
        for body in (messages.Send("b", bytes(70_000)), messages.Break("b", -1.0), messages.Break("b", float("nan"))):
            with pytest.raises(RefusedError, match="bad_request"):
                await viewer.request(body)


async def test_a_note_is_an_event(registry: Registry, connect: Connect) -> None:
    async with connect() as viewer:
        await viewer.request(messages.AddNote("b", "changed the cable"))

    assert isinstance(newest(registry)[-1].body, Note)
