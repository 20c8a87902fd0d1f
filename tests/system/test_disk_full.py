"""A disk that takes no more: viewers and the port go on, what is lost is named, and all is well once there is room."""

import binascii
import contextlib
import os
import re
import subprocess
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from esper_protocol.events import (
    CoredumpEnded,
    DaemonStopping,
    Event,
    Failure,
    Gap,
    Line,
    Note,
    SessionOpened,
    seq_count,
)
from esper_protocol.messages import Subscribe
from esper_protocol.records import CoredumpRecord
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.dumps import END_LINE, START_LINE, base64_lines, container
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import TIMEOUT_S, Viewer, bodies, joined_lines

MIB: Final = 1024 * 1024
# The journal waits in memory up to 8 MiB; this disk holds that, and more than that has to be said to lose anything.
DISK_BYTES: Final = 24 * MIB
NUMBERED: Final = re.compile(rb"line (\d{8}) ")


class SmallDisk:
    """A file system of its own, and something on it that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, free_bytes: int) -> None:
        """Leaves *free_bytes*, or less by a page."""
        with self._ballast.open("ab", buffering=0) as file:
            status = os.statvfs(self.folder)
            with contextlib.suppress(OSError):  # it is full
                file.write(bytes(max(status.f_bavail * status.f_frsize - free_bytes, 0)))
                while not free_bytes:
                    file.write(bytes(4096))

    def make_room(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "esperd-test", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small disk is not allowed here: {mounted.stderr.decode()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
async def small_bench(small_disk: SmallDisk, tmp_path: Path, nursery: trio.Nursery) -> AsyncGenerator[Bench]:
    bench = Bench(tmp_path, nursery, small_disk.folder / "state")
    yield bench
    await bench.aclose()
    for daemon in bench.daemons:
        assert "Traceback" not in daemon.text


def numbered_lines(first: int, size_bytes: int) -> bytes:
    return b"".join(b"line %08d %s\r\n" % (first + i, b"." * 84) for i in range(size_bytes // 100))


def numbers(events: list[Event]) -> list[int]:
    return [int(number) for number in NUMBERED.findall(joined_lines(events))]


@pytest.mark.slow
@pytest.mark.parametrize("free_disk_percent", ["0", "5"])
async def test_a_full_disk_costs_viewers_nothing_and_the_journal_goes_on_with_a_gap_that_names_what_is_lost(
    small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal, nursery: trio.Nursery, free_disk_percent: str
) -> None:
    daemon = await small_bench.start(f"b={terminal.path}", "--free-disk-percent", free_disk_percent)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        before = numbered_lines(0, MIB)
        await terminal.send(before)
        await viewer.wait_for_bytes(len(before))
        small_disk.fill(64 * 1024)
        flood = numbered_lines(len(numbers(viewer.events)), 12 * MIB)
        nursery.start_soon(terminal.send, flood)
        failure = await viewer.wait_for(Failure)
        assert isinstance(failure.body, Failure)
        assert failure.body.part == "disk"
        await viewer.wait_for_bytes(len(before) + len(flood))
        assert joined_lines(viewer.events) == before + flood
        assert not bodies(viewer.events, Gap)

        small_disk.make_room()
        told = await viewer.wait_for(Gap)
        after = numbered_lines(len(numbers(viewer.events)), 1000)
        await terminal.send(after)
        await viewer.wait_for_bytes(len(before) + len(flood) + len(after))
        assert len(bodies(viewer.events, Failure)) == 1
    assert isinstance(told.body, Gap)
    assert told.body.reason == "disk_full"
    assert_only_missing(told.body, viewer.events, await daemon.history("b"))
    assert daemon.text.count("disk refuses") == 1
    assert await daemon.stop() == 0


def assert_only_missing(gap: Gap, seen: list[Event], kept: list[Event]) -> None:
    """The journal lacks what the gap names, and nothing else."""
    assert gap.first_lost_seq is not None
    assert gap.last_lost_seq is not None
    lost = range(gap.first_lost_seq, gap.last_lost_seq + 1)
    assert len(lost) > 10_000
    expected = [event for event in seen if event.seq not in lost]
    last = expected[-1].seq
    assert [event for event in kept if event.seq <= last] == expected
    positions = sum(seq_count(event.body) for event in seen if isinstance(event.body, Line))
    assert positions - len(numbers(kept)) <= len(lost)


@dataclass
class Dump:
    """A large dump whose first half is on a disk that is full now."""

    lines: list[bytes]
    daemon: Daemon
    viewer: Viewer

    @property
    def rest(self) -> list[bytes]:
        return self.lines[len(self.lines) // 2 :]


@pytest.fixture
async def half_dump(small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal) -> AsyncGenerator[Dump]:
    lines = base64_lines(container(400_000, seed=1))
    half = b"".join(lines[: len(lines) // 2])
    daemon = await small_bench.start(f"b={terminal.path}", "--free-disk-percent", "0")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(START_LINE + half)
        await viewer.wait_for_bytes(len(START_LINE + half))
        stored = small_disk.folder / "state" / "coredumps" / "b-1" / "core.b64"
        with trio.fail_after(TIMEOUT_S):
            while not stored.exists() or stored.stat().st_size < len(half):  # noqa: ASYNC110 - nothing tells it
                await trio.sleep(0.01)
        small_disk.fill(0)
        yield Dump(lines, daemon, viewer)


async def assert_stored_truly(dump: Dump, path: Path) -> None:
    """The record on disk tells of the files beside it, which hold the beginning of the dump."""
    stored = (path / "core.b64").read_bytes()
    assert b"".join(dump.lines).startswith(stored)
    assert len(stored) >= sum(map(len, dump.lines[: len(dump.lines) // 2]))
    assert (path / "core.bin").read_bytes() == b"".join(map(binascii.a2b_base64, stored.splitlines()))
    await dump.viewer.wait_for(Note, lambda note: "takes the journal again" in note.text)
    assert await dump.daemon.stop() == 0
    record = msgspec.json.decode((path / "record.json").read_bytes(), type=CoredumpRecord)
    assert (record.capture, record.end_reason, record.checksum) == ("partial", "disk_full", "absent")
    assert (record.raw_bytes, record.raw_lines) == (len(stored), stored.count(b"\n"))
    assert record.decoded_bytes == (path / "core.bin").stat().st_size
    assert record.note is not None


@pytest.mark.slow
async def test_a_core_dump_that_the_disk_refuses_ends_with_what_was_stored(
    half_dump: Dump, small_disk: SmallDisk, terminal: BoardTerminal
) -> None:
    async def say_rest() -> None:
        for line in half_dump.rest:
            await terminal.send(line)
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say_rest)
        ended = (await half_dump.viewer.wait_for(CoredumpEnded)).body
        nursery.cancel_scope.cancel()
    assert isinstance(ended, CoredumpEnded)
    assert (ended.capture, ended.end_reason) == ("partial", "disk_full")
    assert ended.raw_bytes == (Path(ended.path) / "core.b64").stat().st_size
    small_disk.make_room()
    await assert_stored_truly(half_dump, Path(ended.path))


@pytest.mark.slow
async def test_a_core_dump_that_arrives_before_the_disk_refuses_it_is_not_called_whole(
    half_dump: Dump, small_disk: SmallDisk, terminal: BoardTerminal
) -> None:
    await terminal.send(b"".join((*half_dump.rest, END_LINE)))
    ended = (await half_dump.viewer.wait_for(CoredumpEnded)).body
    assert isinstance(ended, CoredumpEnded)
    if ended.capture == "captured":
        await half_dump.viewer.wait_for(Failure, lambda failure: failure.part == "capture")
    small_disk.make_room()
    await assert_stored_truly(half_dump, Path(ended.path))


@pytest.mark.slow
async def test_a_daemon_whose_disk_is_full_stops_in_order(
    small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal
) -> None:
    daemon = await small_bench.start(f"b={terminal.path}")
    small_disk.fill(0)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(b"hello\r\n")
        await viewer.wait_for(Failure)
        with trio.fail_after(3):
            assert await daemon.stop() == 0
        await viewer.receive_to_end()
    assert isinstance(viewer.events[-1].body, DaemonStopping)
    assert not daemon.socket.exists()
