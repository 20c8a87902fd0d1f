"""Every board of every daemon within reach, asked for without blocking the viewer."""

import os

from esper_protocol.messages import Boards, ListBoards
from esper_protocol.records import BoardRecord, DaemonRecord
from esperctl.daemons import socket_paths
from esperctl.errors import EsperctlError
from esperctl.viewer.connection.channel import Channel


async def list_boards(explicit: str | None) -> tuple[tuple[DaemonRecord, BoardRecord], ...]:
    """The boards, daemon by daemon; what a daemon that does not answer has is not known.

    Args:
        explicit: The only socket to ask, or None for all that this user may know of.
    """
    paths = [explicit] if explicit else socket_paths(os.environ.get("XDG_RUNTIME_DIR")).paths
    found: list[tuple[DaemonRecord, BoardRecord]] = []
    for path in paths:
        try:
            channel = await Channel.open(path)
        except EsperctlError:
            continue
        try:
            boards, _ = await channel.ask(ListBoards(), Boards)
        except EsperctlError:
            continue
        finally:
            await channel.close()
        found += [(boards.daemon, board) for board in boards.boards]
    return tuple(found)
