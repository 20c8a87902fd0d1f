"""``esperctl events``: every event of a board as JSON lines."""

from esper_protocol.codec import EVENT_KINDS
from esper_protocol.events import kind_of
from esper_protocol.messages import Subscribe
from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.daemons import open_board
from esperctl.errors import EXIT_DONE, UsageError
from esperctl.event_json import json_lines
from esperctl.output import Output
from esperctl.stream_options import add_start, nanoseconds, subscribe

DESCRIPTION = "Every event as a JSON line: those that are kept, or with -f those to come."


def add_arguments(parser: Parser) -> None:
    """Adds the board, the kinds and the range."""
    add_board(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens next")
    parser.add_argument("--kind", metavar="K", action="append", help="only this kind, e.g. panic; may be repeated")
    add_start(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Prints the events."""
    kinds = _kinds(arguments)
    since, after = nanoseconds(arguments.since), arguments.after
    follow: bool = arguments.follow
    if since is None and after is None and not follow:
        after = 0
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        request = Subscribe(found.record.board, after=after, since=since, follow=follow)
        subscription, _ = subscribe(found.client, request)
        while not subscription.ended:
            for event in subscription.absorb(found.client.receive()):
                if kinds is None or kind_of(event.body) in kinds:
                    output.write(json_lines(event))
            output.flush()
        subscription.check_served()
    return EXIT_DONE


def _kinds(arguments: Arguments) -> frozenset[str] | None:
    kinds: list[str] | None = arguments.kind
    if kinds is None:
        return None
    unknown = [kind for kind in kinds if kind not in EVENT_KINDS]
    if unknown:
        raise UsageError(f"there is no kind of event '{unknown[0]}'", f"kinds: {', '.join(sorted(EVENT_KINDS))}")
    return frozenset(kinds)
