from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from esper_protocol.events import CoredumpEnded, CoredumpStarted, Failure, FailureOver, Line, SessionOpened, Tx
from esperd.settings import Limits
from esperd.storage.coredump_files import CORE_NAME, RAW_NAME
from esperd.testing.boards import open_boards
from esperd.testing.dumps import END_LINE, START_LINE, base64_lines, container, printed_dump

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from esperd.board.board import Board
    from esperd.testing.terminal import BoardTerminal
    from tests.esperd.board.conftest import Recorder

CORE = container(2000, 1)


@asynccontextmanager
async def running_board(
    state_dir: Path, terminal: BoardTerminal, recorder: Recorder, limits: Limits | None = None
) -> AsyncGenerator[Board]:
    """A board that has opened its port, with nothing left for the disk to do."""
    async with open_boards(state_dir, f"b={terminal.path}", limits=limits, own_ports=True) as registry:
        board = registry.board("b")
        board.publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        with trio.fail_after(10):
            await board.parts.disk.progress.wait()
        yield board


async def wait_for_disk(board: Board) -> None:
    """Until all that was left for the disk by now is there."""
    done = trio.Event()
    board.parts.disk.submit(lambda: None, lambda _: None, done.set)
    with trio.fail_after(10):
        await done.wait()


async def test_a_dump_is_kept_byte_for_byte_with_its_record(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal, recorder) as board:
        await terminal.send(b"abort() was called at PC 0x400d1234\r\n" + printed_dump(CORE))
        ended = await recorder.wait_for(CoredumpEnded)
        await wait_for_disk(board)
        folder = tmp_path / "coredumps" / "b-1"

        assert (ended.id, ended.capture, ended.end_reason, ended.checksum) == ("b-1", "captured", "end_marker", "ok")
        assert ended.path == str(folder)
        assert (folder / CORE_NAME).read_bytes() == CORE
        assert (folder / RAW_NAME).read_bytes() == b"".join(base64_lines(CORE))
        assert b"abort() was called" in (folder / "panic.txt").read_bytes()
        record = board.parts.store.files.read_record(folder)
        assert record == board.parts.store.get("b-1")
        assert record is not None
        assert (record.raw_path, record.core_path) == (str(folder / RAW_NAME), str(folder / CORE_NAME))


async def test_numbers_go_on_over_sessions_and_restarts_whatever_was_removed(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal, recorder) as board:
        await terminal.send(printed_dump(CORE) * 2)
        await recorder.wait_for(CoredumpEnded, 2)
        for coredump_id in ("b-2", "b-1"):
            board.captures.remove(coredump_id)
        await wait_for_disk(board)
    assert not [path for path in (tmp_path / "coredumps").iterdir() if path.is_dir()]

    async with open_boards(tmp_path, f"b={terminal.path}", own_ports=True) as registry:
        registry.board("b").publisher.add_follower(recorder)
        await terminal.send(printed_dump(CORE))
        assert (await recorder.wait_for(CoredumpStarted, 3)).id == "b-3"


