"""Decode jobs that are cancelled, stopped and started again."""

import json
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import (
    DecodeCancelled,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
)
from esper_protocol.records import DecodeState
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.testing.elf_builds import add_elf
from esperd.testing.jobs import ANSWER, ENDS, HANG, REPORT, Jobs, check_each_job_ends_once, children, script

STATES: Final[tuple[DecodeState, ...]] = (
    "none",
    "queued",
    "running",
    "done",
    "failed",
    "timed_out",
    "cancelled",
    "no_elf",
)

# Cancellation ---------------------------------------------------------------------------------------------


async def test_a_job_that_runs_and_one_that_waits_can_be_cancelled(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script(HANG))
    for number in (1, 2):
        jobs.jobs.queue(jobs.add_dump(number))
    nursery.start_soon(jobs.jobs.run)
    await jobs.wait_for(DecodeStarted)
    assert jobs.jobs.cancel("b-2", "by kim")
    assert jobs.jobs.cancel("b-1", "by kim")
    assert await jobs.wait_for(ENDS, 2) == [DecodeCancelled("b-2", "by kim", 2), DecodeCancelled("b-1", "by kim", 1)]
    assert [(jobs.on_disk(n).decode.state, jobs.on_disk(n).decode.error) for n in (1, 2)] == [
        ("cancelled", "by kim")
    ] * 2
    assert not jobs.jobs.cancel("b-1", "by kim")


async def test_a_dump_that_is_decoded_anew_gets_the_result_of_the_new_job(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    flag = tmp_path / "second"
    program = (
        f"import os, time\nif not os.path.exists({str(flag)!r}): time.sleep(60)\n"
        f"print({json.dumps({'report': REPORT, 'text': 'new'})!r})"
    )
    jobs = Jobs(tmp_path, script(program), at_once=2)
    record = jobs.add_dump()
    nursery.start_soon(jobs.jobs.run)
    first = jobs.jobs.queue(record)
    await jobs.wait_for(DecodeStarted)
    flag.touch()
    second = jobs.jobs.queue(record)
    await jobs.wait_for(ENDS, 2)
    ends = {body.job: type(body) for body in jobs.published if isinstance(body, ENDS)}
    assert ends == {first: DecodeCancelled, second: DecodeFinished}
    assert jobs.on_disk().decode.state == "done"


async def test_a_dump_that_is_removed_meanwhile_gets_no_result(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script(HANG))
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    await jobs.wait_for(DecodeStarted)
    jobs.store.forget("b-1")
    jobs.store.files.remove("b-1")
    jobs.jobs.cancel("b-1", "the core dump was removed")
    assert await jobs.wait_for(ENDS) == [DecodeCancelled("b-1", "the core dump was removed", 1)]
    assert not jobs.store.folder("b-1").exists()


async def test_a_stop_takes_less_than_a_second_and_the_next_start_finishes(tmp_path: Path) -> None:
    jobs = Jobs(
        tmp_path, script("import os, time; print(os.getpid(), file=open('pid', 'w')); time.sleep(60)"), at_once=10
    )
    for number in range(20):
        jobs.jobs.queue(jobs.add_dump(number + 1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jobs.jobs.run)
        await jobs.wait_for(DecodeStarted, 10)
        stopped = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - stopped < 1
    check_each_job_ends_once(jobs.published)
    assert {type(body) for body in jobs.published if isinstance(body, ENDS)} == {DecodeCancelled}
    assert {jobs.on_disk(number + 1).decode.state for number in range(20)} == {"queued"}
    assert not list(jobs.store.files.directory.glob("*/work-*"))
    assert children() == ""

    again = Jobs(tmp_path, script(ANSWER % REPORT), at_once=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(again.jobs.run)
        await again.wait_for(DecodeFinished, 20)
        nursery.cancel_scope.cancel()
    assert {again.on_disk(number + 1).decode.state for number in range(20)} == {"done"}


async def test_after_the_stop_a_dump_is_only_marked(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, script(HANG))
    record = jobs.add_dump()
    with trio.move_on_after(0):
        await jobs.jobs.run()
    jobs.jobs.queue(record)
    assert jobs.published == []
    assert jobs.on_disk().decode.state == "queued"


# The start ------------------------------------------------------------------------------------------------


async def test_a_start_queues_what_was_never_decoded_and_removes_what_a_kill_left(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    before = Jobs(tmp_path)
    for number, state in enumerate(STATES, 1):
        before.add_dump(number, state)
    left = before.store.folder("b-4") / "work-7"
    left.mkdir()
    (left / "core").touch()
    jobs = Jobs(tmp_path, script(ANSWER % REPORT))
    nursery.start_soon(jobs.jobs.run)
    await jobs.wait_for(DecodeFinished, 3)
    assert [body.target for body in jobs.published if isinstance(body, DecodeQueued)] == ["b-1", "b-2", "b-3"]
    assert not left.exists()


async def test_a_start_decodes_dumps_whose_program_came_meanwhile(tmp_path: Path, nursery: trio.Nursery) -> None:
    before = Jobs(tmp_path)
    before.add_dump(1, "no_elf", "54bf6313b")
    before.add_dump(2, "no_elf", "1b43c5e74")
    before.add_dump(3, "no_elf", None)
    add_elf(before.elfs, FIRMWARE_ELF)
    jobs = Jobs(tmp_path)
    nursery.start_soon(jobs.jobs.run)
    await jobs.wait_for(DecodeFinished)
    assert [body.target for body in jobs.published if isinstance(body, DecodeQueued)] == ["b-1"]


async def test_decoders_have_a_low_priority_and_a_folder_of_their_own(tmp_path: Path, nursery: trio.Nursery) -> None:
    program = (
        "import json, os, sys\nrequest = json.loads(sys.stdin.readline())\n"
        "while os.getpriority(os.PRIO_PROCESS, 0) < 10: pass\n"
        "print(json.dumps({'report': {'reason': f\"{request['work_dir'] == os.getcwd()} {os.listdir()}\"}}))"
    )
    jobs = Jobs(tmp_path, script(program))
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    await jobs.wait_for(DecodeFinished)
    assert jobs.on_disk().reason == "True []"
    assert not [path for path in jobs.store.folder("b-1").iterdir() if path.name.startswith("work")]
