"""``esperctl break``: sends a break condition."""

from esper_protocol.messages import Break, Done
from esperctl.arguments import Arguments, Parser, add_board, add_steal, chosen_board
from esperctl.daemons import open_board
from esperctl.errors import EXIT_DONE
from esperctl.output import Output


def add_arguments(parser: Parser) -> None:
    """Adds the board, and whether to write beside another user."""
    add_board(parser)
    add_steal(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Sends the break."""
    steal: bool = arguments.steal
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        found.client.request(Break(found.record.board, steal=steal), Done)
    return EXIT_DONE
