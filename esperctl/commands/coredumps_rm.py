"""``esperctl coredumps rm``: deletes core dumps."""

from esper_protocol.messages import RemoveCoredump
from esperctl.arguments import Arguments, Parser
from esperctl.coredump_ids import add_ids, request_for_each
from esperctl.output import Output

DESCRIPTION = "Delete core dumps with all their files; says which could not be deleted."


def add_arguments(parser: Parser) -> None:
    """Adds the ids and the force."""
    add_ids(parser)
    parser.add_argument("--force", action="store_true", help="also pinned ones")


def run(arguments: Arguments, output: Output) -> int:
    """Deletes them."""
    force: bool = arguments.force
    return request_for_each(arguments, output, lambda coredump_id: RemoveCoredump(coredump_id, force))
