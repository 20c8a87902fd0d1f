"""A board as a plain stream: its last lines, who it is, and what follows."""

from collections.abc import Callable
from typing import Final, NamedTuple

from esper_protocol.messages import Subscribe
from esper_protocol.records import BoardRecord
from esperctl.daemons import FoundBoard
from esperctl.log_formats import LogFormat
from esperctl.output import Output
from esperctl.stream_options import subscribe
from esperctl.subscription import AnyEvent, Subscription

_LAST_LINES: Final = 20


class Beginning(NamedTuple):
    """Behind position ``after``, else from the time ``since_ns`` on, else with the last lines."""

    after: int | None
    since_ns: int | None


class Attachment:
    """One board in this pipe; a stream for ``Following``.

    Args:
        beginning: Where to begin.
        make_log: Makes the format once the board is known.
        output: Where it goes.
    """

    def __init__(self, beginning: Beginning, make_log: Callable[[BoardRecord], LogFormat], output: Output) -> None:
        self._beginning = beginning
        self._make_log = make_log
        self._output = output
        self._log: LogFormat | None = None

    def begin(self, found: FoundBoard) -> Subscription:
        """Makes the first subscription, and says what state the board is in."""
        record = found.record
        self._log = self._make_log(record)
        subscription, _ = subscribe(found.client, self._subscribe(record.board))
        state = f"{record.state}, session {record.generation}, boot {record.boot}"
        self._output.talk(f"--- attached to {record.board} ({state}), Ctrl-C leaves ---")
        return subscription

    def show(self, events: list[AnyEvent]) -> None:
        """Prints events."""
        if self._log is not None:
            for event in events:
                self._output.write(self._log.render(event))

    def pause(self) -> None:
        """Ends a line that is open."""
        if self._log is not None:
            self._output.write(self._log.finish())

    def _subscribe(self, board: str) -> Subscribe:
        after, since_ns = self._beginning
        if after is None and since_ns is None:
            return Subscribe(board, last_lines=_LAST_LINES)
        return Subscribe(board, after=after, since=since_ns)
