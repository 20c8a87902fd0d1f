"""Decode jobs that end well: what is written, published and started next."""

import json
import sys
from pathlib import Path

import msgspec
import trio

from esper_protocol.events import (
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
)
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.testing.elf_builds import add_elf
from esperd.testing.jobs import ANSWER, ENDS, HANG, REPORT, Jobs, check_each_job_ends_once, content_of, script


async def test_a_dump_is_decoded_with_the_program_of_its_hash(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path)
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    record = jobs.add_dump()
    nursery.start_soon(jobs.jobs.run)
    number = jobs.jobs.queue(record)
    await jobs.wait_for(DecodeFinished)
    queued, started, finished = jobs.published
    assert (queued, started) == (DecodeQueued("b-1", number), DecodeStarted("b-1", "native", number))
    assert isinstance(finished, DecodeFinished)
    assert (finished.target, finished.job, finished.backend) == ("b-1", number, "native")
    report = json.loads(content_of(finished.report_path))
    assert [frame["function"] for frame in report["frames"]][:2] == ["store_value", "parse_field"]
    assert json.loads(finished.report or "") == report
    assert b"store_value (setting=0x0" in content_of(finished.report_path.replace(".json", ".txt"))
    decode = jobs.on_disk().decode
    assert (decode.state, decode.backend, decode.elf_match) == ("done", "native", "sha256")
    assert (decode.elf_path, decode.report_path) == (str(jobs.elfs.path(elf.sha256)), finished.report_path)
    assert decode.started_at is not None
    assert decode.ended_at is not None
    assert (jobs.on_disk().reason, jobs.on_disk().task) == ("Store access fault", "main")
    assert jobs.elfs.records()[0].used_at is not None
    assert sorted(path.name for path in jobs.store.folder("b-1").iterdir()) == [
        "core.b64",
        "core.bin",
        "panic.txt",
        "record.json",
        "report.json",
        "report.txt",
    ]


async def test_a_dump_that_came_before_its_program_is_decoded_when_that_comes(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path)
    record = jobs.add_dump()
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(record)
    (failed,) = await jobs.wait_for(DecodeFailed)
    assert isinstance(failed, DecodeFailed)
    assert "54bf6313b" in failed.error
    assert (jobs.on_disk().decode.state, jobs.on_disk().app_sha256) == ("no_elf", "54bf6313b")
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    other = msgspec.structs.replace(elf, sha256="0" * 64)
    assert jobs.jobs.elf_added(other) == []
    assert jobs.jobs.elf_added(elf) == ["b-1"]
    await jobs.wait_for(DecodeFinished)
    assert jobs.on_disk().decode.state == "done"
    check_each_job_ends_once(jobs.published)


async def test_a_program_that_comes_while_its_dump_is_tried_is_not_missed(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    answer = "{'error': {'code': 'no_elf', 'message': 'none', 'app_sha256': '54bf6313b'}}"
    program = (
        f"import json, select, sys; sys.stdin.readline(); select.select([], [], [], 0.3); print(json.dumps({answer}))"
    )
    jobs = Jobs(tmp_path, script(program))
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    await jobs.wait_for(DecodeStarted)
    assert jobs.jobs.elf_added(elf) == []
    await jobs.wait_for(DecodeFailed, 2)
    check_each_job_ends_once(jobs.published)


async def test_a_program_that_its_dump_is_not_of_does_not_have_it_tried_again(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    answer = "{'error': {'code': 'no_elf', 'message': 'none', 'app_sha256': '54bf6313b'}}"
    program = (
        f"import json, select, sys; sys.stdin.readline(); select.select([], [], [], 0.3); print(json.dumps({answer}))"
    )
    jobs = Jobs(tmp_path, script(program))
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    await jobs.wait_for(DecodeStarted)
    assert jobs.jobs.elf_added(msgspec.structs.replace(elf, sha256="0" * 64)) == []
    await jobs.wait_for(DecodeFailed)
    assert len(await jobs.wait_for(DecodeQueued)) == 1


async def test_dumps_may_come_while_what_a_killed_daemon_left_is_removed(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script(ANSWER % REPORT))
    left = jobs.store.folder(jobs.add_dump().id) / "work-7"
    left.mkdir()
    other = jobs.add_dump(2)
    # So many that a thread would be at it while others come.
    for number in range(20_000):
        jobs.store.add(msgspec.structs.replace(other, id=f"c-{number}", board="c"))
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        jobs.jobs.queue(other)
        nursery.start_soon(jobs.jobs.run)
        number = 20_000
        with trio.fail_after(20):
            while not jobs.jobs.running:
                number += 1
                jobs.store.add(msgspec.structs.replace(other, id=f"c-{number}", board="c"))
                await trio.lowlevel.checkpoint()
        await jobs.wait_for(DecodeFinished)
    finally:
        sys.setswitchinterval(switch_s)
    assert not left.exists()


async def test_a_large_report_is_on_disk_only(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script(ANSWER % {**REPORT, "warnings": ["x" * 70_000]}))
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    (finished,) = await jobs.wait_for(DecodeFinished)
    assert isinstance(finished, DecodeFinished)
    assert finished.report is None
    assert len(content_of(finished.report_path)) > 70_000


async def test_no_more_run_at_once_than_are_allowed(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script(HANG), at_once=2, timeout_s=0.3)
    for number in range(5):
        jobs.jobs.queue(jobs.add_dump(number + 1))
    nursery.start_soon(jobs.jobs.run)
    await jobs.wait_for(DecodeStarted, 2)
    assert jobs.jobs.running == 2
    await jobs.wait_for(DecodeTimedOut, 5)
    running = most = 0
    for body in jobs.published:
        running += isinstance(body, DecodeStarted) - isinstance(body, ENDS)
        most = max(most, running)
    assert most == 2
    started = [body.target for body in jobs.published if isinstance(body, DecodeStarted)]
    assert started == [f"b-{number}" for number in range(1, 6)]
