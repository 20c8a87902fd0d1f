"""``esperctl reset``: resets a board by its control lines."""

from esper_protocol.messages import Done, Reset
from esperctl.arguments import Arguments, Parser, add_board, add_steal, chosen_board
from esperctl.daemons import open_board
from esperctl.errors import EXIT_DONE
from esperctl.output import Output


def add_arguments(parser: Parser) -> None:
    """Adds the board, the bootloader, and whether to write beside another user."""
    add_board(parser)
    parser.add_argument("--bootloader", action="store_true", help="into the ROM's download mode")
    add_steal(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Resets the board."""
    bootloader: bool = arguments.bootloader
    steal: bool = arguments.steal
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        found.client.request(Reset(found.record.board, bootloader, steal), Done)
    return EXIT_DONE
