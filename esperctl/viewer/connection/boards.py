"""Every board of every daemon within reach, asked for without blocking the viewer."""

import asyncio
import os
from typing import Final, TypeAlias

from esper_protocol.messages import Boards, ListBoards
from esper_protocol.records import BoardRecord, DaemonRecord
from esperctl.daemons import socket_paths
from esperctl.errors import EsperctlError
from esperctl.viewer.connection.channel import Channel

# Daemons answer within milliseconds; one that was stopped must not keep the boards of the others from being shown.
_TIMEOUT_S: Final = 1.0

_Listed: TypeAlias = list[tuple[DaemonRecord, BoardRecord]]


async def list_boards(explicit: str | None) -> tuple[tuple[DaemonRecord, BoardRecord], ...]:
    """The boards, daemon by daemon; what a daemon that does not answer has is not known.

    Args:
        explicit: The only socket to ask, or None for all that this user may know of.
    """
    paths = [explicit] if explicit else socket_paths(os.environ.get("XDG_RUNTIME_DIR")).paths
    found = await asyncio.gather(*(_boards_of(path) for path in paths))
    return tuple(entry for listed in found for entry in listed)


async def _boards_of(path: str) -> _Listed:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await _ask(path)
    except (EsperctlError, TimeoutError):
        return []


async def _ask(path: str) -> _Listed:
    channel = await Channel.open(path)
    try:
        boards, _ = await channel.ask(ListBoards(), Boards)
    finally:
        await channel.close()
    return [(boards.daemon, board) for board in boards.boards]
