"""What clients ask to have a port to themselves, and to give it back."""

from typing import TYPE_CHECKING, Final

from esper_protocol import messages
from esper_protocol.messages import Result
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
    client.check_may_write(board, anyway=request.force, flag="--force")
    return messages.PortLent(await board.lend(client.id, client.who, request.command, force=request.force))


async def _return_port(client: "ClientSession", request: messages.ReturnPort) -> Result:
    await client.registry.board(request.board).lending.give_back(client.id)
    return messages.Done()


LENDING_HANDLERS: Final = (
    bind(messages.LendPort, _lend_port),
    bind(messages.ReturnPort, _return_port),
)
