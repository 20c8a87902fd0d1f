"""``esperctl coredumps abort``: ends the capture that is under way; what arrived is kept."""

from esper_protocol.messages import AbortCapture, Done
from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.daemons import open_board
from esperctl.errors import EXIT_DONE
from esperctl.output import Output

DESCRIPTION = "End the capture that is under way; what arrived is kept.\nExit code 1: there was none."


def add_arguments(parser: Parser) -> None:
    """Adds the board."""
    add_board(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Ends the capture."""
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        found.client.request(AbortCapture(found.record.board), Done)
    return EXIT_DONE
