"""``esperctl send``: writes text to a board."""

import os
from collections.abc import Iterator
from typing import Final

from esper_protocol.messages import Done, Send
from esperctl.arguments import Arguments, Parser, add_steal, board_and_text
from esperctl.daemons import open_board
from esperctl.errors import EXIT_DONE, UsageError
from esperctl.output import Output

USAGE = "[OPTIONS] [BOARD] TEXT|-"
DESCRIPTION = (
    "Write a line to a board. TEXT is sent with a line end behind it; `-` sends\n"
    "standard input, each newline replaced by the line end (`--eol none`: unchanged).\n"
    "The journal records what was sent, and who sent it."
)

_LINE_ENDS: Final = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "none": b""}
# An answer comes when the port took the bytes: at 2400 baud this takes 4 of the 10 seconds a request may take.
_CHUNK_BYTES: Final = 1024


def add_arguments(parser: Parser) -> None:
    """Adds the board, the text, its end, and whether to write beside another user."""
    parser.add_argument(
        "words", metavar="[BOARD] TEXT", nargs="+", help="the text; before it the board, if not the only"
    )
    parser.add_argument("--eol", choices=tuple(_LINE_ENDS), default="cr", help="the line end; default: cr")
    add_steal(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Sends the text, piece by piece."""
    board, text = board_and_text(arguments, "send")
    end = _LINE_ENDS[arguments.eol]
    steal: bool = arguments.steal
    data = text.encode("utf-8", "surrogateescape") + end
    if text != "-" and not data:
        raise UsageError("send: there is nothing to send", "give some text, or another --eol")
    with open_board(arguments.socket, board, output) as found:
        for piece in _from_stdin(end) if text == "-" else _pieces(data):
            found.client.request(Send(found.record.board, piece, steal), Done)
    return EXIT_DONE


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]


def _from_stdin(end: bytes) -> Iterator[bytes]:
    # os.read: what a pipe's writer has written so far goes out at once.
    while block := os.read(0, _CHUNK_BYTES):
        yield from _pieces(block.replace(b"\n", end) if end else block)
