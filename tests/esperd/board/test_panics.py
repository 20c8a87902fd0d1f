from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
import trio

from esper_protocol.events import (
    Backtrace,
    Body,
    Boot,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    Line,
    Panic,
    SessionLost,
    SessionOpened,
)
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.boards import open_boards
from esperd.testing.elf_builds import add_elf
from esperd.testing.terminal import BoardTerminal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from esperd.server.registry import Registry
    from tests.esperd.board.conftest import Recorder

BOOT: Final = b"rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
SHA_LINE: Final = b"I (168) app_init: ELF file SHA256:  ab81a733d...\r\n"
BACKTRACE: Final = b"Backtrace: 0x400d525d:0x3ffb46b0 0x400d316e:0x3ffb46e0\r\n"
OTHER_BACKTRACE: Final = b"Backtrace: 0x40081111:0x3ffb1110 0x40082222:0x3ffb2220\r\n"
GURU: Final = b"Guru Meditation Error: Core  0 panic'ed (StoreProhibited). Exception was unhandled.\r\n"
REGISTERS: Final = b"Core  0 register dump:\r\nPC      : 0x400d5260  PS      : 0x00060f30\r\n\r\n"
PANIC: Final = GURU + b"\r\n" + REGISTERS + BACKTRACE + b"\r\n\r\nELF file SHA256: ab81a733d\r\n\r\nRebooting...\r\n"
CRASH: Final = (RECORDINGS / "crash.raw").read_bytes()


@asynccontextmanager
async def running_board(state_dir: Path, port: object, recorder: Recorder) -> AsyncGenerator[Registry]:
    """A board that has opened its port; nothing is decoded yet."""
    async with open_boards(state_dir, f"b={port}", own_ports=True) as registry:
        registry.board("b").publisher.add_follower(recorder)
        await recorder.wait_for(SessionOpened)
        yield registry


def seq_of(recorder: Recorder, kind: type[Body], index: int = 0) -> int:
    return [event.seq for event in recorder.events if isinstance(event.body, kind)][index]


def targets(recorder: Recorder) -> list[str]:
    return [body.target for body in recorder.bodies(DecodeQueued)]


# What is decoded ------------------------------------------------------------------------------------------


async def test_a_panic_is_decoded_once_and_its_backtrace_not_again(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal.path, recorder):
        await terminal.send(PANIC + BOOT)
        await recorder.wait_for(Boot)
        await recorder.wait_for(DecodeQueued)
        assert len(recorder.bodies(Backtrace)) == 1
        assert targets(recorder) == [f"panic:{seq_of(recorder, Panic)}"]


async def test_a_bare_backtrace_is_decoded_by_the_position_of_its_line(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal.path, recorder):
        await terminal.send(b"I (1) app: here\r\n" + BACKTRACE + b"I (2) app: on\r\n" + BACKTRACE)
        await recorder.wait_for(DecodeQueued, 2)
        assert recorder.bodies(Panic) == []
        assert targets(recorder) == [f"panic:{body.line_seq}" for body in recorder.bodies(Backtrace)]


async def test_a_backtrace_waits_for_the_panic_that_it_may_be_of(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal.path, recorder):
        before, after = PANIC.split(b"\r\n\r\n\r\n")
        await terminal.send(before + b"\r\n")
        await recorder.wait_for(Backtrace)
        await recorder.wait_for(Line)
        assert targets(recorder) == []
        await terminal.send(b"\r\n\r\n" + after)
        await recorder.wait_for(DecodeQueued)
        assert targets(recorder) == [f"panic:{seq_of(recorder, Panic)}"]