async def test_retention_removes_old_dumps_when_a_new_one_has_arrived(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    limits = Limits(coredumps_kept=2, free_disk_percent=0)
    async with running_board(tmp_path, terminal, recorder, limits) as board:
        await terminal.send(printed_dump(CORE) * 5)
        await recorder.wait_for(CoredumpEnded, 5)
        await wait_for_disk(board)

        assert [record.id for record in board.parts.store.records("b")] == ["b-4", "b-5"]
        assert sorted(path.name for path in (tmp_path / "coredumps").glob("b-*")) == ["b-4", "b-5"]


async def test_an_abort_keeps_what_arrived_and_the_rest_stays_in_the_log(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    lines = base64_lines(CORE)
    async with running_board(tmp_path, terminal, recorder) as board:
        await terminal.send(START_LINE + b"".join(lines[:10]))
        await recorder.wait_for(Line)
        while board.capture_id is None:
            await recorder.grew.wait()
        board.abort_capture("me")
        ended = await recorder.wait_for(CoredumpEnded)
        await terminal.send(b"".join(lines[10:]) + END_LINE)
        with trio.fail_after(10):
            while not b"".join(line.data for line in recorder.bodies(Line)).endswith(END_LINE):
                await recorder.grew.wait()
        await wait_for_disk(board)

        assert (ended.capture, ended.end_reason) == ("partial", "aborted")
        said = b"".join(line.data for line in recorder.bodies(Line))
        assert said == printed_dump(CORE)
        assert (tmp_path / "coredumps" / "b-1" / CORE_NAME).read_bytes() == CORE[: ended.decoded_bytes]


async def test_a_stop_in_the_middle_of_a_dump_keeps_it(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal, recorder) as board:
        await terminal.send(START_LINE + b"".join(base64_lines(CORE)[:10]))
        while board.capture_id is None:
            await recorder.grew.wait()
        files = board.parts.store.files

    (ended,) = recorder.bodies(CoredumpEnded)
    assert ended.end_reason == "daemon_stopped"
    record = files.read_record(tmp_path / "coredumps" / "b-1")
    assert record is not None
    assert (record.capture, record.end_reason, record.decoded_bytes) == (
        "partial",
        "daemon_stopped",
        ended.decoded_bytes,
    )


async def test_a_disk_that_refuses_a_dump_ends_it_and_its_record_says_so(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    lines = base64_lines(CORE)
    async with running_board(tmp_path, terminal, recorder) as board:
        await terminal.send(START_LINE + b"".join(lines[:10]))
        while board.capture_id is None:
            await recorder.grew.wait()
        await wait_for_disk(board)
        folder = tmp_path / "coredumps" / "b-1"
        stored = (folder / RAW_NAME).stat().st_size
        (folder / RAW_NAME).rename(folder / "away")
        (folder / RAW_NAME).mkdir()
        await terminal.send(b"".join(lines[10:20]))
        ended = await recorder.wait_for(CoredumpEnded)
        await wait_for_disk(board)

        record = board.parts.store.files.read_record(folder)
        assert record is not None
        assert (ended.capture, ended.end_reason, ended.raw_bytes) == ("partial", "disk_full", stored)
        assert (record.capture, record.end_reason, record.raw_bytes) == ("partial", "disk_full", stored)
        assert record.note is not None
        assert "refused" in record.note
        assert board.capture_id is None


async def test_a_dump_that_was_faster_than_the_disks_refusal_is_corrected(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal, recorder) as board:
        # A file where the folder is to be.
        (tmp_path / "coredumps" / "b-1").write_bytes(b"")
        await terminal.send(printed_dump(CORE))
        ended = await recorder.wait_for(CoredumpEnded)
        failure = await recorder.wait_for(Failure)
        record = board.parts.store.get("b-1")

        assert ended.capture == "captured"
        assert failure.part == "capture"
        assert record is not None
        assert (record.capture, record.end_reason, record.raw_bytes) == ("partial", "disk_full", 0)
        # And once there is a place for it, the record is written.
        await wait_for_disk(board)
        (tmp_path / "coredumps" / "b-1").unlink()
        board.captures.save(record)
        await wait_for_disk(board)
        assert board.parts.store.files.read_record(tmp_path / "coredumps" / "b-1") == record


async def test_nothing_is_written_of_a_dump_that_was_removed(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal, recorder) as board:
        await terminal.send(printed_dump(CORE))
        await recorder.wait_for(CoredumpEnded)
        record = board.parts.store.get("b-1")
        assert record is not None
        board.captures.remove("b-1")
        board.captures.save(record)
        await wait_for_disk(board)

        assert not (tmp_path / "coredumps" / "b-1").exists()


@pytest.mark.parametrize("asks", [b"Press Enter to print core dump to UART...\r\n"])
async def test_the_prompt_is_answered_and_the_answer_is_an_event(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder, asks: bytes
) -> None:
    async with running_board(tmp_path, terminal, recorder):
        await terminal.send(asks)
        with trio.fail_after(10):
            assert await terminal.receive() == b"\n"
        assert (await recorder.wait_for(Tx)).who == "esperd"


async def test_a_dump_that_comes_while_the_disk_does_not_answer_ends_as_disk_full_and_is_cut_not_holed(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    core = container(2_500_000, 1)
    lines = base64_lines(core)
    async with running_board(tmp_path, terminal, recorder) as board:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        # A FIFO without a writer: to open it blocks, as a disk does that hangs.
        board.parts.disk.submit(lambda: fifo.open("rb").close(), lambda _: None)
        try:
            # The first has room in memory, and part of the second.
            for _ in range(2):
                await terminal.send(START_LINE + b"".join(lines))
            first, cut = await recorder.wait_for(CoredumpEnded), await recorder.wait_for(CoredumpEnded, 2)
        finally:
            os.close(os.open(fifo, os.O_WRONLY))
        await recorder.wait_for(FailureOver)  # the disk answers again
        await wait_for_disk(board)
        assert (first.end_reason, cut.capture, cut.end_reason) == ("complete", "partial", "disk_full")
        stored = (tmp_path / "coredumps" / cut.id / CORE_NAME).read_bytes()
        assert 0 < len(stored) == cut.decoded_bytes < len(core)
        assert core.startswith(stored)
        record = board.parts.store.files.read_record(tmp_path / "coredumps" / cut.id)
        assert record is not None
        assert (record.end_reason, record.decoded_bytes) == ("disk_full", len(stored))
        assert (tmp_path / "coredumps" / first.id / CORE_NAME).read_bytes() == core
