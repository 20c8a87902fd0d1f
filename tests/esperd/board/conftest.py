from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import pytest
import trio

from esper_protocol.events import Body, Event
from esper_protocol.framing import HEADER_BYTES
from esperd.storage.tail import Entry
from esperd.testing.terminal import BoardTerminal

B = TypeVar("B", bound=Body)


@dataclass
class Recorder:
    """Follows a board, and keeps its events."""

    events: list[Event] = field(default_factory=list[Event])
    entries: list[Entry] = field(default_factory=list[Entry])
    grew: trio.Event = field(default_factory=trio.Event)

    def offer(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.events.append(msgspec.msgpack.decode(entry.frame[HEADER_BYTES:], type=Event))
        grew, self.grew = self.grew, trio.Event()
        grew.set()

    def bodies(self, kind: type[B]) -> list[B]:
        return [event.body for event in self.events if isinstance(event.body, kind)]

    async def wait_for(self, kind: type[B], count: int = 1) -> B:
        """The *count*-th body of this kind."""
        with trio.fail_after(20):
            while len(self.bodies(kind)) < count:
                await self.grew.wait()
        return self.bodies(kind)[count - 1]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def terminal() -> Iterator[BoardTerminal]:
    terminal = BoardTerminal()
    yield terminal
    terminal.hang_up()
