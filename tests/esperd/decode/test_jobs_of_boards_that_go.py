"""Decode jobs of a board that a reload removes while the ELF store, or the disk, takes its time."""

from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from esper_protocol import messages
from esper_protocol.events import DecodeFailed, DecodeFinished, DecodeQueued, DecodeStarted
from esper_protocol.records import CoredumpRecord
from esperd.decode.elf_store import sha256_of
from esperd.testing.boards import connected, open_boards
from esperd.testing.elf_builds import add_elf, build_elf, silent_file
from esperd.testing.jobs import ANSWER, REPORT, Jobs, children, script
from esperd.testing.viewer import RefusedError, Viewer

# A decoder of the test: finds no ELF file once there is a file "go" in the folder that is filled in.
NO_ELF_LATER: Final = """
import json, os, sys, time
sys.stdin.readline()
while not os.path.exists(%r): time.sleep(0.01)
print(json.dumps({"error": {"code": "no_elf", "message": "none", "app_sha256": None}}))
"""


async def test_a_board_that_goes_while_the_elf_store_is_asked_has_no_dump_queued(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path)
    elf = build_elf(tmp_path / "builtin", 1)
    jobs.add_dump(1, "no_elf", sha256_of(elf))
    jobs.elfs.builtin = (elf,)
    with silent_file(elf):
        nursery.start_soon(jobs.jobs.run)
        await wait_all_tasks_blocked(0.1)
        await jobs.jobs.detach("b")
    await wait_all_tasks_blocked(0.1)
    assert jobs.published == []


async def test_a_dump_that_goes_while_the_elf_store_is_asked_is_not_queued_and_the_others_are(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path, script(ANSWER % REPORT))
    elf = build_elf(tmp_path / "builtin", 1)
    for number in (1, 2):
        jobs.add_dump(number, "no_elf", sha256_of(elf))
    jobs.elfs.builtin = (elf,)
    with silent_file(elf):
        nursery.start_soon(jobs.jobs.run)
        await wait_all_tasks_blocked(0.1)
        jobs.store.forget("b-1")
    await jobs.wait_for(DecodeFinished)
    assert [body.target for body in jobs.published if isinstance(body, DecodeQueued)] == ["b-2"]


async def test_what_a_run_before_left_is_not_queued_for_a_board_that_went_at_once(tmp_path: Path) -> None:
    Jobs(tmp_path).add_dump(1, "queued")
    jobs = Jobs(tmp_path)
    await jobs.jobs.detach("b")
    await jobs.jobs.queue_unfinished()
    assert jobs.published == []


@pytest.mark.slow
async def test_a_board_that_goes_while_its_job_cleans_up_has_it_not_queued_again(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path, script(NO_ELF_LATER % str(tmp_path / "go")))
    elf, silent = build_elf(tmp_path / "stored", 1), build_elf(tmp_path / "builtin", 2)
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump(1))
    await jobs.wait_for(DecodeStarted)
    await wait_all_tasks_blocked(0.1)
    added = add_elf(jobs.elfs, elf)
    # The thread that is to remove the job's folder is taken by a store that does not answer.
    jobs.add_dump(2, "no_elf", sha256_of(silent))
    jobs.elfs.builtin = (silent,)
    with silent_file(silent):
        nursery.start_soon(jobs.jobs.queue_unfinished)
        await wait_all_tasks_blocked(0.1)
        jobs.jobs.elf_added(added)
        (tmp_path / "go").touch()
        with trio.fail_after(10):
            while children():  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)
            await wait_all_tasks_blocked(0.1)
            await jobs.jobs.detach("b")
    await jobs.wait_for(DecodeFailed)
    assert len([body for body in jobs.published if isinstance(body, DecodeQueued)]) == 1
    assert jobs.jobs.running == 0


async def test_a_client_that_names_an_elf_file_is_answered_when_the_board_goes_meanwhile(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with open_boards(tmp_path, "b") as registry, connected(registry) as stream:
        viewer = Viewer(stream)
        await viewer.open()
        elfs = registry.decoding.elfs
        sha256 = add_elf(elfs, build_elf(tmp_path / "build", 1)).sha256
        registry.store.add(
            CoredumpRecord(
                id="b-1", board="b", generation=1, boot=1, started_at="", raw_path="", core_path="", first_seq=1,
                last_seq=1, capture="captured", decoded_bytes=10,
            )
        )  # fmt: skip
        refused: list[str] = []

        async def ask() -> None:
            with pytest.raises(RefusedError) as error:
                await viewer.request(messages.DecodeCoredump("b-1", elf_sha256=sha256[:8]))
            refused.append(error.value.error.code)

        with silent_file(elfs.directory / f"{sha256}.json"):
            nursery.start_soon(ask)
            await wait_all_tasks_blocked(0.1)
            await registry.decoding.jobs.detach("b")
        # The connection is still there.
        with trio.fail_after(10):
            while not refused:
                await wait_all_tasks_blocked()
        assert refused == ["absent"]
        await viewer.request(messages.ListElfs())
