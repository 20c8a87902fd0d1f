"""``esperctl coredumps pin``: keeps core dumps out of retention."""

from esper_protocol.messages import PinCoredump
from esperctl.arguments import Arguments, Parser
from esperctl.coredump_ids import add_ids, request_for_each
from esperctl.output import Output

DESCRIPTION = "Keep core dumps: retention leaves pinned ones alone, and `rm` needs --force."


def add_arguments(parser: Parser) -> None:
    """Adds the ids."""
    add_ids(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Pins them."""
    return request_for_each(arguments, output, lambda coredump_id: PinCoredump(coredump_id, pinned=True))
