"""``esperctl config check``: what is wrong with a configuration file."""

from esperctl.arguments import Arguments, Parser
from esperctl.errors import EXIT_DONE, EXIT_NO
from esperctl.local_configuration import Configuration, ask_configuration
from esperctl.output import Output
from esperctl.safe_text import safe_text

USAGE = "[FILE]"
DESCRIPTION = (
    "Says what is wrong with a configuration file of esperd, without a daemon.\n"
    "Exit code 1 when something is.\n"
    "Without FILE: yours, else /etc/esperd/esperd.toml, as esperd itself chooses."
)


def add_arguments(parser: Parser) -> None:
    """Adds the file."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the file")


def run(arguments: Arguments, output: Output) -> int:
    """Checks the file."""
    found = ask_configuration("check", arguments.file)
    if arguments.json:
        output.document({"file": found.file, "problems": found.problems})
    else:
        show_problems(found, output)
        if found.file is None:
            output.talk("there is no configuration file: the defaults hold")
        elif not found.problems:
            output.line(safe_text(f"{found.file}: no problems"))
    return EXIT_NO if found.problems else EXIT_DONE


def show_problems(found: Configuration, output: Output) -> None:
    """One line for each, and what to do about it."""
    for problem in found.problems:
        output.line(safe_text(problem.message))
        if problem.hint:
            output.line(safe_text(f"  hint: {problem.hint}"))
