"""Decode jobs whose decoder fails, and what is said of it."""

import json
import sys
from pathlib import Path

import pytest
import trio

from esper_protocol.events import (
    DecodeFailed,
    DecodeFinished,
    DecodeTimedOut,
)
from esperd.decode.decoder_process import DecodeOptions
from esperd.testing.jobs import ANSWER, ENDS, HANG, REPORT, Jobs, script


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
