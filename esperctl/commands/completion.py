"""``esperctl completion``: prints what makes a shell complete commands, options, boards, core dumps and ELF files."""

from esperctl.arguments import Arguments, Parser
from esperctl.completion.scripts import SCRIPTS
from esperctl.errors import EXIT_DONE
from esperctl.output import Output

DESCRIPTION = """\
Print what makes a shell complete commands, options, and the names of boards,
core dumps and ELF files, for which it asks the daemons that run."""


def add_arguments(parser: Parser) -> None:
    """Adds the shell."""
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SCRIPTS), help=", ".join(SCRIPTS))


def run(arguments: Arguments, output: Output) -> int:
    """Prints the script."""
    shell: str = arguments.shell
    if arguments.json:
        output.document({"shell": shell, "script": SCRIPTS[shell]})
    else:
        output.write(SCRIPTS[shell].encode())
    return EXIT_DONE
