"""What both commands are asked."""

import argparse
import os
from pathlib import Path

from esperctl.arguments import Arguments, Parser
from esperctl.service.scope import Scope, system_scope, user_scope


def add_scope_options(parser: Parser) -> None:
    """Adds for whom it is, and whether anything is done."""
    parser.add_argument("--user", action="store_true", help="the service of this user, without root")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--root", metavar="DIR", type=Path, default=Path("/"), help=argparse.SUPPRESS)


def chosen_scope(arguments: Arguments) -> Scope:
    """The system's scope, or the user's."""
    root: Path = arguments.root
    return user_scope(root, os.environ) if arguments.user else system_scope(root)
