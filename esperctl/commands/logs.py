"""``esperctl logs``: the journal of a board."""

import re
from collections.abc import Callable
from typing import NamedTuple

from esper_protocol.events import Event, Gap
from esper_protocol.messages import Subscribe
from esperctl.arguments import Arguments, Parser, add_board, chosen_board, whole_number
from esperctl.client import Client
from esperctl.daemons import FoundBoard, open_board
from esperctl.dump_folding import DumpFolding
from esperctl.errors import EXIT_DONE, EXIT_NO, UsageError
from esperctl.following import Following
from esperctl.log_formats import FormatName, JsonLog, LogFormat, RawLog, event_texts
from esperctl.markers import marker
from esperctl.output import Output
from esperctl.selection import LastLines, Matching, compile_pattern
from esperctl.stream_options import add_start, add_view, blocks, dump_view, nanoseconds, short_log, subscribe
from esperctl.subscription import AnyEvent, Subscription

DESCRIPTION = (
    "What a board said: all that is kept, or with -f its last 10 lines and what\n"
    "follows, over restarts of esperd. --json is the same as -o json. -g finds what\n"
    "is printed: lines, and events and decodes with them; of raw and json only lines.\n"
    "Exit code 1: -g found nothing."
)
_FOLLOWED_LINES = 10


class _Wanted(NamedTuple):
    """What of the journal is wanted."""

    follow: bool
    last_lines: int | None
    since: int | None
    after: int | None
    until: int | None
    pattern: re.Pattern[str] | None
    format: FormatName

    @property
    def counts_here(self) -> bool:
        """Whether the last lines must be counted here: the daemon counts only unfiltered ones, from the end."""
        filtered = (self.since, self.after, self.until, self.pattern) != (None, None, None, None)
        return self.last_lines is not None and filtered


