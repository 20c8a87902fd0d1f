"""``esperctl coredumps prune``: applies retention now."""

from esper_protocol.messages import PruneCoredumps, Removed
from esperctl.arguments import Arguments, Parser, whole_number
from esperctl.daemons import Daemons, open_daemons
from esperctl.errors import EXIT_DONE
from esperctl.output import Output
from esperctl.safe_text import safe_text

DESCRIPTION = "Apply retention now, to all boards or to --board; prints the ids that went."


def add_arguments(parser: Parser) -> None:
    """Adds the number to keep."""
    parser.add_argument("--keep", metavar="N", type=whole_number, help="keep at most N for each board")


def run(arguments: Arguments, output: Output) -> int:
    """Prunes, and says what went."""
    keep: int | None = arguments.keep
    with open_daemons(arguments.socket, output) as daemons:
        ids = _prune(daemons, arguments.board, keep)
    if arguments.json:
        output.document({"removed": ids})
    else:
        for coredump_id in ids:
            output.line(safe_text(coredump_id))
    return EXIT_DONE


def _prune(daemons: Daemons, board: str | None, keep: int | None) -> list[str]:
    if board is not None:
        found = daemons.board(board)
        return found.client.request(PruneCoredumps(found.record.board, keep), Removed).ids
    return [
        coredump_id
        for daemon in daemons.found
        for coredump_id in daemon.client.request(PruneCoredumps(None, keep), Removed).ids
    ]
