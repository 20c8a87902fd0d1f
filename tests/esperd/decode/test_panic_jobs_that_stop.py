"""What becomes of panic jobs when their board goes, or the daemon."""

from pathlib import Path

import trio

from esper_protocol.events import (
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
)
from esperd.decode.job import STOPPED
from esperd.decode.panic_jobs import QUEUE_LIMIT
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.testing.elf_builds import add_elf
from esperd.testing.panic_jobs import ENDS, Jobs, panic, script
from esperd.testing.processes import children

# A board that goes ----------------------------------------------------------------------------------------


async def test_the_jobs_of_a_board_that_goes_have_ended_before_it_and_others_have_not(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path, script("time.sleep(60) if reason == 'hang' else answer()"))
    nursery.start_soon(jobs.jobs.run)
    for number in range(QUEUE_LIMIT + 5):
        jobs.queue(number, panic("hang"))
    jobs.queue(1000, panic("hang"), board="c")
    await jobs.wait_for(DecodeStarted, 2)
    with trio.fail_after(5):
        while len(children()) < 2:  # noqa: ASYNC110 - nobody tells of their start
            await trio.sleep(0.01)

    with trio.fail_after(2):
        await jobs.jobs.detach("b")

    ended = [body.target for body in jobs.of(DecodeCancelled)]
    assert sorted(ended) == sorted({f"panic:{number}" for number in range(QUEUE_LIMIT + 5)} & set(jobs.queued))
    assert len(jobs.of(DecodeFailed)) == 1
    assert set(jobs.queued) - set(ended) == {"panic:1000"}
    assert (jobs.jobs.running, len(children())) == (1, 1)
    # Who waited for that board works for others.
    jobs.queue(1001, board="d")
    assert (await jobs.wait_for(DecodeFinished))[0].target == "panic:1001"


async def test_a_program_that_comes_later_is_not_for_a_board_that_has_gone(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(1)
    jobs.queue(2, board="c")
    await jobs.wait_for(DecodeFailed, 2)
    await jobs.jobs.detach("b")
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    assert jobs.jobs.elf_added(elf) == ["panic:2"]


# The stop -------------------------------------------------------------------------------------------------


async def test_a_stop_takes_less_than_a_second_and_leaves_no_process(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, script("time.sleep(60)"), at_once=4)
    for number in range(10):
        jobs.queue(number, board=f"b{number}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jobs.jobs.run)
        await jobs.wait_for(DecodeStarted, 4)
        with trio.fail_after(5):
            while len(children()) < 4:  # noqa: ASYNC110 - nobody tells of their start
                await trio.sleep(0.01)
        stopped = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - stopped < 1
    assert children() == []
    assert {type(body) for body in jobs.of(ENDS)} == {DecodeCancelled}
    assert {body.reason for body in jobs.of(DecodeCancelled)} == {STOPPED}
    jobs.check_each_job_ends_once()
    jobs.queue(99)
    assert "panic:99" not in [body.target for body in jobs.of(DecodeQueued)]
