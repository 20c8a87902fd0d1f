"""What clients ask to have a port to themselves, and to give it back."""

from typing import TYPE_CHECKING, Final

from esper_protocol import messages
from esper_protocol.messages import Result
from esperd.board.board import Board
from esperd.errors import CommandError
from esperd.server.handlers import bind

if TYPE_CHECKING:
    from esperd.server.client import ClientSession

# It is shown on one line, and journaled.
_MOST_COMMAND_CHARACTERS: Final = 4096


async def _lend_port(client: "ClientSession", request: messages.LendPort) -> Result:
    board = client.registry.board(request.board)
    if len(request.command) > _MOST_COMMAND_CHARACTERS:
        raise CommandError("bad_request", f"a command has at most {_MOST_COMMAND_CHARACTERS} characters here")
    board.lending.check_not_lent()
    if not request.force:
        _check_nobody_else_writes(client, board)
    return messages.PortLent(await board.lend(client.id, client.who, request.command, force=request.force))


def _check_nobody_else_writes(client: "ClientSession", board: Board) -> None:
    """A viewer that the same user left open is not in the way: that one flashes while it is attached is the point."""
    for other in client.registry.sessions:
        if board.lease.is_held_by(other.id) and other.peer.user != client.peer.user:
            raise CommandError(
                "busy", f"{board.name}: {other.who} is writing", "wait, or take the port all the same with --force"
            )


async def _return_port(client: "ClientSession", request: messages.ReturnPort) -> Result:
    await client.registry.board(request.board).lending.give_back(client.id)
    return messages.Done()


LENDING_HANDLERS: Final = (
    bind(messages.LendPort, _lend_port),
    bind(messages.ReturnPort, _return_port),
)
