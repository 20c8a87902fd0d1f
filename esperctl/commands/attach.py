"""``esperctl attach``: follows a board; on a terminal, keys go to it."""

import os
from contextlib import nullcontext

from esper_protocol.records import BoardRecord
from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.attachment import Attachment, Wishes
from esperctl.errors import UsageError
from esperctl.keyboard import single_keys
from esperctl.log_formats import JsonLog, LogFormat
from esperctl.output import Output
from esperctl.stream_options import add_start, add_view, nanoseconds, short_log

DESCRIPTION = (
    "Follow a board, from its last 20 lines on. On a terminal, keys go to the board\n"
    "as they are typed (one user at a time) and Ctrl-] leaves; in a pipe nothing is\n"
    "read. Attaching never resets the board."
)


def add_arguments(parser: Parser) -> None:
    """Adds the board, the lease, the range and the view."""
    add_board(parser)
    lease = parser.add_mutually_exclusive_group()
    lease.add_argument("--read-only", action="store_true", help="watch only; keys are not sent")
    lease.add_argument("--steal", action="store_true", help="take over from whoever types")
    add_start(parser)
    add_view(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Follows the board until the user leaves."""
    as_json: bool = arguments.json
    reads_keys = os.isatty(0) and output.is_terminal and not as_json
    read_only: bool = arguments.read_only
    steals: bool = arguments.steal
    if steals and not reads_keys:
        raise UsageError("attach: --steal is for typing, which needs a terminal", "leave it out, or use `send`")
    since, after = nanoseconds(arguments.since), arguments.after
    wishes = Wishes(reads_keys, reads_keys and not read_only, steals, after, since)

    def make_log(record: BoardRecord) -> LogFormat:
        if as_json:
            return JsonLog()
        return short_log(arguments, output, record, from_the_end=since is None and after is None)

    attachment = Attachment(wishes, make_log, output)
    with single_keys(0) if reads_keys else nullcontext():
        return attachment.run(arguments.socket, chosen_board(arguments))
