"""``esperctl decode``: panic text from anywhere, pasted or piped in, with functions and lines."""

import sys

from esperctl.arguments import Arguments, Parser
from esperctl.errors import EXIT_DONE, FailedError
from esperctl.local_decoder import explain_text
from esperctl.output import Output
from esperctl.safe_text import safe_text

DESCRIPTION = """\
Name the functions and lines of a panic that is read from standard input: the
backtrace of an Xtensa chip, the registers and stack memory of a RISC-V one, or
single addresses. Needs no daemon and no toolchain."""


def add_arguments(parser: Parser) -> None:
    """Adds the programs."""
    parser.add_argument(
        "--elf", metavar="ELF", action="append", required=True, help="the program that printed it; may be repeated"
    )


def run(arguments: Arguments, output: Output) -> int:
    """Explains the text."""
    if sys.stdin is None:
        raise FailedError("there is no standard input to read from")
    for line in explain_text(sys.stdin.buffer.read(), arguments.elf).splitlines():
        output.line(safe_text(line))
    return EXIT_DONE
