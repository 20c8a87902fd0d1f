"""Panic jobs with symbolizers that misbehave, and floods of panics."""

import os
import signal
from pathlib import Path

import pytest
import trio

from esper_protocol.events import (
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
)
from esperd.decode.panic_jobs import QUEUE_LIMIT
from esperd.testing.panic_jobs import ENDS, Jobs, panic, script
from esperd.testing.processes import children


@pytest.mark.parametrize(
    ("action", "error"),
    [
        pytest.param("os.abort()", "crashed with SIGABRT", id="crashes"),
        pytest.param("os.kill(os.getpid(), 9)", "killed from outside", id="is killed"),
        pytest.param("[print('x' * 100_000) for _ in iter(int, 1)]", "said more than", id="floods"),
        pytest.param("number += 1; answer()", "something else than an answer", id="answers another question"),
    ],
)
async def test_a_symbolizer_that_fails_is_told_with_the_reason_and_replaced(
    tmp_path: Path, nursery: trio.Nursery, action: str, error: str
) -> None:
    jobs = Jobs(tmp_path, script(f"if reason == 'bad':\n        {action}\n    else: answer()"), at_once=1)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(1, panic("bad"))
    jobs.queue(2)
    (failed,) = await jobs.wait_for(DecodeFailed)
    assert error in failed.error
    (finished,) = await jobs.wait_for(DecodeFinished)
    assert finished.target == "panic:2"
    jobs.check_each_job_ends_once()


async def test_one_that_hangs_is_killed_at_the_deadline_and_the_next_panic_gets_another(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path, script("time.sleep(60) if reason == 'bad' else answer()"), at_once=1, timeout_s=0.5)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(1, panic("bad"))
    jobs.queue(2)
    assert await jobs.wait_for(DecodeTimedOut) == [DecodeTimedOut("panic:1", "native", 0.5, 1)]
    await jobs.wait_for(DecodeFinished)


async def test_one_that_is_killed_in_the_middle_is_told(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script("time.sleep(60)"), at_once=1)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(1)
    await jobs.wait_for(DecodeStarted)
    with trio.fail_after(5):
        while not children():  # noqa: ASYNC110 - nobody tells of its start
            await trio.sleep(0.01)
    os.kill(children()[0], signal.SIGKILL)
    (failed,) = await jobs.wait_for(DecodeFailed)
    assert "killed from outside" in failed.error


async def test_a_flood_of_backtraces_gets_no_jobs_and_one_event_tells_how_many(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path, script("answer()"))
    for number in range(QUEUE_LIMIT + 5000):
        jobs.queue(number)
    jobs.queue(9000, board="c")
    assert len(jobs.published) == QUEUE_LIMIT + 1
    nursery.start_soon(jobs.jobs.run)
    await jobs.wait_for(DecodeFinished, QUEUE_LIMIT + 1)
    assert jobs.of(DecodeFailed) == [
        DecodeFailed(
            f"panic:{QUEUE_LIMIT + 4999}",
            "native",
            "32 panics of the board waited already; 4999 before it were not decoded either",
        )
    ]
    jobs.queue(9001, panic("after it"))
    await jobs.wait_for(DecodeFinished, QUEUE_LIMIT + 2)
    jobs.check_each_job_ends_once()


async def test_others_are_taken_again_while_the_rest_of_a_flood_waits_still(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path, script("time.sleep(60) if reason == 'hang' else answer()"), timeout_s=0.3, at_once=1)
    for number in range(QUEUE_LIMIT):
        jobs.queue(number, panic("hang" if number > QUEUE_LIMIT // 2 else "good"))
    jobs.queue(100)
    nursery.start_soon(jobs.jobs.run)
    await jobs.wait_for(DecodeFailed)
    assert len(jobs.of(ENDS)) < QUEUE_LIMIT
    jobs.queue(101)
    assert jobs.of(DecodeQueued)[-1].target == "panic:101"


async def test_a_flood_that_the_stop_ends_is_told_as_well(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    for number in range(QUEUE_LIMIT + 1):
        jobs.queue(number)
    with trio.move_on_after(0):
        await jobs.jobs.run()
    assert [body.error for body in jobs.of(DecodeFailed)] == ["32 panics of the board waited already"]
    assert len(jobs.of(DecodeCancelled)) == QUEUE_LIMIT


async def test_a_store_that_can_not_be_read_costs_one_panic(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script("answer()"))
    (tmp_path / "elfs").mkdir()
    (tmp_path / "elfs" / "a.json").mkdir()
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(1)
    assert len(await jobs.wait_for(ENDS)) == 1
