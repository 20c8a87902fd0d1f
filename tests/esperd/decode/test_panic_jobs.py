"""Panic jobs that end well, with the real symbolizer and with scripts."""

import json
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
from esperd.decode.panic_jobs import WANTED_LIMIT
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.testing.elf_builds import add_elf
from esperd.testing.panic_jobs import ENDS, Jobs, crash, panic, script
from esperd.testing.processes import children

# Good ends ------------------------------------------------------------------------------------------------


async def test_a_panic_is_decoded_with_the_stack_memory_in_its_lines(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path)
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(7, *crash())
    (finished,) = await jobs.wait_for(DecodeFinished)
    assert jobs.published[:2] == [DecodeQueued("panic:7", 1), DecodeStarted("panic:7", "native", 1)]
    assert (finished.target, finished.backend, finished.report_path, finished.job) == ("panic:7", "native", "", 1)
    report = json.loads(finished.report)
    functions = [frame["function"] for frame in report["frames"]]
    assert functions[:4] == ["store_value", "parse_field", "process_message", "command_crash"]
    assert functions[-1] == "vPortTaskWrapper"
    assert (report["elf_match"], report["elf_path"]) == ("sha256", str(jobs.elfs.path(elf.sha256)))
    assert jobs.elfs.records()[0].used_at is not None
    assert len(children()) == 1


async def test_the_same_panic_of_a_boot_loop_is_asked_for_once(tmp_path: Path, nursery: trio.Nursery) -> None:
    log = tmp_path / "asked"
    jobs = Jobs(tmp_path, script(f"open({str(log)!r}, 'a').write('x'); answer('{{\"n\": %d}}' % number)"))
    nursery.start_soon(jobs.jobs.run)
    for number in range(5):
        jobs.queue(number)
    jobs.queue(5, panic("StoreProhibited"))
    jobs.queue(6, panic(app_sha256="aaaaaaaaa"))
    ends = await jobs.wait_for(DecodeFinished, 7)
    assert [(end.target, end.report) for end in ends] == [
        *((f"panic:{number}", '{"n": 1}') for number in range(5)),
        ("panic:5", '{"n": 6}'),
        ("panic:6", '{"n": 7}'),
    ]
    assert log.read_text() == "xxx"
    jobs.check_each_job_ends_once()


async def test_what_is_only_a_guess_is_asked_for_again(tmp_path: Path, nursery: trio.Nursery) -> None:
    log = tmp_path / "asked"
    jobs = Jobs(tmp_path, script(f"open({str(log)!r}, 'a').write('x'); answer()"))
    nursery.start_soon(jobs.jobs.run)
    for number in range(3):
        jobs.queue(number, panic(app_sha256=None))
    await jobs.wait_for(DecodeFinished, 3)
    assert log.read_text() == "xxx"


async def test_two_boards_are_served_at_once_and_the_panics_of_one_in_order(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path, script("time.sleep(0.1); answer()"), at_once=4)
    nursery.start_soon(jobs.jobs.run)
    for number in range(3):
        jobs.queue(number, panic(f"{number}"), board="a")
        jobs.queue(number + 10, panic(f"{number}"), board="b")
    await jobs.wait_for(DecodeStarted, 2)
    assert jobs.jobs.running == 2
    ends = await jobs.wait_for(DecodeFinished, 6)
    for targets in (range(3), range(10, 13)):
        wanted = [f"panic:{number}" for number in targets]
        assert [end.target for end in ends if end.target in wanted] == wanted
    assert len(children()) == 2


async def test_no_more_run_at_once_than_are_allowed(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script("time.sleep(60)"), timeout_s=0.3)
    for number in range(6):
        jobs.queue(number, board=f"b{number}")
    nursery.start_soon(jobs.jobs.run)
    await jobs.wait_for(DecodeStarted, 2)
    assert jobs.jobs.running == 2
    await jobs.wait_for(DecodeTimedOut, 6)
    running = most = 0
    for body in jobs.published:
        running += isinstance(body, DecodeStarted) - isinstance(body, ENDS)
        most = max(most, running)
    assert most == 2
    assert children() == []


async def test_a_symbolizer_that_nobody_needs_goes_and_comes_back(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script("answer(str(os.getpid()))"), at_once=1, idle_s=0.2)
    nursery.start_soon(jobs.jobs.run)
    assert children() == []
    jobs.queue(1)
    await jobs.wait_for(DecodeFinished)
    assert len(children()) == 1
    with trio.fail_after(5):
        while children():  # noqa: ASYNC110 - nobody tells of its end
            await trio.sleep(0.02)
    jobs.queue(2, panic("another"))
    first, second = await jobs.wait_for(DecodeFinished, 2)
    assert first.report != second.report


# ELF files that come later --------------------------------------------------------------------------------


async def test_a_panic_that_came_before_its_program_is_decoded_when_that_comes(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(7, *crash())
    (failed,) = await jobs.wait_for(DecodeFailed)
    assert failed.error == ("no ELF file is known whose SHA-256 begins with 54bf6313b; `esperctl elf add PATH` adds it")
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    assert jobs.jobs.elf_added(msgspec.structs.replace(elf, sha256="0" * 64)) == []
    assert jobs.jobs.elf_added(elf) == ["panic:7"]
    (finished,) = await jobs.wait_for(DecodeFinished)
    assert (finished.target, finished.job) == ("panic:7", 2)
    assert json.loads(finished.report)["frames"][0]["function"] == "store_value"
    assert jobs.jobs.elf_added(elf) == []
    jobs.check_each_job_ends_once()


async def test_only_the_last_panics_are_wanted_still(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path)
    nursery.start_soon(jobs.jobs.run)
    for number in range(WANTED_LIMIT + 4):
        jobs.queue(number)
    await jobs.wait_for(DecodeFailed, WANTED_LIMIT + 4)
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    assert jobs.jobs.elf_added(elf) == [f"panic:{number}" for number in range(4, WANTED_LIMIT + 4)]
    await jobs.wait_for(DecodeFinished, WANTED_LIMIT)


async def test_a_program_that_comes_while_it_is_looked_for_is_not_missed(tmp_path: Path, nursery: trio.Nursery) -> None:
    action = """
    time.sleep(0.3)
    data = msgspec.msgpack.encode({"number": number, "error": {"code": "no_elf", "message": "none"}})
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
"""
    jobs = Jobs(tmp_path, script(action))
    elf = add_elf(jobs.elfs, FIRMWARE_ELF)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(1)
    await jobs.wait_for(DecodeStarted)
    assert jobs.jobs.elf_added(elf) == []
    assert jobs.jobs.elf_added(msgspec.structs.replace(elf, sha256="0" * 64)) == []
    await jobs.wait_for(DecodeFailed, 2)
    await trio.sleep(0.1)
    assert len(jobs.of(DecodeQueued)) == 2
    jobs.check_each_job_ends_once()
