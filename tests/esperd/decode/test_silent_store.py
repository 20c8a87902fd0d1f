"""An ELF store that does not answer, as on a disk that hangs: a job has one deadline, and a stop is a stop."""

from collections.abc import Generator
from pathlib import Path

import pytest
import trio

from esper_protocol.events import DecodeFailed, DecodeStarted, DecodeTimedOut
from esperd.testing.elf_builds import build_elf, silent_file
from esperd.testing.jobs import ENDS, Jobs
from esperd.testing.panic_jobs import Jobs as PanicJobs


@pytest.fixture
def silent_elf(tmp_path: Path) -> Generator[Path]:
    path = build_elf(tmp_path / "builtin", 1)
    with silent_file(path):
        yield path


async def test_the_deadline_of_a_dump_is_around_the_store_too(tmp_path: Path, silent_elf: Path) -> None:
    jobs = Jobs(tmp_path, timeout_s=0.5)
    jobs.elfs.builtin = (silent_elf,)
    jobs.jobs.queue(jobs.add_dump())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jobs.jobs.run)
        await jobs.wait_for(DecodeTimedOut)
        nursery.cancel_scope.cancel()
    assert jobs.on_disk().decode.state == "timed_out"


async def test_the_deadline_of_a_panic_is_around_the_store_too(tmp_path: Path, silent_elf: Path) -> None:
    jobs = PanicJobs(tmp_path, timeout_s=0.5)
    jobs.elfs.builtin = (silent_elf,)
    jobs.queue()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jobs.jobs.run)
        await jobs.wait_for(DecodeTimedOut)
        nursery.cancel_scope.cancel()


async def test_a_stop_does_not_wait_for_the_store(tmp_path: Path, silent_elf: Path) -> None:
    jobs = Jobs(tmp_path, timeout_s=30.0)
    jobs.elfs.builtin = (silent_elf,)
    jobs.jobs.queue(jobs.add_dump())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jobs.jobs.run)
        await jobs.wait_for(DecodeStarted)
        stopped = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - stopped < 3
    assert jobs.on_disk().decode.state == "queued"


async def test_a_store_that_answers_late_answers_all_the_same(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, timeout_s=5.0)
    elf = build_elf(tmp_path / "builtin", 1)
    jobs.elfs.builtin = (elf,)
    jobs.jobs.queue(jobs.add_dump())
    async with trio.open_nursery() as nursery:
        with silent_file(elf):
            nursery.start_soon(jobs.jobs.run)
            await jobs.wait_for(DecodeStarted)
        (ended,) = await jobs.wait_for(ENDS)
        nursery.cancel_scope.cancel()
    # It is another build than the one that is known.
    assert isinstance(ended, DecodeFailed)
    assert ended.error.startswith("no ELF file is known")
