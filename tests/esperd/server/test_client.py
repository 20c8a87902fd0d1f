"""A client's session on a socket pair, with boards that are real but for their port."""

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from esper_protocol import messages
from esper_protocol.connection import ClientConnection
from esper_protocol.events import Event, Line, Note, ViewerAttached, ViewerDetached, WriterChanged, kind_of
from esper_protocol.framing import HEADER
from esper_protocol.records import CoredumpRecord
from esperd.errors import CommandError
from esperd.server.client import refuse_client
from esperd.server.registry import Registry
from esperd.storage.board_lock import hold_board
from esperd.storage.files import Access
from esperd.testing.boards import connected, open_boards
from esperd.testing.viewer import RefusedError, Viewer

Connect = Callable[[], AbstractAsyncContextManager[Viewer]]


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[Registry]:
    async with open_boards(tmp_path, "b", "c") as registry:
        yield registry


@pytest.fixture
def connect(registry: Registry) -> Connect:
    @asynccontextmanager
    async def connect() -> AsyncGenerator[Viewer]:
        async with connected(registry) as stream:
            viewer = Viewer(stream)
            await viewer.open()
            yield viewer

    return connect


def publish_lines(registry: Registry, count: int, board: str = "b") -> None:
    for _ in range(count):
        publisher = registry.board(board).publisher
        publisher.publish(Line(f"line {publisher.next_seq}\n".encode(), 1))


def lines_of(viewer: Viewer) -> list[bytes]:
    return [event.body.data for event in viewer.events if isinstance(event.body, Line)]


def newest(registry: Registry, board: str = "b") -> list[Event]:
    """The events in memory."""
    tail = registry.board(board).publisher.tail
    decoder = msgspec.msgpack.Decoder(Event)
    return [decoder.decode(entry.frame[HEADER.size :]) for entry in tail.from_seq(tail.first_seq, 10**9)]


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


async def test_one_too_many_is_refused_with_the_limit() -> None:
    daemon, client = socket.socketpair(socket.AF_UNIX)
    daemon.setblocking(False)
    refuse_client(daemon, 256)
    async with trio.SocketStream(trio.socket.from_stdlib_socket(client)) as stream:
        viewer = Viewer(stream)
        with pytest.raises(RefusedError, match="256 clients at a time"):
            await viewer.receive_once()


async def test_unknown_boards_are_named_with_those_that_are_here(connect: Connect) -> None:
    async with connect() as viewer:
        with pytest.raises(RefusedError, match="there is no board x") as caught:
            await viewer.request(messages.Subscribe("x"))
        assert caught.value.error.hint == "boards here: b, c"


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


# Core dumps -----------------------------------------------------------------------------------------------


def store_dump(registry: Registry, coredump_id: str, **changes: object) -> None:
    record = store_record(registry, coredump_id, **changes)
    registry.store.files.create(coredump_id, msgspec.json.encode(record), b"")
    registry.store.files.append(coredump_id, b"AAAA\r\n" * 100_000, b"abc", b"")


def store_record(registry: Registry, coredump_id: str, **changes: object) -> CoredumpRecord:
    board = coredump_id.rpartition("-")[0]
    fields: dict[str, object] = {
        "id": coredump_id,
        "board": board,
        "generation": 1,
        "boot": 1,
        "started_at": f"2026-01-01T00:00:{coredump_id.rpartition('-')[2]:0>2}Z",
        "capture": "captured",
        "raw_path": "",
        "core_path": "",
        "first_seq": 1,
        "last_seq": 2,
    }
    record = msgspec.convert({**fields, **changes}, CoredumpRecord)
    if board in registry.boards:
        registry.store.add(record)
    return record


async def listed(viewer: Viewer, board: str | None = None) -> list[str]:
    answer = await viewer.request(messages.ListCoredumps(board))
    assert isinstance(answer, messages.Coredumps)
    return [record.id for record in answer.coredumps]


async def read_file(viewer: Viewer, coredump_id: str, name: str) -> bytes:
    content = b""
    while True:
        part = await viewer.request(messages.ReadCoredumpFile(coredump_id, name, len(content)))
        assert isinstance(part, messages.FileData)
        content += part.data
        if part.last:
            return content


async def test_dumps_that_nobody_owns_are_looked_after_and_those_of_another_daemon_are_not(
    registry: Registry, connect: Connect, tmp_path: Path
) -> None:
    for coredump_id in ("b-2", "gone-1", "run-3"):
        store_dump(registry, coredump_id)
    async with connect() as viewer, hold_board(tmp_path, "run", Access()):
        assert await listed(viewer) == ["gone-1", "b-2"]
        assert await listed(viewer, "gone") == ["gone-1"]
        assert await listed(viewer, "c") == []
        with pytest.raises(RefusedError, match="there is no board run"):
            await listed(viewer, "run")
        for body in (
            messages.CoredumpInfo("run-3"),
            messages.ReadCoredumpFile("run-3", "core.bin", 0),
            messages.PinCoredump("run-3"),
            messages.RemoveCoredump("run-3", force=True),
        ):
            with pytest.raises(RefusedError, match="there is no core dump run-3"):
                await viewer.request(body)
        assert registry.store.folder("run-3").is_dir()


