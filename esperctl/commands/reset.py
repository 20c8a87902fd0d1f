"""``esperctl reset``: resets a board by its control lines."""

from esper_protocol.messages import Done, Reset
from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.daemons import open_board
from esperctl.errors import EXIT_DONE
from esperctl.output import Output


def add_arguments(parser: Parser) -> None:
    """Adds the board and the bootloader."""
    add_board(parser)
    parser.add_argument("--bootloader", action="store_true", help="into the ROM's download mode")


def run(arguments: Arguments, output: Output) -> int:
    """Resets the board."""
    bootloader: bool = arguments.bootloader
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        found.client.request(Reset(found.record.board, bootloader), Done)
    return EXIT_DONE
