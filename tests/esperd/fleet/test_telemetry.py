"""What each board says once a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esper_protocol.events import Telemetry
from esperd.fleet.telemetry import publish_telemetry
from esperd.testing.boards import newest, open_boards, publish_lines

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from esperd.board.board import Board


async def test_a_board_that_was_closed_and_opened_again_counts_from_the_beginning(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    boards: dict[str, Board] = {}
    rates: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish_telemetry, boards)
        for folder, lines in (("first", 1000), ("second", 60)):
            async with open_boards(tmp_path / folder, "b") as registry:
                boards.update(registry.boards)
                publish_lines(registry, lines)
                await trio.testing.wait_all_tasks_blocked()
                mock_clock.jump(60.0)
                with trio.fail_after(20):
                    while not (said := [e.body for e in newest(registry) if isinstance(e.body, Telemetry)]):
                        await trio.testing.wait_all_tasks_blocked()
                rates += [round(telemetry.events_per_s) for telemetry in said]
                boards.clear()
        assert rates == [17, 1]
        nursery.cancel_scope.cancel()
