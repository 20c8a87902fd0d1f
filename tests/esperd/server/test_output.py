import socket

import trio
from trio.testing import wait_all_tasks_blocked

from esperd.server.output import Output

Pair = tuple[socket.socket, socket.socket]
LARGE = 100_000


async def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    with trio.fail_after(10):
        while len(data) < size:
            await trio.lowlevel.wait_readable(client)
            part = client.recv(65536)
            if not part:
                break
            data += part
    return data


class Batches:
    """A source that gives what it has, and counts how often it is asked."""

    def __init__(self, *batches: bytes) -> None:
        self.batches = list(batches)
        self.asked = 0

    async def next_batch(self) -> bytes | None:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        return self.batches.pop(0) if self.batches else None


async def test_a_client_that_reads_gets_frames_without_any_task(pair: Pair) -> None:
    output = Output(pair[0])

    assert output.send_now(b"one")
    output.put(b"two")

    assert pair[1].recv(100) == b"onetwo"


async def test_frames_keep_their_order_whoever_sends_them(pair: Pair, nursery: trio.Nursery) -> None:
    output = Output(pair[0])
    nursery.start_soon(output.run)
    first, second = b"a" * LARGE, b"b" * LARGE
    output.put(first)
    output.put(second)
    assert not output.send_now(b"c")
    output.add_source(Batches(b"d" * LARGE))

    assert await receive(pair[1], 3 * LARGE) == first + second + b"d" * LARGE
    await wait_all_tasks_blocked()
    assert output.send_now(b"e")
    assert await receive(pair[1], 1) == b"e"


async def test_a_source_that_has_nothing_is_not_asked_again_and_again(pair: Pair, nursery: trio.Nursery) -> None:
    output, source = Output(pair[0]), Batches(b"x", b"", b"y")
    nursery.start_soon(output.run)
    output.add_source(source)

    assert await receive(pair[1], 2) == b"xy"
    await wait_all_tasks_blocked()
    assert source.asked == 4
    output.wake()
    await wait_all_tasks_blocked()
    assert source.asked == 5


async def test_nothing_of_a_source_is_sent_after_it_was_removed(pair: Pair, nursery: trio.Nursery) -> None:
    class Slow:
        def __init__(self) -> None:
            self.asked, self.go_on = trio.Event(), trio.Event()

        async def next_batch(self) -> bytes | None:
            self.asked.set()
            await self.go_on.wait()
            return b"too late"

    output, source = Output(pair[0]), Slow()
    nursery.start_soon(output.run)
    output.add_source(source)
    await source.asked.wait()
    output.remove_source(source)
    output.put(b"done")
    source.go_on.set()
    await wait_all_tasks_blocked()

    assert pair[1].recv(100) == b"done"
    output.remove_source(source)


async def test_each_source_gets_its_turn(pair: Pair, nursery: trio.Nursery) -> None:
    output = Output(pair[0])
    nursery.start_soon(output.run)
    output.add_source(Batches(*[b"a" * 1000] * 5))
    output.add_source(Batches(*[b"b" * 1000] * 5))

    assert await receive(pair[1], 10_000) == (b"a" * 1000 + b"b" * 1000) * 5


async def test_who_does_not_read_has_to_wait_before_asking_for_more(pair: Pair, nursery: trio.Nursery) -> None:
    output = Output(pair[0])
    nursery.start_soon(output.run)
    has_room = trio.Event()

    async def ask() -> None:
        await output.wait_room()
        has_room.set()

    output.put(b"x" * LARGE)
    await output.wait_room()
    output.put(b"y" * LARGE)
    nursery.start_soon(ask)
    await wait_all_tasks_blocked()
    assert not has_room.is_set()

    assert await receive(pair[1], 2 * LARGE) == b"x" * LARGE + b"y" * LARGE
    with trio.fail_after(10):
        await has_room.wait()


async def test_a_broken_connection_takes_everything_and_holds_nothing(pair: Pair) -> None:
    output = Output(pair[0])
    for _ in range(50):
        output.put(b"x" * LARGE)
    pair[1].close()

    with trio.fail_after(10):
        await output.run()
        assert output.is_broken
        output.put(b"more")
        assert not output.send_now(b"more")
        await output.wait_room()
    output.add_source(Batches(b"x"))
