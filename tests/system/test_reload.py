"""SIGHUP on real daemons: what changes, and what is left alone."""

import os
import pty
import shutil
import signal
import sys
from pathlib import Path

import pytest
import trio

from esper_protocol.events import (
    CoredumpPrompted,
    DaemonStopping,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    Failure,
    Gap,
    Line,
    Note,
    SessionClosed,
    SessionFailed,
    SessionOpened,
    ViewerAttached,
)
from esper_protocol.messages import HistoryEnd, Send, Subscribe
from esperd.fleet.fleet import REMOVED
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.testing.daemon import Bench
from esperd.testing.reloading import File, board_table, names_of, reload, watch
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import RefusedError, bodies


async def test_boards_come_and_go_with_the_file_and_the_others_never_notice(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file, second, third = File(tmp_path), BoardTerminal(), BoardTerminal()
    file.write(board_table("a", terminal) + board_table("b", second))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as staying, daemon.viewer() as leaving:
        await watch(staying, "a")
        await watch(leaving, "b")
        file.write(board_table("a", terminal) + board_table("c", third))
        await reload(daemon)

        await leaving.wait_for(DaemonStopping)
        assert bodies(leaving.events, SessionClosed) == [SessionClosed(second.path, REMOVED)]
        assert bodies(leaving.events, DaemonStopping) == [DaemonStopping(REMOVED)]
        await leaving.receive_history()
        assert leaving.history_end == HistoryEnd("b", leaving.events[-1].seq + 1, REMOVED)
        assert await names_of(daemon) == ["a", "c"]
        note = await staying.wait_for(Note)
        assert note.body == Note("configuration read again: boards.b, boards.c changed", "esperd")
        await terminal.send(b"still here\n")
        await staying.wait_for(Line)
        assert not bodies(staying.events, SessionClosed)
        async with daemon.viewer() as viewer:
            await watch(viewer, "c")
            await third.send(b"new\n")
            assert (await viewer.wait_for(Line)).body == Line(b"new\n", 1)

        # The lock of the one that left is free, and its journal ended in order.
        other = await bench.start("--socket", str(tmp_path / "other.sock"), f"b={second.path}")
        gaps = bodies(await other.history("b"), Gap)
        assert [gap.reason for gap in gaps] == ["daemon_stopped"]
        # And it can come back only when nobody else has it.
        file.write(board_table("a", terminal) + board_table("b", second))
        await reload(daemon)
        await staying.wait_for(Failure)
        (failure,) = bodies(staying.events, Failure)
        assert failure.part == "configuration"
        assert "runs board b" in failure.error
        await other.stop()
        await reload(daemon)
        assert await names_of(daemon) == ["a", "b"]
    assert await daemon.stop() == 0
    second.hang_up()
    third.hang_up()


async def test_who_follows_a_board_that_is_removed_is_told_that_it_is_served_no_longer(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file, second = File(tmp_path), BoardTerminal()
    file.write(board_table("a", terminal) + board_table("b", second))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer, trio.open_nursery() as nursery:
        await watch(viewer, "b")
        done: dict[str, tuple[int, str, str]] = {}

        async def follow(words: tuple[str, ...]) -> None:
            command = [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket), *words, "b"]
            ended = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
            done[words[0]] = ended.returncode, ended.stdout.decode(), ended.stderr.decode()

        for words in (("logs", "-f"), ("events", "-f"), ("attach",)):
            nursery.start_soon(follow, words)
        await viewer.wait_for(ViewerAttached, lambda body: body.viewers == 4)
        await second.send(b"the last words\n")
        await viewer.wait_for(Line)
        file.write(board_table("a", terminal))
        nursery.cancel_scope.deadline = trio.current_time() + 20
        await reload(daemon)
    second.hang_up()
    assert len(done) == 3
    for code, out, error in done.values():
        assert code == 3
        assert "the last words" in out
        assert error.endswith(
            "esperctl: board b is no longer served by esperd: the board is not configured any more\n"
            "hint: see `esperctl boards`\n"
        )


async def test_another_baud_rate_opens_that_port_anew_and_no_other(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file, second = File(tmp_path), BoardTerminal()
    file.write(board_table("a", terminal) + board_table("b", second))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as first_viewer, daemon.viewer() as second_viewer:
        await watch(first_viewer, "a")
        await watch(second_viewer, "b")
        file.write(board_table("a", terminal, "baud = 921600") + board_table("b", second))
        await reload(daemon)
        await first_viewer.wait_for(Gap)

        opened = bodies(first_viewer.events, SessionOpened)
        assert [one.baud for one in opened] == [115_200, 921_600]
        assert bodies(first_viewer.events, SessionClosed) == [SessionClosed(terminal.path, "its settings were changed")]
        assert [gap.reason for gap in bodies(first_viewer.events, Gap)] == ["released"]
        await second_viewer.wait_for(Note)
        assert len(bodies(second_viewer.events, SessionOpened)) == 1
        assert not bodies(second_viewer.events, SessionClosed)
    second.hang_up()


async def test_a_file_that_is_not_valid_changes_nothing_and_says_why(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file = File(tmp_path)
    file.write(board_table("a", terminal))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await watch(viewer, "a")
        file.write("baud = 9600\n" + board_table("a", terminal, "bauds = 9600"))
        await reload(daemon, "configuration not read again")

        failure = await viewer.wait_for(Failure)
        assert failure.body == Failure(
            "configuration",
            f"{file.path}:4: boards.a.bauds is not a known key; did you mean boards.a.baud? "
            "(known are port, baud, answer_coredump_prompt)",
            "nothing was changed",
            None,
        )
        assert not bodies(viewer.events, SessionClosed)
        await viewer.request(Send("a", b"x"))
        assert await terminal.receive() == b"x"


async def test_what_is_doubtful_in_a_file_that_is_valid_is_said(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file = File(tmp_path)
    file.write(board_table("a", terminal))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await watch(viewer, "a")
        file.write("[[on_crash]]\ncommand = ['/no/such/program']\n" + board_table("a", terminal))
        await reload(daemon, "configuration problem=")
        failure = (await viewer.wait_for(Failure)).body
        assert failure == Failure(
            "configuration",
            f"{file.path}:2: on_crash.command names '/no/such/program'; it must be a program that is there and may be "
            "run",
            "the rest of the file was read",
            None,
        )
        await viewer.wait_for(Note, lambda body: body.text == "configuration read again: on_crash changed")


async def test_what_needs_a_restart_is_said_and_left_as_it_is(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file = File(tmp_path)
    file.write(board_table("a", terminal))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await watch(viewer, "a")
        file.write(
            "socket_mode = '0666'\n[limits]\ndecode_coredumps = 3\ntail_bytes = '1 MiB'\n" + board_table("a", terminal)
        )
        await reload(daemon, "configuration needs a restart keys=socket_group or socket_mode, limits.decode_coredumps")

        note = await viewer.wait_for(Note)
        assert note.body == Note(
            "configuration read again: limits.tail_bytes changed; "
            "a restart is needed for socket_group or socket_mode, limits.decode_coredumps",
            "esperd",
        )


async def test_a_capture_that_a_removed_board_was_in_is_kept_and_decoded_by_the_next(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file, second = File(tmp_path), BoardTerminal()
    file.write(board_table("a", terminal) + board_table("b", second))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await watch(viewer, "b")
        dump = b"================= CORE DUMP START =================\r\n" + b"AAAA" * 16 + b"\r\n"
        await second.send(dump)
        await viewer.wait_for_bytes(len(dump))
        file.write(board_table("a", terminal))
        await reload(daemon)
    record = (bench.state_dir / "coredumps" / "b-1" / "record.json").read_bytes()
    assert b'"capture":"partial","end_reason":"port_released"' in record.replace(b'": ', b'":')
    assert b'"state":"queued"' in record
    second.hang_up()


async def test_when_its_terminal_is_closed_it_stops(tmp_path: Path, terminal: BoardTerminal) -> None:
    controller, worker = pty.openpty()
    process = await trio.lowlevel.open_process(
        [
            *(sys.executable, "-m", "esperd", "--state-dir", str(tmp_path / "state")),
            *("--runtime-dir", str(tmp_path / "run"), f"b={terminal.path}"),
        ],
        stdin=worker,
        stdout=worker,
        stderr=worker,
        # Else nothing that the terminal does not take would wait for the end of the interpreter.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    os.close(worker)
    said = b""
    with trio.fail_after(20):
        while b" started pid=" not in said:
            await trio.lowlevel.wait_readable(controller)
            said += os.read(controller, 4096)
        process.send_signal(signal.SIGHUP)
        while b"configuration read again" not in said:
            await trio.lowlevel.wait_readable(controller)
            said += os.read(controller, 4096)
        os.close(controller)
        process.send_signal(signal.SIGHUP)
        assert await process.wait() == 0
    assert b"daemon_stopping" in b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*.journal"))


PROMPT = b"I (713) esp_core_dump_uart: Press Enter to print core dump to UART...\r\n"


async def test_limits_prompts_and_elf_folders_change_while_the_port_stays_open(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file, build = File(tmp_path), tmp_path / "build"
    build.mkdir()
    shutil.copy(FIRMWARE_ELF, build / "app.elf")
    file.write(board_table("a", terminal))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await watch(viewer, "a")
        await terminal.send(PROMPT)
        await viewer.wait_for(CoredumpPrompted, lambda body: body.answered)

        file.write(
            f"elf = ['{build}']\n[limits]\nline_bytes = 256\nclients = 1\n"
            + board_table("a", terminal, "answer_coredump_prompt = false")
        )
        await reload(daemon)

        await daemon.wait_for_log("ELF file added")
        await terminal.send(PROMPT + b"x" * 300)
        await viewer.wait_for(CoredumpPrompted, lambda body: not body.answered)
        await viewer.wait_for(Line, lambda body: body.end == "split")
        with pytest.raises(RefusedError, match="serves 1 clients at a time"):
            async with daemon.viewer():
                pass
        assert not bodies(viewer.events, SessionClosed)
        assert len(bodies(viewer.events, SessionOpened)) == 1


async def test_a_board_whose_port_can_not_be_opened_is_configured_anew_as_well(bench: Bench, tmp_path: Path) -> None:
    file, terminal = File(tmp_path), BoardTerminal()
    file.write("[boards.a]\nport = '/nonexistent/tty'\n")
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("a", after=0))
        await viewer.wait_for(SessionFailed)
        file.write(board_table("a", terminal))
        await reload(daemon)
        opened = await viewer.wait_for(SessionOpened)
        assert opened.body == SessionOpened(terminal.path, 115_200)
    terminal.hang_up()


async def test_a_dump_is_decoded_by_the_next_daemon_when_its_board_was_removed_in_the_middle(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file = File(tmp_path)
    # A decoder that never ends.
    decoder = "[decode]\ncommand = ['/bin/sleep', '600']\n"
    file.write(board_table("a", terminal) + "[boards.b]\nport = 'sim:crash'\n" + decoder)
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(DecodeStarted, lambda body: body.target == "b-1")
        file.write(board_table("a", terminal) + decoder)
        await reload(daemon)
        await viewer.wait_for(DaemonStopping)
        ended = [body for body in bodies(viewer.events, DecodeCancelled) if body.target == "b-1"]
        assert len(ended) == 1
    assert daemon.process.returncode is None

    other = await bench.start("--socket", str(tmp_path / "other.sock"), "b=sim:console")
    async with other.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(DecodeFinished, lambda body: body.target == "b-1")


async def test_the_panics_of_a_board_that_is_removed_have_an_end_in_its_journal(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file, second = File(tmp_path), BoardTerminal()
    file.write(board_table("a", terminal) + board_table("b", second))
    daemon = await bench.start(*file.arguments)
    async with daemon.viewer() as viewer:
        await watch(viewer, "b")
        # Each another one, so that each is asked for; more than are decoded until the reload.
        await second.send(b"".join(b"Backtrace: 0x400d%04x:0x3ffb5f20\r\n" % number for number in range(30)))
        await viewer.wait_for(DecodeQueued, count=30)
        file.write(board_table("a", terminal))
        await reload(daemon)
        await viewer.wait_for(DaemonStopping)

        queued = [body.job for body in bodies(viewer.events, DecodeQueued)]
        failed = [body.job for body in bodies(viewer.events, DecodeFailed)]
        cancelled = [body.job for body in bodies(viewer.events, DecodeCancelled)]
        assert sorted(failed + cancelled) == queued
        assert isinstance(viewer.events[-1].body, DaemonStopping)
    second.hang_up()


async def test_a_simulated_board_that_comes_later_brings_its_program(
    bench: Bench, tmp_path: Path, terminal: BoardTerminal
) -> None:
    file = File(tmp_path)
    file.write(board_table("a", terminal))
    daemon = await bench.start(*file.arguments)
    file.write(board_table("a", terminal) + "[boards.b]\nport = 'sim:crash'\n")
    await reload(daemon)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(DecodeFinished, lambda body: body.target == "b-1")
        assert not bodies(viewer.events, DecodeFailed)