@pytest.mark.parametrize("coredump_id", ["b-1", "gone-1"])
async def test_a_dump_is_read_pinned_and_removed_whoever_owns_it(
    registry: Registry, connect: Connect, coredump_id: str
) -> None:
    store_dump(registry, coredump_id)
    async with connect() as viewer:
        details = await viewer.request(messages.CoredumpInfo(coredump_id))
        assert isinstance(details, messages.CoredumpDetails)
        assert {file.name for file in details.files} == {"core.b64", "core.bin", "panic.txt", "record.json"}
        assert await read_file(viewer, coredump_id, "core.b64") == b"AAAA\r\n" * 100_000
        await viewer.request(messages.PinCoredump(coredump_id))
        with pytest.raises(RefusedError, match="is pinned"):
            await viewer.request(messages.RemoveCoredump(coredump_id))
        await viewer.request(messages.RemoveCoredump(coredump_id, force=True))
        assert await listed(viewer) == []
    # An own one is removed by the disk writer.
    is_done = trio.Event()
    registry.board("b").parts.disk.submit(lambda: None, lambda _: None, is_done.set)
    with trio.fail_after(10):
        await is_done.wait()
    assert not registry.store.folder(coredump_id).exists()


async def test_a_dump_that_arrives_is_not_removed(registry: Registry, connect: Connect) -> None:
    store_dump(registry, "b-1", capture="capturing")
    async with connect() as viewer:
        with pytest.raises(RefusedError, match="capturing: core dump b-1 is arriving"):
            await viewer.request(messages.RemoveCoredump("b-1", force=True))


async def test_only_the_files_of_a_dump_are_read(registry: Registry, connect: Connect, tmp_path: Path) -> None:
    store_dump(registry, "b-1")
    (tmp_path / "secret").write_bytes(b"secret")
    (registry.store.folder("b-1") / "link").symlink_to(tmp_path / "secret")
    async with connect() as viewer:
        for name in ("../../secret", "link", str(tmp_path / "secret"), "", ".", "core.bin\0"):
            with pytest.raises(RefusedError, match="has no file"):
                await viewer.request(messages.ReadCoredumpFile("b-1", name, 0))
        for coredump_id in ("../b-1", "b-01", "", "b"):
            with pytest.raises(RefusedError, match="there is no core dump"):
                await viewer.request(messages.CoredumpInfo(coredump_id))
        for offset in (-5, 2**63, 2**64 - 1):
            part = await viewer.request(messages.ReadCoredumpFile("b-1", "core.bin", offset))
            assert isinstance(part, messages.FileData)
            assert part.last


async def test_prune_applies_retention_to_each_board_that_no_other_daemon_runs(
    registry: Registry, connect: Connect, tmp_path: Path
) -> None:
    for coredump_id in ("b-1", "b-2", "c-1", "gone-1", "gone-2", "run-1"):
        store_dump(registry, coredump_id)
    async with connect() as viewer, hold_board(tmp_path, "run", Access()):
        with pytest.raises(RefusedError, match="can't be negative"):
            await viewer.request(messages.PruneCoredumps(keep=-1))
        assert await viewer.request(messages.PruneCoredumps()) == messages.Removed([])
        assert await viewer.request(messages.PruneCoredumps("b", keep=1)) == messages.Removed(["b-1"])
        assert await viewer.request(messages.PruneCoredumps("gone", keep=1)) == messages.Removed(["gone-1"])
        await viewer.request(messages.PinCoredump("gone-2"))
        assert await viewer.request(messages.PruneCoredumps(keep=0)) == messages.Removed(["b-2", "c-1"])
        await viewer.request(messages.PinCoredump("gone-2", pinned=False))
        assert await viewer.request(messages.PruneCoredumps(keep=0)) == messages.Removed(["gone-2"])
        assert await listed(viewer) == []
        with pytest.raises(RefusedError, match="there is no board run"):
            await viewer.request(messages.PruneCoredumps("run"))


async def test_a_list_that_is_too_long_for_a_message_comes_in_parts(registry: Registry, connect: Connect) -> None:
    note = "n" * 3000
    for number in range(1, 201):
        store_record(registry, f"b-{number}", note=note)
    for number in range(1, 201):
        store_record(registry, f"c-{number}", note=note)
    async with connect() as viewer:
        ids: list[str] = []
        sizes: list[int] = []
        after: str | None = None
        while True:
            part = await viewer.request(messages.ListCoredumps(after=after))
            assert isinstance(part, messages.Coredumps)
            ids += [record.id for record in part.coredumps]
            sizes.append(len(part.coredumps))
            after = part.next
            if after is None:
                break
            # What was named may be gone by the time somebody asks on.
            registry.store.forget(part.coredumps[-1].id)

        assert len(set(ids)) == len(ids) == 400
        assert len(sizes) == 3
        for wrong in ("", "b-1", "[1, 2, 3]", "[]"):
            with pytest.raises(RefusedError, match="bad_request: `after` is not what"):
                await viewer.request(messages.ListCoredumps(after=wrong))


async def test_the_registry_knows_its_boards_only(registry: Registry) -> None:
    with pytest.raises(CommandError, match="there is no board gone"):
        registry.board("gone")
    assert kind_of(newest(registry)[0].body) == "daemon_started"
