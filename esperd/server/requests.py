"""What clients can ask: one handler for each kind of request, and one table.

Core dumps are in ``coredump_requests``, their decoding and ELF files in ``decode_requests``, loans of a port in
``lending_requests``.
"""

from typing import TYPE_CHECKING, Final

from esper_protocol import messages
from esper_protocol.messages import RequestBody, Result
from esperd.errors import CommandError
from esperd.server.coredump_requests import COREDUMP_HANDLERS
from esperd.server.decode_requests import DECODE_HANDLERS
from esperd.server.handlers import bind
from esperd.server.lending_requests import LENDING_HANDLERS
from esperd.server.records import board_record
from esperd.server.rights import check_right

if TYPE_CHECKING:
    from esperd.server.client import ClientSession

# What `esperctl` calls it.
_STEAL: Final = "--steal"


async def _list_boards(client: "ClientSession", _: messages.ListBoards) -> Result:
    registry = client.registry
    return messages.Boards(registry.daemon, [board_record(board) for board in registry.boards.values()])


async def _subscribe(client: "ClientSession", request: messages.Subscribe) -> Result:
    return await client.subscribe(request)


async def _unsubscribe(client: "ClientSession", request: messages.Unsubscribe) -> Result:
    board = client.registry.board(request.board)
    client.unsubscribe(board, "unsubscribed")
    board.lease.release(client.id)
    return messages.Done()


async def _take_writer(client: "ClientSession", request: messages.TakeWriter) -> Result:
    client.take_lease(client.registry.board(request.board), steal=request.steal)
    return messages.Done()


async def _release_writer(client: "ClientSession", request: messages.ReleaseWriter) -> Result:
    client.registry.board(request.board).lease.release(client.id)
    return messages.Done()


async def _send(client: "ClientSession", request: messages.Send) -> Result:
    board = client.registry.board(request.board)
    client.check_may_write(board, anyway=request.steal, flag=_STEAL)
    await board.send(request.data, client.who)
    return messages.Done()


async def _reset(client: "ClientSession", request: messages.Reset) -> Result:
    board = client.registry.board(request.board)
    client.check_may_write(board, anyway=request.steal, flag=_STEAL)
    await board.control.reset(client.who, bootloader=request.bootloader)
    return messages.Done()


async def _break(client: "ClientSession", request: messages.Break) -> Result:
    board = client.registry.board(request.board)
    client.check_may_write(board, anyway=request.steal, flag=_STEAL)
    await board.control.send_break(client.who, request.duration_s)
    return messages.Done()


async def _add_note(client: "ClientSession", request: messages.AddNote) -> Result:
    client.registry.board(request.board).add_note(request.text, client.who)
    return messages.Done()


async def _abort_capture(client: "ClientSession", request: messages.AbortCapture) -> Result:
    client.registry.board(request.board).abort_capture(client.who)
    return messages.Done()


_HANDLERS: Final = dict(
    [
        bind(messages.ListBoards, _list_boards),
        bind(messages.Subscribe, _subscribe),
        bind(messages.Unsubscribe, _unsubscribe),
        bind(messages.TakeWriter, _take_writer),
        bind(messages.ReleaseWriter, _release_writer),
        bind(messages.Send, _send),
        bind(messages.Reset, _reset),
        bind(messages.Break, _break),
        bind(messages.AddNote, _add_note),
        bind(messages.AbortCapture, _abort_capture),
        *LENDING_HANDLERS,
        *COREDUMP_HANDLERS,
        *DECODE_HANDLERS,
    ]
)


async def answer_request(client: "ClientSession", body: RequestBody) -> Result:
    """Does what was asked.

    Raises:
        CommandError: it can't be done, or not by this client; its code and text go to the client.
    """
    check_right(client.registry.rules.permissions, client.peer, client.who, body)
    handler = _HANDLERS.get(type(body))
    if handler is None:
        raise CommandError("unsupported", f"this daemon does not know the request {body.__struct_config__.tag}")
    return await handler(client, body)
