"""``esperctl coredumps prune``: applies retention now."""

from esper_protocol.messages import PruneCoredumps, Removed
from esperctl.arguments import Arguments, Parser, whole_number
from esperctl.client import Client
from esperctl.daemons import Daemons, open_daemons
from esperctl.errors import EXIT_DONE, RequestError
from esperctl.output import Output
from esperctl.safe_text import safe_text

DESCRIPTION = "Apply retention now, to all boards or to --board; prints the ids that went."


def add_arguments(parser: Parser) -> None:
    """Adds the number to keep."""
    parser.add_argument("--keep", metavar="N", type=whole_number("core dumps"), help="keep at most N for each board")


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
    if board is not None and any(board == known.board for daemon in daemons.found for known in daemon.boards):
        return daemons.board(board).client.request(PruneCoredumps(board, keep), Removed).ids
    # The dumps of a board that no daemon runs go through any daemon of their state directory.
    answers = [ids for daemon in daemons.found if (ids := _prune_one(daemon.client, board, keep)) is not None]
    if board is not None and not answers:
        daemons.board(board)  # for its error: nobody knows the name
    return [coredump_id for ids in answers for coredump_id in ids]


def _prune_one(client: Client, board: str | None, keep: int | None) -> list[str] | None:
    """What one daemon removed; None when it does not know the board."""
    try:
        return client.request(PruneCoredumps(board, keep), Removed).ids
    except RequestError as error:
        if error.code != "unknown_board":
            raise
        return None
