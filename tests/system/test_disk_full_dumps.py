"""Core dumps and a disk that takes no more: they wait in memory, and what is lost in the end is told."""

import binascii
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import trio

from esper_protocol.events import CoredumpEnded, DecodeQueued, Failure, FailureOver
from esper_protocol.messages import Boards, ListBoards, RemoveCoredump, Subscribe
from esper_protocol.records import CoredumpRecord
from esperd.system.clock import rfc3339, wall_ns
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.dumps import END_LINE, START_LINE, base64_lines, container, printed_dump
from esperd.testing.small_disk import SmallDisk
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import TIMEOUT_S, Viewer, bodies

pytestmark = pytest.mark.slow

CORE = container(400_000, seed=1)
LINES = base64_lines(CORE)
HALF = len(LINES) // 2
PANIC = b"abort() was called at PC 0x400d1234\r\n"


@dataclass(frozen=True)
class Full:
    """A daemon whose disk is full, a viewer of it, and its board."""

    bench: Bench
    disk: SmallDisk
    terminal: BoardTerminal
    daemon: Daemon
    viewer: Viewer

    @property
    def folder(self) -> Path:
        return self.bench.state_dir / "coredumps" / "b-1"

    async def say_dump(self) -> CoredumpEnded:
        """A dump that arrives wholly, and waits."""
        await self.terminal.send(PANIC + printed_dump(CORE))
        return await self.wait_for_end()

    async def wait_for_end(self, count: int = 1) -> CoredumpEnded:
        ended = (await self.viewer.wait_for(CoredumpEnded, count=count)).body
        assert isinstance(ended, CoredumpEnded)
        return ended

    async def wait_for_refusal(self) -> None:
        await self.viewer.wait_for(Failure, lambda failure: failure.part == "disk")

    async def wait_for_decode(self, coredump_id: str) -> None:
        await self.viewer.wait_for(DecodeQueued, lambda queued: queued.target == coredump_id)

    async def make_room(self) -> str:
        """Returns what is said of it."""
        self.disk.make_room()
        over = (await self.viewer.wait_for(FailureOver)).body
        assert isinstance(over, FailureOver)
        return over.text

    async def start_again(self) -> CoredumpRecord:
        """A daemon on a disk with room; returns what it knows of the dump."""
        self.disk.make_room()
        daemon = await self.bench.start("b=/nonexistent/tty", "--free-disk-percent", "0")
        assert await daemon.stop() == 0
        return stored_record(self.folder)


def stored_record(folder: Path) -> CoredumpRecord:
    return msgspec.json.decode((folder / "record.json").read_bytes(), type=CoredumpRecord)


def assert_files_are_as_told(folder: Path, lines: list[bytes]) -> CoredumpRecord:
    """The record on disk tells of the files beside it, which hold the beginning of the dump."""
    stored = (folder / "core.b64").read_bytes()
    assert b"".join(lines).startswith(stored)
    assert (folder / "core.bin").read_bytes() == b"".join(map(binascii.a2b_base64, stored.splitlines()))
    record = stored_record(folder)
    assert (record.raw_bytes, record.raw_lines) == (len(stored), stored.count(b"\n"))
    assert record.decoded_bytes == (folder / "core.bin").stat().st_size
    return record


def assert_is_whole(folder: Path) -> None:
    record = assert_files_are_as_told(folder, LINES)
    assert (record.capture, record.end_reason, record.checksum) == ("captured", "end_marker", "ok")
    assert record.note is None
    assert (folder / "core.bin").read_bytes() == CORE
    assert not (folder / "record.refused").exists()


@pytest.fixture
async def full(small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal) -> AsyncGenerator[Full]:
    """The disk is full before the dump begins."""
    daemon = await small_bench.start(f"b={terminal.path}", "--free-disk-percent", "0")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        small_disk.fill(0)
        yield Full(small_bench, small_disk, terminal, daemon, viewer)


@pytest.fixture
async def half(small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal) -> AsyncGenerator[Full]:
    """The disk is full when half of a dump is on it."""
    daemon = await small_bench.start(f"b={terminal.path}", "--free-disk-percent", "0")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        full = Full(small_bench, small_disk, terminal, daemon, viewer)
        stored, text = full.folder / "core.b64", b"".join(LINES[:HALF])
        await terminal.send(START_LINE + text)
        with trio.fail_after(TIMEOUT_S):
            while not stored.exists() or stored.stat().st_size < len(text):  # noqa: ASYNC110 - nothing tells it
                await trio.sleep(0.01)
        small_disk.fill(0)
        yield full


async def test_a_dump_that_arrives_while_the_disk_is_full_is_whole_once_there_is_room(full: Full) -> None:
    ended = await full.say_dump()
    await full.wait_for_refusal()
    assert (ended.capture, ended.end_reason, ended.checksum) == ("captured", "end_marker", "ok")
    assert not [queued for queued in bodies(full.viewer.events, DecodeQueued) if queued.target == "b-1"]

    assert await full.make_room() == "the disk takes the journal again; all that waited is written"

    await full.wait_for_decode("b-1")
    assert await full.daemon.stop() == 0
    assert_is_whole(full.folder)
    assert (full.folder / "panic.txt").read_bytes() == PANIC


