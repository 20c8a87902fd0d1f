"""Which clients are let in, and the point from which nothing that goes wrong with one reaches anybody else."""

import logging
import socket
from typing import Final

from esper_protocol.connection import ServerConnection
from esper_protocol.messages import ErrorResponse
from esperd.daemon_log.limited_log import LimitedLog
from esperd.server.client import SOFTWARE, ClientSession
from esperd.server.output import Output
from esperd.server.peer import Peer, peer_of
from esperd.server.registry import Registry, ServingRules

_log: Final = LimitedLog(logging.getLogger(__name__))

# One place of so many is kept for administrators, so that no user can lock them out.
_PLACES_FOR_ONE_KEPT: Final = 32


async def serve_client(client_socket: socket.socket, registry: Registry) -> None:
    """Serves a client if there is a place for it, and closes its socket. Raises nothing but Cancelled."""
    with client_socket:
        try:
            peer = peer_of(client_socket)
            if refusal := refusal_of(registry.rules, peer, len(registry.sessions)):
                _log.write(logging.WARNING, "client refused uid=%d pid=%d error=%s", peer.user, peer.pid, refusal)
                message = ErrorResponse(0, "limit", refusal, "detach one, or raise limits.clients")
                Output(client_socket).put(ServerConnection(SOFTWARE).send(message))
            else:
                await ClientSession(client_socket, registry, peer).run()
        except Exception as error:  # noqa: BLE001 - the last point before the other clients
            _log.write(logging.ERROR, "client failed error=%s", error, error=error)


def refusal_of(rules: ServingRules, peer: Peer, taken: int) -> str | None:
    """Why there is no place for a client beside so many others; None when there is one."""
    most = rules.most_clients
    kept = min(-(-most // _PLACES_FOR_ONE_KEPT), most - 1)
    if taken < most - kept or (taken < most and rules.permissions.name_administrator(peer.user, peer.groups)):
        return None
    text = f"this daemon serves {most} clients at a time"
    return f"{text}, and keeps {kept} of these places for administrators" if taken < most else text
