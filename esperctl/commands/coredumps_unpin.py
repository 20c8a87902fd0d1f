"""``esperctl coredumps unpin``: gives core dumps back to retention."""

from esper_protocol.messages import PinCoredump
from esperctl.arguments import Arguments, Parser
from esperctl.coredump_ids import add_ids, request_for_each
from esperctl.output import Output

DESCRIPTION = "Give pinned core dumps back to retention."


def add_arguments(parser: Parser) -> None:
    """Adds the ids."""
    add_ids(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Unpins them."""
    return request_for_each(arguments, output, lambda coredump_id: PinCoredump(coredump_id, pinned=False))
