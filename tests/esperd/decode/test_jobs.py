"""Decode jobs with real dumps on disk, and decoders that are scripts."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from esper_protocol.events import (
    Body,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
)
from esper_protocol.records import CoredumpRecord, DecodeState
from esperd.decode.decoder_process import WORKER, DecodeOptions, DecoderProcess
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_upload import add_file
from esperd.decode.job import BoardLink
from esperd.decode.jobs import DecodeJobs
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.storage.coredumps import CoredumpStore, RetentionLimits
from esperd.storage.files import Access

ENDS: Final = (DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)
REPORT: Final = {"elf_path": None, "elf_match": "unknown", "reason": "abort", "crashed_task": "main", "decoder": None}
ANSWER: Final = "import json, sys; sys.stdin.readline(); print(json.dumps({'report': %r, 'text': 'all of it'}))"
HANG: Final = "import time; time.sleep(60)"


class Jobs:
    """The jobs of one state directory, with what they publish."""

    def __init__(
        self, folder: Path, command: tuple[str, ...] = WORKER, *, at_once: int = 1, timeout_s: float = 20.0
    ) -> None:
        limiter = trio.CapacityLimiter(1)
        self.store = CoredumpStore(folder / "coredumps", RetentionLimits(50, 1 << 30), Access())
        self.store.open(["b"], "2026-11-21T06:00:00Z")
        self.elfs = ElfStore(folder / "elfs", 1 << 30, Access())
        process = DecoderProcess(command, {}, self.elfs, timeout_s, 1 << 30, limiter)
        self.jobs = DecodeJobs(self.store, process, at_once, limiter)
        self.published: list[Body] = []
        self._grew = trio.Event()
        self.jobs.attach("b", BoardLink(self._publish, self._submit, self._save))

    def add_dump(self, number: int = 1, state: DecodeState = "none", sha256: str | None = None) -> CoredumpRecord:
        """A dump as a capture leaves it."""
        name = f"b-{number}"
        folder = self.store.folder(name)
        record = CoredumpRecord(
            id=name,
            board="b",
            generation=1,
            boot=1,
            started_at="2026-11-21T06:00:00Z",
            capture="captured",
            end_reason="end_marker",
            decoded_bytes=10744,
            app_sha256=sha256,
            raw_path=str(folder / "core.b64"),
            core_path=str(folder / "core.bin"),
            first_seq=1,
            last_seq=2,
        )
        record.decode.state = state
        self.store.add(record)
        self.store.files.create(name, msgspec.json.encode(record), b"")
        shutil.copyfile(RECORDINGS / "crash.raw", record.raw_path)
        return record

    def on_disk(self, number: int = 1) -> CoredumpRecord:
        record = self.store.files.read_record(self.store.folder(f"b-{number}"))
        assert record is not None
        return record

    async def wait_for(self, kind: type[Body] | tuple[type[Body], ...], count: int = 1) -> list[Body]:
        with trio.fail_after(20):
            while len(found := [body for body in self.published if isinstance(body, kind)]) < count:
                self._grew = trio.Event()
                await self._grew.wait()
        return found

    def _publish(self, body: Body) -> None:
        self.published.append(body)
        self._grew.set()

    def _submit(
        self, run: Callable[[], None], on_error: Callable[[OSError], None], on_done: Callable[[], None]
    ) -> None:
        try:
            run()
        except OSError as error:
            on_error(error)
        else:
            on_done()

    def _save(self, record: CoredumpRecord) -> None:
        self.store.files.write_record(record.id, msgspec.json.encode(record))


def script(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


def content_of(path: str) -> bytes:
    return Path(path).read_bytes()


def children() -> str:
    """The processes that this one has."""
    return "".join(task.read_text("ascii") for task in Path("/proc/self/task").glob("*/children")).strip()


def check_each_job_ends_once(published: list[Body]) -> None:
    queued = [body.job for body in published if isinstance(body, DecodeQueued)]
    ended = [body.job for body in published if isinstance(body, ENDS)]
    assert sorted(ended) == sorted(set(queued))
    assert len(queued) == len(set(queued))


# Good ends ------------------------------------------------------------------------------------------------


async def test_a_dump_is_decoded_with_the_program_of_its_hash(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path)
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
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
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
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
    elf = add_file(jobs.elfs, FIRMWARE_ELF)
    assert elf is not None
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    await jobs.wait_for(DecodeStarted)
    assert jobs.jobs.elf_added(elf) == []
    await jobs.wait_for(DecodeFailed, 2)
    check_each_job_ends_once(jobs.published)


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


# Bad ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "error"),
    [
        pytest.param("import os; os.abort()", "crashed with SIGABRT", id="crashes"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "killed from outside", id="is killed"),
        pytest.param("import sys; sys.exit('no luck')", "exit code 1: no luck", id="fails"),
        pytest.param("x = bytearray(1 << 40)", "exit code 1: MemoryError", id="eats memory"),
        pytest.param("while True: print('x' * 100_000)", "said more than", id="floods"),
        pytest.param("print('hello')", "something else than a report", id="talks"),
        pytest.param("print('{}')", "neither a report nor an error", id="says nothing"),
        pytest.param("print('{\"report\": 5}')", "something else than a report", id="nonsense"),
        pytest.param("import sys; sys.stdout.buffer.write(b'\\xff\"')", "something else than a report", id="not text"),
    ],
)
async def test_a_decoder_that_fails_is_told_with_the_reason(
    tmp_path: Path, nursery: trio.Nursery, program: str, error: str
) -> None:
    jobs = Jobs(tmp_path, script(program))
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    (failed,) = await jobs.wait_for(ENDS)
    assert isinstance(failed, DecodeFailed)
    assert error in failed.error
    assert (jobs.on_disk().decode.state, jobs.on_disk().decode.error) == ("failed", failed.error)


async def test_a_decoder_that_can_not_be_started_is_told(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, ("/nonexistent/decoder",))
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump())
    (failed,) = await jobs.wait_for(ENDS)
    assert isinstance(failed, DecodeFailed)
    assert failed.error == "the decoder can't be started: /nonexistent/decoder: No such file or directory"
    assert failed.backend == "decoder"


async def test_a_decoder_that_hangs_is_timed_out_by_the_shorter_deadline(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script(HANG))
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(jobs.add_dump(), DecodeOptions(timeout_s=0.2))
    (timed_out,) = await jobs.wait_for(ENDS)
    assert timed_out == DecodeTimedOut("b-1", Path(sys.executable).name, 0.2, 1)
    assert jobs.on_disk().decode.state == "timed_out"


async def test_one_job_that_fails_leaves_the_others_alone(tmp_path: Path, nursery: trio.Nursery) -> None:
    answer = json.dumps({"report": REPORT})
    program = f"import sys\nif 'b-1/' in sys.stdin.readline(): sys.exit(1)\nprint({answer!r})"
    jobs = Jobs(tmp_path, script(program))
    nursery.start_soon(jobs.jobs.run)
    for number in (1, 2):
        jobs.jobs.queue(jobs.add_dump(number))
    first, second = await jobs.wait_for(ENDS, 2)
    assert isinstance(first, DecodeFailed)
    assert isinstance(second, DecodeFinished)


async def test_a_report_that_can_not_be_written_is_a_failure(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script(ANSWER % REPORT))
    record = jobs.add_dump()
    (jobs.store.folder("b-1") / "report.json.part").mkdir()
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(record)
    (failed,) = await jobs.wait_for(ENDS)
    assert isinstance(failed, DecodeFailed)
    assert "the report can't be written" in failed.error


async def test_a_report_of_before_stays_until_there_is_a_better_one(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs = Jobs(tmp_path, script("import sys; sys.exit(1)"))
    record = jobs.add_dump()
    record.decode.report_path = "/r/report.json"
    nursery.start_soon(jobs.jobs.run)
    jobs.jobs.queue(record)
    await jobs.wait_for(DecodeFailed)
    assert jobs.on_disk().decode.report_path == "/r/report.json"


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
    states: list[DecodeState] = ["none", "queued", "running", "done", "failed", "timed_out", "cancelled", "no_elf"]
    for number, state in enumerate(states, 1):
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
    add_file(before.elfs, FIRMWARE_ELF)
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
