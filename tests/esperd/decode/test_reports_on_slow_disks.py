"""Reports that wait for a disk that hangs: no more of them than memory is allowed for."""

import os
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from esper_protocol.events import DecodeFailed, DecodeFinished
from esper_protocol.records import CoredumpRecord
from esperd.server.registry import Registry
from esperd.settings import Limits
from esperd.testing.boards import newest, open_boards
from esperd.testing.jobs import script

MIB: Final = 1024 * 1024
# A decoder of the test, whose reports are of so many bytes.
LARGE: Final = """
import json, sys
sys.stdin.readline()
print(json.dumps({"report": {"reason": "abort", "warnings": ["x" * %d]}, "text": "all of it"}))
"""


def queue_dump(registry: Registry, number: int) -> None:
    name = f"b-{number}"
    record = CoredumpRecord(
        id=name, board="b", generation=1, boot=1, started_at="2026-11-21T06:00:00Z", capture="captured",
        decoded_bytes=10, raw_path="", core_path="", first_seq=1, last_seq=2,
    )  # fmt: skip
    registry.store.add(record)
    registry.store.files.create(name, msgspec.json.encode(record), b"")
    registry.decoding.jobs.queue(record)


async def ends(registry: Registry, count: int) -> list[DecodeFailed | DecodeFinished]:
    found: list[DecodeFailed | DecodeFinished] = []
    with trio.fail_after(20):
        while len(found) < count:
            await trio.sleep(0.01)
            found = [event.body for event in newest(registry) if isinstance(event.body, DecodeFailed | DecodeFinished)]
    return found


@pytest.mark.parametrize(("report_mib", "places"), [pytest.param(3, 2, id="large"), pytest.param(12, 1, id="largest")])
async def test_reports_that_find_no_place_fail_and_the_others_are_written_when_the_disk_answers(
    tmp_path: Path, nursery: trio.Nursery, report_mib: int, places: int
) -> None:
    limits = Limits(free_disk_percent=0, decode_coredumps=4)
    readable, writable = os.pipe()

    def hang() -> None:
        os.read(readable, 1)

    async with open_boards(tmp_path, "b", limits=limits) as registry:
        jobs = registry.decoding.jobs
        jobs.process.configure(script(LARGE % (report_mib * MIB)), {}, 20.0)
        try:
            # As a disk that hangs: the writer's thread does not come back from what it was given.
            registry.board("b").parts.disk.submit(hang, lambda _: None)
            nursery.start_soon(jobs.run)
            for number in range(1, 5):
                queue_dump(registry, number)
            refused = await ends(registry, 4 - places)
            assert {type(body) for body in refused} == {DecodeFailed}
            assert "the report can't be written: the disk does not answer" in str(refused[0])
        finally:
            os.write(writable, b"!")
        written = (await ends(registry, 4))[4 - places :]
        assert {type(body) for body in written} == {DecodeFinished}
        nursery.cancel_scope.cancel()
    os.close(readable)
    os.close(writable)