async def test_the_backtrace_of_another_core_in_a_panic_is_decoded_for_itself(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    report = (
        b"E (1) task_wdt: Task watchdog got triggered. The following tasks did not reset the watchdog in time:\r\n"
        b"E (1) task_wdt:  - IDLE0 (CPU 0)\r\nE (1) task_wdt: Print CPU 0 (current core) backtrace\r\n\r\n\r\n"
        + BACKTRACE
        + b"\r\nE (1) task_wdt: Print CPU 1 backtrace\r\n\r\n\r\n"
        + OTHER_BACKTRACE
        + b"I (2) app: on\r\nI (3) app: and on\r\n"
    )
    async with running_board(tmp_path, terminal.path, recorder):
        await terminal.send(report)
        await recorder.wait_for(DecodeQueued, 2)
        second = recorder.bodies(Backtrace)[1].line_seq
        assert sorted(targets(recorder)) == sorted([f"panic:{seq_of(recorder, Panic)}", f"panic:{second}"])


async def test_a_report_without_addresses_is_not_decoded(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal.path, recorder):
        await terminal.send(b"\r\nBrownout detector was triggered\r\n\r\n" + BOOT + PANIC)
        await recorder.wait_for(DecodeQueued)
        assert [panic.cause for panic in recorder.bodies(Panic)] == ["brownout", "exception"]
        assert targets(recorder) == [f"panic:{seq_of(recorder, Panic, 1)}"]


async def test_an_address_in_a_message_is_enough(tmp_path: Path, terminal: BoardTerminal, recorder: Recorder) -> None:
    async with running_board(tmp_path, terminal.path, recorder) as registry, trio.open_nursery() as nursery:
        add_elf(registry.decoding.elfs, FIRMWARE_ELF)
        nursery.start_soon(registry.decoding.panics.run)
        told = b"I (168) app_init: ELF file SHA256:  54bf6313b...\r\n"
        await terminal.send(BOOT + told + b"abort() was called at PC 0x8000172c on core 0\r\nRebooting...\r\n")
        finished = await recorder.wait_for(DecodeFinished)
        assert finished.target == f"panic:{seq_of(recorder, Panic)}"
        report = json.loads(finished.report or "")
        assert report["frames"] == []
        assert (report["places"][0]["pc"], report["places"][0]["function"]) == (0x8000172C, "store_value")
        nursery.cancel_scope.cancel()


async def test_what_is_decoded_leaves_the_positions_of_lines_right(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal.path, recorder):
        # All at once: events are counted before they are published.
        await terminal.send(BOOT + BACKTRACE + PANIC + BOOT + BACKTRACE)
        await recorder.wait_for(DecodeQueued, 3)
        lines = {
            event.seq + index: line
            for event in recorder.events
            if isinstance(event.body, Line)
            for index, line in enumerate(event.body.data.splitlines(keepends=True))
        }
        assert [lines[boot.line_seq] for boot in recorder.bodies(Boot)] == [BOOT, BOOT]
        assert {lines[backtrace.line_seq] for backtrace in recorder.bodies(Backtrace)} == {BACKTRACE}
        assert [lines[panic.first_seq] for panic in recorder.bodies(Panic)] == [GURU]
        seqs = [event.seq for event in recorder.events]
        assert seqs == sorted(set(seqs))


# Which program --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "known"),
    [
        pytest.param(BOOT + SHA_LINE + BACKTRACE, True, id="told by the boot log"),
        pytest.param(BOOT + SHA_LINE + BACKTRACE + BOOT, True, id="by the log of a boot that is over"),
        pytest.param(BOOT + SHA_LINE + BOOT + BACKTRACE, False, id="told by the log of the boot before"),
        pytest.param(BACKTRACE, False, id="not told"),
        pytest.param(PANIC, True, id="printed with the panic"),
    ],
)
async def test_the_program_is_the_one_that_this_boot_told(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder, text: bytes, known: bool
) -> None:
    async with running_board(tmp_path, terminal.path, recorder) as registry, trio.open_nursery() as nursery:
        await terminal.send(text)
        await recorder.wait_for(DecodeQueued)
        nursery.start_soon(registry.decoding.panics.run)
        failed = await recorder.wait_for(DecodeFailed)
        assert ("whose SHA-256 begins with ab81a733d;" in failed.error) == known, failed
        nursery.cancel_scope.cancel()


# Whose the result is --------------------------------------------------------------------------------------


async def test_a_result_belongs_to_the_session_and_the_boot_that_printed_the_panic(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    link = tmp_path / "tty"
    link.symlink_to(terminal.path)
    async with running_board(tmp_path / "state", link, recorder) as registry, trio.open_nursery() as nursery:
        decoding = registry.decoding
        add_elf(decoding.elfs, FIRMWARE_ELF)
        await terminal.send(CRASH[: CRASH.index(b"================= CORE DUMP START")] + BOOT)
        await recorder.wait_for(DecodeQueued)
        boots = len(recorder.bodies(Boot))
        # The board goes and comes back as another session, and boots, before anything is decoded.
        link.unlink()
        terminal.hang_up()
        await recorder.wait_for(SessionLost)
        again = BoardTerminal()
        link.symlink_to(again.path)
        await recorder.wait_for(SessionOpened, 2)
        await again.send(BOOT + BACKTRACE)
        await recorder.wait_for(Boot, boots + 1)
        await recorder.wait_for(DecodeQueued, 2)
        nursery.start_soon(decoding.panics.run)
        finished = await recorder.wait_for(DecodeFinished)
        failed = await recorder.wait_for(DecodeFailed)
        publisher = registry.board("b").publisher
        nursery.cancel_scope.cancel()
    again.hang_up()
    panic = next(event for event in recorder.events if isinstance(event.body, Panic))
    assert (finished.target, panic.generation, panic.boot < publisher.boot) == (f"panic:{panic.seq}", 1, True)
    for event in recorder.events:
        if getattr(event.body, "target", None) == finished.target:
            assert (event.generation, event.boot) == (panic.generation, panic.boot)
        elif getattr(event.body, "target", None) == failed.target:
            assert (event.generation, event.boot) == (2, publisher.boot)


async def test_a_stop_cancels_in_the_name_of_the_session_that_printed_it(
    tmp_path: Path, terminal: BoardTerminal, recorder: Recorder
) -> None:
    async with running_board(tmp_path, terminal.path, recorder) as registry:
        await terminal.send(PANIC + BOOT)
        await recorder.wait_for(DecodeQueued)
        with trio.move_on_after(0):
            await registry.decoding.panics.run()
        await recorder.wait_for(DecodeCancelled)
        (event,) = (event for event in recorder.events if isinstance(event.body, DecodeCancelled))
        assert (event.generation, event.boot) == (1, 0)
        await recorder.wait_for(Boot)
        assert registry.board("b").publisher.boot == 1
