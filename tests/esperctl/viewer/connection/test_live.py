"""Where in the log a viewer begins, against a real daemon."""

import asyncio
import functools
from typing import Final

import trio

from esper_protocol.events import Event, Line
from esper_protocol.messages import Subscribe, Subscribed
from esperctl.viewer.connection.channel import Channel
from esperctl.viewer.connection.live import Live, ReadingPlace
from esperctl.viewer.messages import Attached, EventsArrived, Message
from esperd.testing.daemon import Daemon
from esperd.testing.terminal import BoardTerminal

_DEADLINE_S: Final = 20.0
_LINES: Final = b"".join(b"I (%d) main: line %05d\r\n" % (number, number) for number in range(1500))


async def _said(daemon: Daemon, terminal: BoardTerminal) -> list[Event]:
    await terminal.send(_LINES)
    with trio.fail_after(_DEADLINE_S):
        while True:
            history = await daemon.history("b")
            if len(_data(history)) >= len(_LINES):
                return history
            await trio.sleep(0.02)


def _data(events: list[Event]) -> bytes:
    return b"".join(event.body.data for event in events if isinstance(event.body, Line))


async def _followed(daemon: Daemon, reading: ReadingPlace) -> tuple[Attached, list[Event]]:
    """What the model is told until the last of the lines."""
    messages: list[Message] = []
    came = asyncio.Event()

    def tell(message: Message) -> None:
        messages.append(message)
        if isinstance(message, EventsArrived) and b"line 01499" in _data(_events([message])):
            came.set()

    live = Live(str(daemon.socket), "b", interactive=False, tell=tell, reading=reading)
    task = asyncio.create_task(live.run())
    try:
        async with asyncio.timeout(_DEADLINE_S):
            await came.wait()
    finally:
        task.cancel()
    attached = next(message for message in messages if isinstance(message, Attached))
    return attached, _events(messages)


def _events(messages: list[Message]) -> list[Event]:
    arrived = [message for message in messages if isinstance(message, EventsArrived)]
    return [event for message in arrived for event in message.events if isinstance(event, Event)]


async def test_who_begins_at_a_time_gets_the_last_lines_without_a_hole(daemon: Daemon, terminal: BoardTerminal) -> None:
    history = await _said(daemon, terminal)
    lines = [event for event in history if isinstance(event.body, Line)]
    middle = lines[len(lines) // 2]
    expected = b"".join(_LINES.splitlines(keepends=True)[-1000:])

    for event in (lines[0], middle, lines[-1]):
        following = _followed(daemon, ReadingPlace(since_ns=event.at))
        attached, events = await trio.to_thread.run_sync(functools.partial(asyncio.run, following))
        assert _data(events) == expected
        assert attached.show_from is not None
        assert attached.show_from <= event.seq
        assert events[0].seq == attached.subscribed.next_seq


async def test_nothing_of_a_subscription_that_was_replaced_is_taken_for_the_next_one(
    daemon: Daemon, terminal: BoardTerminal
) -> None:
    await _said(daemon, terminal)

    async def main() -> tuple[int, list[int]]:
        channel = await Channel.open(str(daemon.socket))
        await channel.ask(Subscribe("b", after=0, follow=False), Subscribed)
        # Everything that the first one sends lies before the second answer now.
        await asyncio.sleep(0.2)
        subscribed, messages = await channel.ask(Subscribe("b", last_lines=3, follow=False), Subscribed)
        while not any(isinstance(message, Event) for message in messages):
            messages += await channel.receive()
        await channel.close()
        return subscribed.next_seq, [
            message.seq + (message.body.count if isinstance(message.body, Line) else 1)
            for message in messages
            if isinstance(message, Event)
        ]

    next_seq, ends = await trio.to_thread.run_sync(lambda: asyncio.run(main()))
    assert all(end > next_seq for end in ends)
