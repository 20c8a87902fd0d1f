"""Once a minute each board says how the daemon is doing."""

from collections.abc import Mapping
from typing import Final

import trio

from esper_protocol.events import Telemetry
from esperd.board.board import Board
from esperd.system.resident_memory import rss_bytes

_PERIOD_S: Final = 60.0


async def publish_telemetry(boards: Mapping[str, Board]) -> None:
    """Publishes until cancelled; *boards* may come and go."""
    started = trio.current_time()
    # Not by their names: a board that was closed and opened again counts from the beginning.
    before: dict[Board, tuple[int, int]] = {}
    while True:
        await trio.sleep(_PERIOD_S)
        uptime_s = round(trio.current_time() - started, 1)
        seen, before = before, {}
        for board in boards.values():
            publisher = board.publisher
            events, size = seen.get(board, (0, 0))
            before[board] = publisher.events, publisher.bytes
            publisher.publish(
                Telemetry(
                    uptime_s,
                    rss_bytes(),
                    publisher.tail.size_bytes,
                    board.parts.journal.size_bytes,
                    len(publisher.followers),
                    int(board.capture_id is not None),
                    round((publisher.events - events) / _PERIOD_S, 2),
                    round((publisher.bytes - size) / _PERIOD_S, 1),
                )
            )
