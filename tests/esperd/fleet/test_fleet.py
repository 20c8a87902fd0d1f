"""Boards that come and go, and who is told of it."""

import os
from functools import partial
from pathlib import Path

import pytest
import trio

from esperd.assembly import make_decoding, open_store
from esperd.fleet.fleet import Fleet
from esperd.hooks.crash_hooks import CrashHooks
from esperd.settings import Limits
from esperd.testing.boards import config_for


async def test_who_watches_the_boards_is_told_before_one_that_goes_is_waited_for(tmp_path: Path) -> None:
    config = config_for(tmp_path, "a", "b")
    store = open_store(config)
    fleet = Fleet(store, make_decoding(config, store), CrashHooks((), Limits(), ""), "2026-01-01T00:00:00.000000Z")
    told: list[tuple[str, ...]] = []
    fleet.on_change = lambda: told.append(tuple(fleet.boards))
    held, release = os.pipe()
    async with trio.open_nursery() as disks, trio.open_nursery() as owners:
        for board in config.boards:
            fleet.show(fleet.launch(config, await fleet.hold(config, board), disks), owners)
        # A disk that does not answer: the board can't be closed in order yet.
        fleet.boards["a"].parts.disk.submit(partial(os.read, held, 1), pytest.fail)  # type: ignore[arg-type]  # what it returns is of no interest
        async with trio.open_nursery() as retiring:
            fleet.withdraw("a")
            retiring.start_soon(fleet.retire, "a")
            with trio.fail_after(10):
                while len(told) < 3:
                    await trio.lowlevel.checkpoint()
            assert told == [("a",), ("a", "b"), ("b",)]
            assert len(retiring.child_tasks) == 1
            os.write(release, b"!")
        owners.cancel_scope.cancel()
        fleet.close_disks()
    await fleet.release()
    os.close(held)
    os.close(release)