async def test_a_dump_whose_second_half_the_disk_refuses_is_whole_once_there_is_room(half: Full) -> None:
    for line in LINES[HALF:]:
        await half.terminal.send(line)
    await half.terminal.send(END_LINE)
    ended = await half.wait_for_end()
    await half.wait_for_refusal()
    assert (ended.capture, ended.end_reason) == ("captured", "end_marker")

    assert await half.make_room() == "the disk takes the journal again; all that waited is written"

    await half.wait_for_decode("b-1")
    assert await half.daemon.stop() == 0
    assert_is_whole(half.folder)


async def test_what_has_no_place_in_memory_is_lost_and_said_to_be(full: Full) -> None:
    # Each of them waits as text and decoded; two are more than may wait.
    core = container(2_600_000, seed=2)
    await full.terminal.send(printed_dump(core) * 2)
    first, cut = await full.wait_for_end(), await full.wait_for_end(2)
    assert (first.capture, first.end_reason) == ("captured", "end_marker")
    assert (cut.capture, cut.end_reason, cut.checksum) == ("partial", "disk_full", "absent")

    assert await full.make_room() == "the disk takes the journal again; core dump b-2 is not whole"

    await full.wait_for_decode("b-2")
    assert await full.daemon.stop() == 0
    whole = assert_files_are_as_told(full.folder, base64_lines(core))
    assert (whole.capture, whole.decoded_bytes) == ("captured", len(core))
    record = assert_files_are_as_told(full.folder.with_name("b-2"), base64_lines(core))
    assert (record.capture, record.end_reason, record.raw_bytes) == ("partial", "disk_full", cut.raw_bytes)
    assert record.note == "the disk refused a part of it: No space left on device"


@pytest.mark.parametrize("is_ended", [True, False])
async def test_a_stop_while_the_disk_is_full_leaves_a_record_of_what_is_stored(half: Full, is_ended: bool) -> None:
    await half.terminal.send(b"".join(LINES[HALF:-1]))
    if is_ended:
        await half.terminal.send(LINES[-1] + END_LINE)
        await half.wait_for_end()
    await half.wait_for_refusal()
    with trio.fail_after(5):
        assert await half.daemon.stop() == 0

    record = await half.start_again()

    assert assert_files_are_as_told(half.folder, LINES) == record
    assert (record.capture, record.end_reason, record.checksum) == ("partial", "disk_full", "absent")
    assert record.raw_bytes >= sum(map(len, LINES[:HALF]))
    assert record.note is not None
    assert "disk" in record.note


async def test_a_stop_leaves_a_record_also_of_a_dump_of_which_the_disk_took_nothing(full: Full) -> None:
    await full.say_dump()
    await full.wait_for_refusal()
    stop_at = wall_ns()
    assert await full.daemon.stop() == 0

    record = await full.start_again()

    assert (record.id, record.capture, record.end_reason, record.raw_bytes) == ("b-1", "partial", "disk_full", 0)
    assert (record.generation, record.first_seq, record.ended_at) == (0, 0, None)
    # It was refused long before the stop, and told once at the stop.
    assert record.started_at < rfc3339(stop_at)
    assert full.daemon.text.count("core dump not written") == 1
    assert "record not written" not in full.daemon.text
    assert "core_dumps=b-1 " in full.daemon.text


async def test_a_dump_that_waits_can_be_rescued_from_the_journal_in_memory(full: Full) -> None:
    async def esperctl(*words: str) -> tuple[int, bytes, str]:
        command = [sys.executable, "-m", "esperctl", "--socket", str(full.daemon.socket), *words]
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
        return done.returncode, done.stdout, done.stderr.decode()

    await full.say_dump()
    await full.wait_for_refusal()

    code, _, said = await esperctl("coredumps", "export", "b-1", "-o", "-")

    assert code == 1
    logs = said.partition("`esperctl ")[2].partition(" > FILE`")[0]
    code, text, _ = await esperctl(*logs.split())
    assert code == 0
    assert text.replace(b"\r\n", b"\n").startswith(printed_dump(CORE).replace(b"\r\n", b"\n"))


async def test_a_dump_that_waits_and_is_removed_is_not_written(full: Full) -> None:
    await full.say_dump()
    await full.wait_for_refusal()
    await full.viewer.request(RemoveCoredump("b-1"))

    await full.make_room()
    await full.terminal.send(printed_dump(CORE))
    await full.wait_for_decode("b-2")

    assert await full.daemon.stop() == 0
    assert not full.folder.exists()
    assert_is_whole(full.folder.with_name("b-2"))


async def test_what_is_wrong_with_the_disk_is_in_the_boards_record_until_it_is_well(full: Full) -> None:
    async def disk() -> str | None:
        answer = await full.viewer.request(ListBoards())
        assert isinstance(answer, Boards)
        return answer.boards[0].disk

    assert await disk() is None
    await full.terminal.send(b"hello\r\n")
    await full.wait_for_refusal()
    assert await disk() == "full: No space left on device"
    await full.make_room()
    assert await disk() is None


async def test_after_a_kill_the_record_says_that_esperd_was_killed(half: Full) -> None:
    await half.daemon.kill()

    record = await half.start_again()

    assert (record.capture, record.end_reason) == ("partial", "daemon_stopped")
    assert record.note == "esperd was killed while it arrived"
