"""``esperctl note``: writes a remark into a board's journal."""

from esper_protocol.messages import AddNote, Done
from esperctl.arguments import Arguments, Parser, board_and_text
from esperctl.daemons import open_board
from esperctl.errors import EXIT_DONE
from esperctl.output import Output

USAGE = "[OPTIONS] [BOARD] TEXT"


def add_arguments(parser: Parser) -> None:
    """Adds the board and the text."""
    parser.add_argument(
        "words", metavar="[BOARD] TEXT", nargs="+", help="the remark; before it the board, if not the only"
    )


def run(arguments: Arguments, output: Output) -> int:
    """Writes the remark."""
    board, text = board_and_text(arguments, "note")
    with open_board(arguments.socket, board, output) as found:
        # A command line may hold bytes that are no UTF-8; the journal's text may not.
        safe = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        found.client.request(AddNote(found.record.board, safe), Done)
        if found.record.disk:
            output.talk(
                f"{found.record.board}: the disk is {found.record.disk}; the note waits in memory until there is room"
            )
    return EXIT_DONE
