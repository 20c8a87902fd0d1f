"""``esperctl service uninstall``: takes away what ``esperctl service install`` put in place."""

import sys

from esperctl.arguments import Arguments, Parser
from esperctl.errors import EXIT_DONE
from esperctl.output import Output
from esperctl.service.options import add_scope_options, chosen_scope
from esperctl.service.record import read_record
from esperctl.service.removal import plan_removal
from esperctl.service.requirements import check_permission, check_systemd
from esperctl.service.scope import Scope
from esperctl.service.telling import carry_out

DESCRIPTION = """\
Stop the daemons and remove what `esperctl service install` wrote. Files that
were changed since are kept, and named. So are journals, core dumps and ELF
files, unless you say otherwise."""


def add_arguments(parser: Parser) -> None:
    """Adds what becomes of the state."""
    add_scope_options(parser)
    state = parser.add_mutually_exclusive_group()
    state.add_argument("--purge", action="store_true", help="remove journals, core dumps, ELF files and the user, too")
    state.add_argument("--keep", action="store_true", help="keep them, without being asked on a terminal")


def run(arguments: Arguments, output: Output) -> int:
    """Carries out the removal, or shows it."""
    scope = chosen_scope(arguments)
    check_systemd(scope, output, dry_run=arguments.dry_run)
    if not arguments.dry_run:
        check_permission(scope, "service uninstall")
    purge = arguments.purge or (_may_ask(arguments, output) and _asked(scope, output))
    is_installed = read_record(scope.record) is not None
    carry_out(plan_removal(scope, purge=purge), output, dry_run=arguments.dry_run, as_json=arguments.json)
    if not is_installed:
        output.talk(f"no installation is noted in {scope.record}, so no unit file was removed")
    return EXIT_DONE


def _may_ask(arguments: Arguments, output: Output) -> bool:
    return not (arguments.keep or arguments.dry_run or arguments.json) and output.is_terminal and sys.stdin.isatty()


def _asked(scope: Scope, output: Output) -> bool:
    """Asks, where there is anything to ask about; whoever says nothing keeps it."""
    there = [str(path) for path in scope.state if path.exists()]
    if not there:
        return False
    output.talk(f"Remove journals, core dumps and ELF files as well, in {' and '.join(there)}? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
