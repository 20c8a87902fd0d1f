"""What the commands that read a journal share: where a stream begins, and how it looks."""

from collections.abc import Iterator
from datetime import datetime

from esper_protocol.messages import Subscribe, Subscribed
from esper_protocol.records import BoardRecord
from esperctl.arguments import Arguments, Parser, whole_number
from esperctl.client import Client
from esperctl.log_formats import DumpView, ShortLog
from esperctl.output import Output
from esperctl.subscription import AnyEvent, Subscription
from esperctl.times import parse_time


def add_start(parser: Parser) -> None:
    """Adds ``--since`` and ``--after``."""
    start = parser.add_mutually_exclusive_group()
    start.add_argument("-S", "--since", metavar="T", help="from this time: 2026-01-31T08:30, 08:30, 10m, yesterday")
    start.add_argument(
        "--after", metavar="SEQ", type=whole_number(), help="from after this position; 0: the oldest kept"
    )


def add_view(parser: Parser) -> None:
    """Adds ``--dump`` and ``--no-decode``."""
    parser.add_argument(
        "--dump", choices=("fold", "show", "hide"), help="base64 of core dumps; fold on a terminal, else show"
    )
    parser.add_argument("--no-decode", action="store_true", help="without the reports of decoded crashes")


def dump_view(arguments: Arguments, output: Output) -> DumpView:
    """How the base64 of dumps is shown, as the command line asks for it."""
    dump: DumpView | None = arguments.dump
    return dump or ("fold" if output.is_terminal else "show")


def nanoseconds(text: str | None) -> int | None:
    """The time that was typed, if any.

    Raises:
        UsageError: it is not a time.
    """
    return None if text is None else parse_time(text, datetime.now().astimezone())


def subscribe(client: Client, request: Subscribe) -> tuple[Subscription, Subscribed]:
    """Begins a stream of events."""
    subscribed = client.request(request, Subscribed)
    return Subscription(request.board, subscribed, request.until), subscribed


def blocks(client: Client, subscription: Subscription) -> Iterator[list[AnyEvent]]:
    """The events of a stream that ends, as they arrive.

    Raises:
        NotServedError: the daemon ended it, although there might have been more.
    """
    while not subscription.ended:
        yield subscription.absorb(client.receive())
    subscription.check_served()


def short_log(
    arguments: Arguments, output: Output, record: BoardRecord, *, from_the_end: bool, whole_lines: bool = False
) -> ShortLog:
    """The format for people, as the command line asks for it.

    Args:
        arguments: With what ``add_view`` added.
        output: Where it goes.
        record: The board.
        from_the_end: Whether the stream begins at the present, where a dump may be arriving.
        whole_lines: See ShortLog; what of dumps is not to be shown was left out before.
    """
    no_decode: bool = arguments.no_decode
    return ShortLog(
        colour=output.colour,
        terminal=output.is_terminal,
        dump="show" if whole_lines else dump_view(arguments, output),
        today=f"{datetime.now().astimezone():%Y-%m-%d}",
        show_decode=not no_decode,
        whole_lines=whole_lines,
        capturing=from_the_end and record.capture is not None,
        width=output.width,
    )
