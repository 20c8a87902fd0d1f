"""How a daemon starts, refuses to start, stops, and goes on where the last one stopped."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from esper_protocol.events import (
    Boot,
    CoredumpEnded,
    DaemonStarted,
    DaemonStopping,
    Event,
    Gap,
    SessionClosed,
    SessionOpened,
    seq_count,
)
from esper_protocol.messages import Coredumps, ListCoredumps, RemoveCoredump, Subscribe
from esperd.testing.daemon import Bench, Exited
from esperd.testing.dumps import START_LINE, base64_lines, container, printed_dump
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import Viewer, bodies, joined_lines

BOOT = b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
# What an orderly stop may take; see the service manager's patience.
STOP_S = 2


def assert_explained(exited: Exited, code: int, *words: str) -> None:
    """One sentence and a hint, no stack."""
    assert exited.code == code, exited.text
    assert "Traceback" not in exited.text
    assert exited.text.startswith("esperd: ") or "\nesperd: " in exited.text
    assert "hint: " in exited.text
    for word in words:
        assert word in exited.text


# Starting -------------------------------------------------------------------------------------------------


async def test_a_socket_that_nobody_listens_on_is_replaced(bench: Bench, terminal: BoardTerminal) -> None:
    first = await bench.start(f"b={terminal.path}")
    await first.kill()
    assert first.socket.is_socket()
    second = await bench.start(f"b={terminal.path}")
    async with second.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)


async def test_a_socket_that_somebody_listens_on_is_left_alone(bench: Bench, terminal: BoardTerminal) -> None:
    first = await bench.start(f"b={terminal.path}")
    refused = await bench.run_to_end("c=/dev/null", "--socket", str(first.socket), "--state-dir", f"{bench.state_dir}2")
    assert_explained(refused, 75, f"another esperd listens on {first.socket}")
    async with first.viewer() as viewer:
        await viewer.subscribe(Subscribe("b"))


async def test_a_board_of_another_daemon_is_left_alone(bench: Bench, terminal: BoardTerminal) -> None:
    await bench.start(f"b={terminal.path}")
    refused = await bench.run_to_end(f"b={terminal.path}", "--socket", str(bench.runtime_dir / "other.sock"))
    assert_explained(refused, 75, "another esperd (pid ", ") runs board b ", str(bench.state_dir))


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("sim:nope", ("there is no simulated board 'nope'", "crash")),
        ("replay:/no/such/file.raw", ("there is no file /no/such/file.raw",)),
    ],
)
async def test_what_can_never_be_opened_is_refused_at_once(bench: Bench, port: str, words: tuple[str, ...]) -> None:
    assert_explained(await bench.run_to_end(f"b={port}"), 2, *words)


async def test_a_file_in_the_place_of_the_socket_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("not a socket")
    assert_explained(await bench.run_to_end("b=/dev/null", "--socket", str(path)), 1, f"{path} exists and is no socket")
    assert path.read_text() == "not a socket"


async def test_a_socket_that_was_named_is_not_put_into_a_directory_that_is_not_there(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "typo" / "b.sock"
    refused = await bench.run_to_end("b=/dev/null", "--socket", str(path))
    assert_explained(refused, 1, f"can't make the socket {path}: there is no directory {path.parent}", "make it first")
    assert not path.parent.exists()


async def test_a_socket_path_that_is_too_long_is_explained(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30)
    assert_explained(await bench.run_to_end("b=/dev/null", "--socket", str(path)), 1, "too long", str(path))


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a read-only file system needs root")
    folder = tmp_path / "read-only"
    (folder / "boards").mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "esperd-test", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def make_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


async def test_a_state_directory_that_cannot_be_written_is_explained(bench: Bench, read_only_folder: Path) -> None:
    make_read_only(read_only_folder)
    state_dir = read_only_folder / "state"
    refused = await bench.run_to_end("b=/dev/null", "--state-dir", str(state_dir))
    assert_explained(refused, 1, "Read-only file system", str(state_dir))


async def test_a_journal_that_cannot_be_written_is_explained(
    bench: Bench, terminal: BoardTerminal, read_only_folder: Path
) -> None:
    journal = bench.state_dir / "boards" / "b" / "journal"
    journal.mkdir(parents=True)
    await trio.run_process(["mount", "--bind", read_only_folder, journal])
    try:
        (journal / "00000000000000000001.journal").touch()
        make_read_only(read_only_folder)
        refused = await bench.run_to_end("another=sim:chatty", f"b={terminal.path}")
    finally:
        await trio.run_process(["umount", journal])
    assert_explained(refused, 1, "Read-only file system", str(journal))
    assert not list(bench.runtime_dir.glob("*.sock"))


# Stopping -------------------------------------------------------------------------------------------------


async def stop_and_see(viewer: Viewer, process: trio.Process, number: signal.Signals) -> int:
    process.send_signal(number)
    with trio.fail_after(STOP_S):
        code = await process.wait()
    await viewer.receive_to_end()
    return code


async def test_a_second_signal_does_not_cut_an_orderly_end_and_is_told_what_is_waited_for(
    bench: Bench, terminal: BoardTerminal
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    # Both come while it sleeps; it finds the one with the lower number first.
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        daemon.process.send_signal(number)
    await daemon.wait_for_log("esperd stops reason=SIGINT")
    await daemon.wait_for_log("esperd stops already signal=SIGTERM not_written_yet=b")
    with trio.fail_after(20):
        assert await daemon.process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_signal_ends_a_daemon_in_order_and_leaves_nothing_behind(
    bench: Bench, terminal: BoardTerminal, number: signal.Signals
) -> None:
    daemon = await bench.start(f"b={terminal.path}", "sim=sim:chatty")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        await terminal.send(b"half a line")
        await viewer.wait_for_bytes(len(b"half a line"))
        assert await stop_and_see(viewer, daemon.process, number) == 0
    assert [type(event.body) for event in viewer.events[-2:]] == [SessionClosed, DaemonStopping]
    assert bodies(viewer.events, DaemonStopping) == [DaemonStopping(number.name)]
    assert joined_lines(viewer.events) == b"half a line"
    assert not daemon.socket.exists()
    assert children_of(daemon.process.pid) == []


def children_of(pid: int) -> list[str]:
    fields = [
        path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()
    ]
    return [f"{field[0]}" for field in fields if field[1] == str(pid)]


async def test_the_next_start_says_that_the_daemon_did_not_run(bench: Bench, terminal: BoardTerminal) -> None:
    await (await bench.start(f"b={terminal.path}")).stop()
    events = await (await bench.start(f"b={terminal.path}")).history("b")
    started = [index for index, event in enumerate(events) if isinstance(event.body, DaemonStarted)]
    assert len(started) == 2
    gap = events[started[1] + 1].body
    assert isinstance(gap, Gap)
    assert gap.reason == "daemon_stopped"
    assert [event.reason for event in bodies(events, Gap)] == ["daemon_stopped"]


async def test_a_viewer_that_does_not_read_delays_no_stop(bench: Bench, terminal: BoardTerminal) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        await terminal.send(b"x" * 80 * 20_000)
        with trio.fail_after(STOP_S):
            assert await daemon.stop() == 0


# Going on -------------------------------------------------------------------------------------------------


async def run_once(bench: Bench, terminal: BoardTerminal, seed: int) -> list[Event]:
    """A boot and a whole dump; then the daemon stops."""
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b"))
        await terminal.send(BOOT + printed_dump(container(100, seed)))
        await viewer.wait_for(CoredumpEnded)
        await viewer.wait_for(Boot)
    events = await daemon.history("b")
    assert await daemon.stop() == 0
    return events


async def test_a_start_goes_on_with_the_numbers_of_the_run_before(bench: Bench, terminal: BoardTerminal) -> None:
    for seed in range(3):
        await run_once(bench, terminal, seed)
    events = await (await bench.start(f"b={terminal.path}")).history("b")
    for before, after in pairwise(events):
        assert after.seq == before.seq + seq_count(before.body)
    assert [event.boot for event in events if isinstance(event.body, Boot)] == [1, 2, 3]
    assert [event.generation for event in events if isinstance(event.body, SessionOpened)][:3] == [1, 2, 3]
    assert [ended.id for ended in bodies(events, CoredumpEnded)] == ["b-1", "b-2", "b-3"]


async def test_the_id_of_a_removed_core_dump_is_never_given_again(bench: Bench, terminal: BoardTerminal) -> None:
    await run_once(bench, terminal, 1)
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.request(RemoveCoredump("b-1"))
        assert await viewer.request(ListCoredumps()) == Coredumps([])
    await daemon.stop()
    events = await run_once(bench, terminal, 2)
    assert [ended.id for ended in bodies(events, CoredumpEnded)] == ["b-1", "b-2"]


async def test_a_dump_that_arrives_when_the_daemon_stops_is_kept(bench: Bench, terminal: BoardTerminal) -> None:
    lines = base64_lines(container(1000, seed=1))
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b"))
        said = START_LINE + b"".join(lines[:10]) + b"AAAA"
        await terminal.send(said)
        await viewer.wait_for_bytes(len(said))
        assert await daemon.stop() == 0
        await viewer.receive_to_end()
    (ended,) = bodies(viewer.events, CoredumpEnded)
    assert (ended.capture, ended.end_reason) == ("partial", "daemon_stopped")
    # What of the last line had come is the dump's, too: its whole groups of four.
    assert (Path(ended.path) / "core.b64").read_bytes() == b"".join(lines[:10]) + b"AAAA\n"


async def test_a_stale_lock_of_a_killed_daemon_keeps_nobody_out(bench: Bench, terminal: BoardTerminal) -> None:
    await (await bench.start(f"b={terminal.path}")).kill()
    daemon = await bench.start(f"b={terminal.path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(daemon.socket))
