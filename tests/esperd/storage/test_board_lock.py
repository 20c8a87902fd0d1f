from pathlib import Path

import pytest
import trio

from esperd.storage.board_lock import hold_board, keep_board_idle
from esperd.storage.files import Access


async def test_only_one_daemon_runs_a_board(tmp_path: Path) -> None:
    async with hold_board(tmp_path, "b", Access()):
        with pytest.raises(BlockingIOError):
            async with hold_board(tmp_path, "b", Access()):
                pytest.fail("two run it")
        async with hold_board(tmp_path, "other", Access()):
            pass

    async with hold_board(tmp_path, "b", Access()):
        assert (tmp_path / "boards" / "b" / "lock").exists()


async def test_a_board_is_idle_unless_a_daemon_runs_it(tmp_path: Path) -> None:
    with keep_board_idle(tmp_path, "never run") as is_idle:
        assert is_idle
    assert not (tmp_path / "boards").exists()

    async with hold_board(tmp_path, "b", Access()):
        with keep_board_idle(tmp_path, "b") as is_idle:
            assert not is_idle
    with keep_board_idle(tmp_path, "b") as first, keep_board_idle(tmp_path, "b") as second:
        assert first
        assert second


async def test_a_daemon_that_starts_waits_for_those_who_only_look(tmp_path: Path, autojump_clock: object) -> None:
    async with hold_board(tmp_path, "b", Access()):
        pass
    started = trio.Event()

    async def start() -> None:
        async with hold_board(tmp_path, "b", Access()):
            started.set()

    async with trio.open_nursery() as nursery:
        with keep_board_idle(tmp_path, "b"):
            nursery.start_soon(start)
            await trio.sleep(0.1)
            assert not started.is_set()
    assert started.is_set()


async def test_a_board_that_is_looked_at_for_too_long_is_busy(tmp_path: Path, autojump_clock: object) -> None:
    async with hold_board(tmp_path, "b", Access()):
        pass

    with keep_board_idle(tmp_path, "b"), pytest.raises(BlockingIOError):
        async with hold_board(tmp_path, "b", Access()):
            pytest.fail("it is not idle any more")
