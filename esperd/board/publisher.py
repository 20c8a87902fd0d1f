"""Publishing: an event gets its position, is encoded once, and the frame goes to memory, to viewers and to the disk.

Nothing here waits. The order is fixed: what a viewer sees has its place in memory already, and is on its way to disk.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from esper_protocol.codec import encode_message
from esper_protocol.events import (
    Body,
    Boot,
    CoredumpEnded,
    CoredumpStarted,
    DaemonStarted,
    DaemonStopping,
    Event,
    Line,
    Panic,
    SessionLost,
    seq_count,
)
from esperd.board.summary import BoardSummary
from esperd.storage.disk_writer import DiskWriter
from esperd.storage.tail import Entry, Tail
from esperd.system.clock import wall_ns

# What must survive a power cut that comes with it: synced at once, not within a second.
_URGENT: Final = (Panic, CoredumpStarted, CoredumpEnded, SessionLost, DaemonStarted, DaemonStopping)


@dataclass(frozen=True, slots=True)
class Origin:
    """The session and the boot that something belongs to."""

    generation: int
    boot: int


class Follower(Protocol):
    """Somebody who follows a board's events."""

    def offer(self, entry: Entry) -> None:
        """Is told of each entry as it is published. Must neither wait nor raise."""
        ...


def _ignore_change() -> None:
    """Nobody watches."""


def _ignore_event(event: Event) -> None:
    """Nobody watches."""


class Publisher:
    """Owns the numbers of one board: positions, generation, boot.

    ``on_change`` is called with each event but lines, and so is ``on_event``, which gets it. They must neither wait nor
    raise.

    Args:
        board: Its name.
        tail: Memory; says which position is next.
        disk: The board's disk writer.
        generation: Of the last session; the next one adds one.
        boot: Of the last start of the firmware.
    """

    def __init__(self, board: str, tail: Tail, disk: DiskWriter, generation: int, boot: int) -> None:
        self.board = board
        self.tail = tail
        self.generation = generation
        self.boot = boot
        self.summary = BoardSummary()
        self.followers: tuple[Follower, ...] = ()
        self.on_change = _ignore_change
        self.on_event = _ignore_event
        self.events = 0
        self.bytes = 0
        self._disk = disk
        self._is_stopped = False

    @property
    def next_seq(self) -> int:
        """The position that the next event will get."""
        return self.tail.next_seq

    @property
    def origin(self) -> Origin:
        """What is published now belongs to this."""
        return Origin(self.generation, self.boot)

    def publish(self, body: Body, origin: Origin | None = None) -> int:
        """Publishes one event; returns its position. After ``stop`` nothing is published.

        Args:
            body: The event.
            origin: What it belongs to, when that is not the present session and boot: a result that comes later.
        """
        if self._is_stopped:
            return self.tail.next_seq
        if isinstance(body, Boot):
            self.boot += 1
        at = wall_ns()
        seq = self.tail.next_seq
        count = seq_count(body)
        generation, boot = (self.generation, self.boot) if origin is None else (origin.generation, origin.boot)
        event = Event(seq, at, self.board, generation, boot, body)
        entry = Entry(seq, seq + count, at, count if isinstance(body, Line) else 0, encode_message(event))
        self.tail.append(entry)
        for follower in self.followers:
            follower.offer(entry)
        self._disk.append(entry)
        self.events += count
        if isinstance(body, Line):
            self.bytes += len(body.data)
        else:
            self.summary.fold(event)
            self.on_change()
            self.on_event(event)
            if isinstance(body, _URGENT):
                self._disk.hurry()
        return seq

    def stop(self, last: DaemonStopping) -> None:
        """Publishes the last event of this run; the next start knows by it that the run ended in order."""
        self.publish(last)
        self._is_stopped = True

    def add_follower(self, follower: Follower) -> None:
        """From now on *follower* is told of each entry."""
        self.followers = (*self.followers, follower)

    def remove_follower(self, follower: Follower) -> None:
        """The reverse; harmless when it was none."""
        self.followers = tuple(other for other in self.followers if other is not follower)
