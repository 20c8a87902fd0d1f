"""``esperctl config check``: what is wrong with a configuration file."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from esperctl.arguments import Arguments, Parser
from esperctl.errors import EXIT_DONE, EXIT_NO
from esperctl.local_configuration import Configuration, Problem, Who, ask_configuration
from esperctl.output import Output
from esperctl.safe_text import safe_text

SEEN_BY_TEXT: Final = """\
Without FILE: yours, else /etc/esperd/esperd.toml. The latter is read as the
system's service does, by its user and with its directories, when the service
is installed or you are root; any other as a daemon that you start."""
DESCRIPTION = f"""\
Says what is wrong with a configuration file of esperd, without a daemon.
Exit code 1 when something is wrong, and not when it is a warning only.
{SEEN_BY_TEXT}"""


def add_arguments(parser: Parser) -> None:
    """Adds the file, and for whom it is read."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the file")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--system", action="store_true", help="as the system's service sees it")
    who.add_argument("--user", action="store_true", help="as a daemon that you start sees it")
    parser.add_argument("--root", metavar="DIR", type=Path, default=Path("/"), help=argparse.SUPPRESS)


def ask(action: Literal["check", "show"], arguments: Arguments) -> Configuration:
    """What the daemon that is meant makes of the file that is meant."""
    seen_by: Who = "system" if arguments.system else "user" if arguments.user else "auto"
    return ask_configuration(action, arguments.file, seen_by, arguments.root)


def run(arguments: Arguments, output: Output) -> int:
    """Checks the file."""
    found = ask("check", arguments)
    if arguments.json:
        said = {"file": found.file, "seen_by": found.seen_by, "problems": found.problems, "warnings": found.warnings}
        output.document(said)
    else:
        show_problems(found.problems, output)
        show_problems(found.warnings, output, "warning: ")
        if found.file is not None and not found.problems:
            output.line(safe_text(f"{found.file}: no problems"))
        talk_of(found, output)
    return EXIT_NO if found.problems else EXIT_DONE


def show_problems(problems: Sequence[Problem], output: Output, prefix: str = "") -> None:
    """One line for each, and what to do about it."""
    for problem in problems:
        output.line(safe_text(f"{prefix}{problem.message}"))
        if problem.hint:
            output.line(safe_text(f"  hint: {problem.hint}"))


def talk_of(found: Configuration, output: Output) -> None:
    """For whom this holds, and how to ask for the other."""
    is_system = found.seen_by.who == "system"
    other = "--user: as a daemon that you start" if is_system else "--system: as the system's service"
    # Where it may not be looked for, which is a problem then, there may be one.
    whole = "" if found.file is not None or found.problems else "there is no configuration file, so the defaults hold; "
    output.talk(f"{whole}{found.seen_by.text}; {other}")
