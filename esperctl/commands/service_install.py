"""``esperctl service install``: makes esperd a service of the system, or of one user."""

import os
from pathlib import Path

from esperctl.arguments import Arguments, Parser
from esperctl.errors import EXIT_DONE
from esperctl.output import Output
from esperctl.service.installation import plan_installation
from esperctl.service.instances import instance_of
from esperctl.service.options import add_scope_options, chosen_scope
from esperctl.service.requirements import check_permission, check_program, check_systemd, installed_program
from esperctl.service.telling import carry_out

DESCRIPTION = """\
Put the units, the user and the udev rules of esperd in place, and say what
each is for. To do it again does no harm, and is how to upgrade; what you
changed is kept. `esperctl service uninstall` undoes it."""


def add_arguments(parser: Parser) -> None:
    """Adds the boards, and what to do about what is there."""
    parser.add_argument(
        "--board",
        metavar="BOARD",
        dest="boards",
        action="append",
        default=[],
        help="start its daemon, now and at each boot: ttyUSB0, a path below /dev, or a configured name; repeatable",
    )
    add_scope_options(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace files that were changed here, but no configuration"
    )
    parser.add_argument("--restart", action="store_true", help="start daemons that run anew, with this version")
    parser.add_argument(
        "--program",
        metavar="PATH",
        type=Path,
        help="the esperd to start; default: the one that came with this esperctl",
    )


def run(arguments: Arguments, output: Output) -> int:
    """Carries out the installation, or shows it."""
    scope = chosen_scope(arguments)
    boards = [instance_of(board) for board in dict.fromkeys(_boards(arguments))]
    check_systemd(scope, output, dry_run=arguments.dry_run)
    named: Path | None = arguments.program
    program = named or installed_program()
    check_program(scope, program, is_ours=named is None)
    if not arguments.dry_run:
        check_permission(scope, "service install")
    steps = plan_installation(scope, program, boards, force=arguments.force, restart=arguments.restart)
    carry_out(steps, output, dry_run=arguments.dry_run, as_json=arguments.json)
    if not arguments.json and not arguments.dry_run and not boards:
        output.line(f"esperd is installed; to start it for a board: {scope.command} enable --now esperd@ttyUSB0")
    if scope.is_user and not arguments.dry_run:
        output.talk("it ends with your last login; to have it run always: loginctl enable-linger")
    return EXIT_DONE


def _boards(arguments: Arguments) -> list[str]:
    """Those named; `--board` before the command counts, but $ESPER_BOARD is for watching, and starts nothing."""
    before = arguments.board
    first = [before] if before is not None and before != os.environ.get("ESPER_BOARD") else []
    return [*first, *arguments.boards]
