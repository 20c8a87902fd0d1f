"""``esperctl decode``: panic text from anywhere, pasted or piped in, with functions and lines."""

from esperctl.arguments import Arguments, Parser
from esperctl.elf_stores import elf_stores
from esperctl.errors import EXIT_DONE
from esperctl.local_decoder import explain_text
from esperctl.output import Output
from esperctl.safe_text import safe_text
from esperctl.standard_input import read_standard_input

DESCRIPTION = """\
Name the functions and lines of a panic that is read from standard input: the
backtrace of an Xtensa chip, the registers and stack memory of a RISC-V one, or
single addresses. Needs no toolchain and no daemon: without --elf, the program
is looked for in the ELF files that were added to one (`esperctl elf add`), by
the SHA-256 in the text."""
# A terminal's scrollback is a few megabytes; nobody pastes more.
_MOST_BYTES = 16 * 1024 * 1024


def add_arguments(parser: Parser) -> None:
    """Adds the programs."""
    parser.add_argument(
        "--elf", metavar="ELF", action="append", default=[], help="the program that printed it; may be repeated"
    )


def run(arguments: Arguments, output: Output) -> int:
    """Explains the text."""
    elfs: list[str] = arguments.elf
    stores = [] if elfs else elf_stores(arguments.socket, output)
    text = b"".join(read_standard_input("panic", _MOST_BYTES, output))
    for line in explain_text(text, elfs, stores).splitlines():
        output.line(safe_text(line))
    return EXIT_DONE