def add_arguments(parser: Parser) -> None:
    """Adds the board, the range, the pattern and the format."""
    add_board(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what the board says next")
    parser.add_argument("-n", "--lines", metavar="N", type=whole_number("lines"), help="only the last N lines")
    add_start(parser)
    parser.add_argument("-U", "--until", metavar="T", help="up to this time")
    parser.add_argument("-g", "--grep", metavar="REGEX", help="only what matches; -o raw and json: only lines")
    parser.add_argument("-o", "--output", choices=("short", "raw", "json"), help="default: short; raw: the very bytes")
    add_view(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Prints the journal."""
    wanted = _wanted(arguments)
    printer = _Printer(wanted, arguments, output)
    if wanted.follow:
        Following(printer, output).run(arguments.socket, chosen_board(arguments))
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        try:
            printer.print_kept(found)
        finally:
            printer.pause()
    return EXIT_NO if wanted.pattern is not None and not printer.has_matched else EXIT_DONE


def _wanted(arguments: Arguments) -> _Wanted:
    follow: bool = arguments.follow
    last_lines: int | None = arguments.lines
    grep: str | None = arguments.grep
    chosen: FormatName | None = arguments.output
    if arguments.json and chosen not in (None, "json"):
        raise UsageError(f"logs: --json and -o {chosen} contradict each other", "leave one of them out")
    if follow and arguments.until is not None:
        raise UsageError("logs: -f has no end, so -U has no meaning", "leave one of them out")
    since, until, after = nanoseconds(arguments.since), nanoseconds(arguments.until), arguments.after
    if since is not None and until is not None and since > until:
        raise UsageError(
            f"logs: -S {arguments.since} is later than -U {arguments.until}, so nothing lies between them",
            "-S is where it begins, -U where it ends",
        )
    if follow and (last_lines, since, after) == (None, None, None):
        last_lines = _FOLLOWED_LINES
    return _Wanted(
        follow,
        last_lines,
        since,
        after,
        until,
        None if grep is None else compile_pattern(grep),
        "json" if arguments.json else chosen or "short",
    )


def _format(wanted: _Wanted, arguments: Arguments, output: Output, found: FoundBoard) -> LogFormat:
    match wanted.format:
        case "raw":
            return RawLog(terminal=output.is_terminal, colour=output.colour)
        case "json":
            return JsonLog()
        case "short":
            from_the_end = wanted.last_lines is not None and not wanted.counts_here
            whole_lines = wanted.pattern is not None
            return short_log(arguments, output, found.record, from_the_end=from_the_end, whole_lines=whole_lines)


def _matching(wanted: _Wanted, arguments: Arguments, output: Output) -> Matching:
    if wanted.format != "short":
        return Matching(wanted.pattern)
    no_decode: bool = arguments.no_decode
    folding = None if dump_view(arguments, output) == "show" else DumpFolding()
    return Matching(wanted.pattern, lambda body: event_texts(body, show_decode=not no_decode), folding)


class _Printer:
    """Prints what is wanted of a journal; a stream for ``Following``."""

    def __init__(self, wanted: _Wanted, arguments: Arguments, output: Output) -> None:
        self._wanted = wanted
        self._arguments = arguments
        self._output = output
        self._matching = _matching(wanted, arguments, output)
        self._log: LogFormat | None = None

    @property
    def has_matched(self) -> bool:
        """Whether the pattern was found."""
        return bool(self._matching.matched)

    def print_kept(self, found: FoundBoard) -> None:
        """Prints what there is up to the present."""
        self._log = _format(self._wanted, self._arguments, self._output, found)
        if self._wanted.counts_here:
            self._print_last_lines(found)
        else:
            subscription, _ = subscribe(found.client, _subscribe(found.record.board, self._wanted, follow=False))
            self._select(found.client, subscription, self._print)

    def begin(self, found: FoundBoard) -> Subscription:
        """Makes the first subscription that follows; prints what comes before it."""
        self._log = _format(self._wanted, self._arguments, self._output, found)
        request = _subscribe(found.record.board, self._wanted, follow=True)
        if self._wanted.counts_here:
            request = Subscribe(found.record.board, after=self._print_last_lines(found))
        subscription, _ = subscribe(found.client, request)
        return subscription

    def show(self, events: list[AnyEvent]) -> None:
        """Prints what is wanted of events that were followed."""
        for event in events:
            for selected in self._matching.select(event):
                self._print(selected)

    def pause(self) -> None:
        """Ends a line that is open."""
        if self._log is not None:
            self._output.write(self._log.finish())

    def _print_last_lines(self, found: FoundBoard) -> int:
        """Prints the last lines that are wanted; the position up to which was looked."""
        last = LastLines(self._wanted.last_lines or 0, counts_events=self._wanted.pattern is not None)
        subscription, _ = subscribe(found.client, _subscribe(found.record.board, self._wanted, follow=False))
        self._select(found.client, subscription, last.add)
        for event in last:
            self._print(event)
        return subscription.cursor

    def _select(self, client: Client, subscription: Subscription, take: Callable[[AnyEvent], None]) -> None:
        until = self._wanted.until
        for block in blocks(client, subscription):
            for event in block:
                if until is not None and event.at > until:
                    return
                for selected in self._matching.select(event):
                    take(selected)
            # Once for each block that arrived, not for each line.
            self._output.flush()

    def _print(self, event: AnyEvent) -> None:
        if self._wanted.format == "raw" and isinstance(event, Event) and isinstance(event.body, Gap):
            self._output.talk(f"--- {marker(event.body)} ---")
        if self._log is not None:
            self._output.write(self._log.render(event))


def _subscribe(board: str, wanted: _Wanted, *, follow: bool) -> Subscribe:
    if wanted.after is not None:
        return Subscribe(board, after=wanted.after, follow=follow)
    if wanted.since is not None:
        return Subscribe(board, since=wanted.since, follow=follow)
    if wanted.last_lines is not None and not wanted.counts_here:
        # No line at all is the present, which is what a bare subscription begins with.
        return Subscribe(board, last_lines=wanted.last_lines or None, follow=follow)
    return Subscribe(board, after=0, follow=follow)
