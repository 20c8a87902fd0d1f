"""``esperctl attach``: follows a board; on a terminal by the full-screen viewer, else as a plain stream."""

import os

from esper_protocol.records import BoardRecord
from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.attachment import Attachment, Beginning
from esperctl.errors import UsageError
from esperctl.following import Following
from esperctl.log_formats import DumpView, JsonLog, LogFormat
from esperctl.output import Output
from esperctl.stream_options import add_start, add_view, nanoseconds, short_log

DESCRIPTION = (
    "Follow a board. On a terminal this is a full-screen viewer: keys go to the\n"
    "board, Ctrl-T ? is help, Ctrl-] leaves. In a pipe the log is streamed as by\n"
    "`logs -f`. Attaching never resets the board."
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
    beginning = Beginning(arguments.after, nanoseconds(arguments.since))
    as_json: bool = arguments.json
    if _has_screen(output) and not as_json:
        return _run_viewer(arguments, beginning, output)
    steals: bool = arguments.steal
    if steals:
        raise UsageError("attach: --steal is for typing, which needs a terminal", "leave it out, or use `send`")

    def make_log(record: BoardRecord) -> LogFormat:
        if as_json:
            return JsonLog()
        return short_log(arguments, output, record, from_the_end=beginning == (None, None))

    return Following(Attachment(beginning, make_log, output), output).run(arguments.socket, chosen_board(arguments))


def _has_screen(output: Output) -> bool:
    return os.isatty(0) and output.is_terminal and os.environ.get("TERM", "dumb") != "dumb"


def _run_viewer(arguments: Arguments, beginning: Beginning, output: Output) -> int:
    # Here, because one-shot commands must not wait for prompt_toolkit and asyncio to be imported.
    from esperctl.viewer.connection.live import ReadingPlace  # noqa: PLC0415 - see above
    from esperctl.viewer.run import ViewerOptions, run_viewer  # noqa: PLC0415 - see above

    dump: DumpView | None = arguments.dump
    no_decode: bool = arguments.no_decode
    options = ViewerOptions(
        socket=arguments.socket,
        board=chosen_board(arguments),
        reading=ReadingPlace(*beginning),
        read_only=arguments.read_only,
        steals=arguments.steal,
        folds_dumps=dump != "show",
        shows_decode=not no_decode,
    )
    return run_viewer(options, output)
