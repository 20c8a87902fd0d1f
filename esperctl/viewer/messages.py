"""What the model is told. Values; whoever runs the viewer makes them, the model never asks for anything else."""

from dataclasses import dataclass
from typing import TypeAlias

from esper_protocol.messages import CoredumpFile, Subscribed
from esper_protocol.records import BoardRecord, CoredumpRecord, DaemonRecord
from esperctl.subscription import AnyEvent
from esperctl.viewer.effects import Effect, FetchPage
from esperctl.viewer.keys import Key


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Keys, in order."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Resized:
    """The terminal has this size now."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Attached:
    """The viewer follows a board: for the first time, after a switch of boards, or ``again`` after an absence.

    ``again`` means that events go on behind the last one that was handed over; else the log starts anew, and
    ``subscribed.next_seq`` is the position of the first event that will come. ``show_from`` is the position that the
    user wants to begin to read at, else the log is followed.
    """

    daemon: DaemonRecord
    board: BoardRecord
    subscribed: Subscribed
    again: bool
    show_from: int | None = None


@dataclass(frozen=True, slots=True)
class Detached:
    """The connection was lost, or not made yet; it is tried again and again.

    Attributes:
        board: Whose; empty: not known.
        is_served: False: the daemon is there, but it serves this board no longer.
    """

    reason: str
    board: str = ""
    is_served: bool = True


@dataclass(frozen=True, slots=True)
class EventsArrived:
    """Events of the board, in the order of its journal, each position once."""

    events: tuple[AnyEvent, ...]


@dataclass(frozen=True, slots=True)
class PageArrived:
    """The answer to a FetchPage; ``is_end`` when there is nothing beyond it in its direction."""

    request: FetchPage
    events: tuple[AnyEvent, ...]
    is_end: bool


@dataclass(frozen=True, slots=True)
class ScanProgressed:
    """What a scan of the journal found so far, beyond what it told before.

    Attributes:
        scan: The number of the StartScan.
        matches: Positions of lines and events that match, ascending within one message.
        events: What is not a line (boots, panics, dumps, decodes, ports, notes), in journal order within one message.
        share: How much of the journal was read, 0 to 1.
        is_finished: Nothing more will come.
        error: Why it ended early; it is finished then.
    """

    scan: int
    matches: tuple[int, ...] = ()
    events: tuple[AnyEvent, ...] = ()
    share: float = 0.0
    is_finished: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class BoardsListed:
    """Every board of every daemon within reach."""

    boards: tuple[tuple[DaemonRecord, BoardRecord], ...]


@dataclass(frozen=True, slots=True)
class CoredumpsListed:
    """The stored dumps of the board, oldest first."""

    coredumps: tuple[CoredumpRecord, ...]


@dataclass(frozen=True, slots=True)
class CoredumpFetched:
    """Everything about one dump; ``report`` is the decode report as JSON text, when there is one."""

    record: CoredumpRecord
    files: tuple[CoredumpFile, ...]
    report: str | None


@dataclass(frozen=True, slots=True)
class EffectDone:
    """An effect that changes something was carried out; ``detail`` says what a person wants to know, such as a path."""

    effect: Effect
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """An effect failed, and why; ``hint`` says what to do."""

    effect: Effect
    code: str
    error: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed: the moment that ``next_tick_at`` asked for."""


Message: TypeAlias = (
    KeysPressed
    | Resized
    | Attached
    | Detached
    | EventsArrived
    | PageArrived
    | ScanProgressed
    | BoardsListed
    | CoredumpsListed
    | CoredumpFetched
    | EffectDone
    | EffectFailed
    | Ticked
)
