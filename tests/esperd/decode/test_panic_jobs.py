"""Panic jobs with the real symbolizer, and with ones that misbehave."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import trio

from esper_protocol.codec import encode_message
from esper_protocol.events import (
    Body,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
    Event,
    Line,
    Panic,
)
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_upload import add_file
from esperd.decode.job import STOPPED, JobNumbers
from esperd.decode.panic import read_panics
from esperd.decode.panic_job import PanicSource
from esperd.decode.panic_jobs import QUEUE_LIMIT, WANTED_LIMIT, PanicJobs
from esperd.decode.symbolizer_process import SYMBOLIZER
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.storage.files import Access
from esperd.storage.tail import Entry
from esperd.testing.processes import children

ENDS: Final = (DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)
CRASH: Final = (RECORDINGS / "crash.raw").read_bytes()
# A symbolizer of the test: reads a question, then does what `%s` says.
SCRIPT: Final = """
import msgspec, os, struct, sys, time
def answer(report="{}"):
    data = msgspec.msgpack.encode({"number": number, "report": report, "elf_path": "/e.elf", "is_certain": True})
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
while head := sys.stdin.buffer.read(4):
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))
    number, reason = question["number"], question["panic"][2]
    %s
"""


def script(action: str) -> tuple[str, ...]:
    return (sys.executable, "-c", SCRIPT % action)


def panic(reason: str = "LoadProhibited", app_sha256: str | None = "54bf6313b") -> Panic:
    backtrace = [(0x8000172C, 0x80021E00), (0x80001816, 0x80021E20)]
    return Panic("exception", reason, True, 0, None, {}, backtrace, False, app_sha256, 10, 20)


class Jobs:
    """The jobs of one store, with what they publish."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str] = SYMBOLIZER,
        *,
        at_once: int = 2,
        timeout_s: float = 20.0,
        idle_s: float = 60.0,
    ) -> None:
        limiter = trio.CapacityLimiter(1)
        self.elfs = ElfStore(folder / "elfs", 1 << 30, Access())
        self.jobs = PanicJobs(self.elfs, tuple(command), at_once, timeout_s, 1 << 30, limiter, JobNumbers(), idle_s)
        self.published: list[Body] = []
        self._grew = trio.Event()

    def queue(
        self, number: int = 1, found: Panic | None = None, entries: tuple[Entry, ...] = (), board: str = "b"
    ) -> None:
        target = f"panic:{number}"
        self.jobs.queue(PanicSource(board, target, found or panic(), None, entries, self._publish))

    def of(self, kind: type[Body] | tuple[type[Body], ...]) -> list[Any]:
        return [body for body in self.published if isinstance(body, kind)]

    @property
    def queued(self) -> list[str]:
        return [body.target for body in self.of(DecodeQueued)]

    async def wait_for(self, kind: type[Body] | tuple[type[Body], ...], count: int = 1) -> list[Any]:
        with trio.fail_after(20):
            while len(found := self.of(kind)) < count:
                self._grew = trio.Event()
                await self._grew.wait()
        return found

    def check_each_job_ends_once(self) -> None:
        queued = [body.job for body in self.of(DecodeQueued)]
        assert len(queued) == len(set(queued))
        # Number 0 is of no job.
        assert sorted(body.job for body in self.of(ENDS) if body.job) == sorted(queued)

    def _publish(self, body: Body) -> None:
        self.published.append(body)
        self._grew.set()


def crash() -> tuple[Panic, tuple[Entry, ...]]:
    """The first panic of the recorded crash, and its lines as a journal has them, in two events."""
    found = read_panics(CRASH)[0].panic
    lines = [line + b"\n" for line in CRASH.split(b"\n")]
    entries: list[Entry] = []
    for start, end in ((found.first_seq - 3, found.first_seq + 30), (found.first_seq + 30, found.last_seq + 9)):
        event = Event(start, 1, "b", 1, 1, Line(b"".join(lines[start:end]), end - start))
        entries.append(Entry(start, end, 1, end - start, encode_message(event)))
    return found, tuple(entries)


# Good ends ------------------------------------------------------------------------------------------------


async def test_a_panic_is_decoded_with_the_stack_memory_in_its_lines(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path)
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
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


# Bad ends -------------------------------------------------------------------------------------------------


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


# ELF files that come later --------------------------------------------------------------------------------


async def test_a_panic_that_came_before_its_program_is_decoded_when_that_comes(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    jobs = Jobs(tmp_path)
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(7, *crash())
    (failed,) = await jobs.wait_for(DecodeFailed)
    assert failed.error == ("no ELF file is known whose SHA-256 begins with 54bf6313b; `esperctl elf add PATH` adds it")
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
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
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
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
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
    nursery.start_soon(jobs.jobs.run)
    jobs.queue(1)
    await jobs.wait_for(DecodeStarted)
    assert jobs.jobs.elf_added(elf) == []
    assert jobs.jobs.elf_added(msgspec.structs.replace(elf, sha256="0" * 64)) == []
    await jobs.wait_for(DecodeFailed, 2)
    await trio.sleep(0.1)
    assert len(jobs.of(DecodeQueued)) == 2
    jobs.check_each_job_ends_once()


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
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
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
