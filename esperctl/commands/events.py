"""``esperctl events``: every event of a board as JSON lines."""

from esper_protocol.codec import EVENT_KINDS
from esper_protocol.events import kind_of
from esper_protocol.messages import Subscribe
from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.daemons import FoundBoard, open_board
from esperctl.errors import EXIT_DONE, UsageError
from esperctl.event_json import json_lines
from esperctl.following import Following
from esperctl.output import Output
from esperctl.stream_options import add_start, blocks, nanoseconds, subscribe
from esperctl.subscription import AnyEvent, Subscription

DESCRIPTION = "Every event as a JSON line: those that are kept, or with -f those to come, over\nrestarts of esperd."


def add_arguments(parser: Parser) -> None:
    """Adds the board, the kinds and the range."""
    add_board(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens next")
    parser.add_argument("--kind", metavar="K", action="append", help="only this kind, e.g. panic; may be repeated")
    add_start(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Prints the events."""
    events = _Events(arguments, output)
    follow: bool = arguments.follow
    if follow:
        Following(events, output).run(arguments.socket, chosen_board(arguments))
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        for block in blocks(found.client, events.begin(found)):
            events.show(block)
            output.flush()
    return EXIT_DONE


class _Events:
    """The events that are wanted; a stream for ``Following``."""

    def __init__(self, arguments: Arguments, output: Output) -> None:
        self._kinds = _kinds(arguments)
        self._since, self._after = nanoseconds(arguments.since), arguments.after
        self._follow: bool = arguments.follow
        if self._since is None and self._after is None and not self._follow:
            self._after = 0
        self._output = output

    def begin(self, found: FoundBoard) -> Subscription:
        """Makes the first subscription."""
        request = Subscribe(found.record.board, after=self._after, since=self._since, follow=self._follow)
        subscription, _ = subscribe(found.client, request)
        return subscription

    def show(self, events: list[AnyEvent]) -> None:
        """Prints events."""
        for event in events:
            if self._kinds is None or kind_of(event.body) in self._kinds:
                self._output.write(json_lines(event))

    def pause(self) -> None:
        """Nothing: each event is a line of its own."""


def _kinds(arguments: Arguments) -> frozenset[str] | None:
    kinds: list[str] | None = arguments.kind
    if kinds is None:
        return None
    unknown = [kind for kind in kinds if kind not in EVENT_KINDS]
    if unknown:
        raise UsageError(f"there is no kind of event '{unknown[0]}'", f"kinds: {', '.join(sorted(EVENT_KINDS))}")
    return frozenset(kinds)
