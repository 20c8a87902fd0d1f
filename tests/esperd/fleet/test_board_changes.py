"""Boards that are opened and closed while a reload waits for them."""

from functools import partial

import trio
from trio.testing import MockClock

from esperd.fleet.board_changes import BoardChanges


async def test_a_change_that_ends_as_the_patience_does_is_either_waited_for_or_told_and_followed(
    autojump_clock: MockClock,
) -> None:
    told: list[str] = []
    followed: list[str] = []
    async with trio.open_nursery() as nursery:
        changes = BoardChanges(nursery, lambda: followed.append("once"), lambda error, _: told.append(error))
        # Which of the two it is is chance.
        for _ in range(40):
            await changes.wait(changes.begin("b", "opened", partial(trio.sleep, 10.0)))
            await trio.testing.wait_all_tasks_blocked()
            assert len(followed) == len(told)
            assert changes.put_off() == set()


async def test_what_is_still_under_way_is_told_again_and_is_one_change(autojump_clock: MockClock) -> None:
    told: list[str] = []
    async with trio.open_nursery() as nursery:
        changes = BoardChanges(nursery, lambda: None, lambda error, _: told.append(error))
        await changes.wait(changes.begin("b", "opened", partial(trio.sleep, 15.0)))
        assert changes.put_off() == {"b"}
    assert told == ["board b is still being opened: its disk does not answer, or its port"] * 2
