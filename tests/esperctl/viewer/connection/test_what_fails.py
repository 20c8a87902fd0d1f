"""What the operating system refuses while effects are carried out is told, and ends nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from esper_protocol.events import CoredumpEnded, Event
from esperctl.viewer import effects
from esperctl.viewer.connection.executor import Executor
from esperctl.viewer.connection.scan_process import ScanRequest
from esperctl.viewer.messages import EffectDone, EffectFailed, EventsArrived, Message, ScanProgressed
from esperd.testing.daemon import Bench, Daemon

_DEADLINE_S: Final = 30.0
_DISK_BYTES: Final = 16 * 1024


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for one page."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "esperctl-test", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small disk is not allowed here: {mounted.stderr.decode()}")
    (folder / "ballast").write_bytes(bytes(_DISK_BYTES - 4096))
    yield folder
    subprocess.run(["umount", folder], check=True)


class _Told:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._grew = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self._grew.set()

    async def wait_for(self, where: Callable[[Message], bool]) -> Message:
        async with asyncio.timeout(_DEADLINE_S):
            while (found := next((message for message in self.messages if where(message)), None)) is None:
                await self._grew.wait()
                self._grew.clear()
        return found


async def _with_executor(socket: Path, use: Callable[[Executor, _Told], Awaitable[None]]) -> None:
    async def main() -> None:
        told = _Told()
        async with asyncio.TaskGroup() as tasks:
            executor = Executor(tasks, told, lambda _: True, lambda _: None, socket=None, interactive=True)
            executor.follow(str(socket), "b")
            await told.wait_for(lambda message: isinstance(message, EventsArrived))
            await use(executor, told)
            executor.stop()

    await trio.to_thread.run_sync(lambda: asyncio.run(main()))


def _ended(message: Message) -> list[CoredumpEnded]:
    events = message.events if isinstance(message, EventsArrived) else ()
    return [event.body for event in events if isinstance(event, Event) and isinstance(event.body, CoredumpEnded)]


@pytest.mark.slow
async def test_a_dump_that_the_disk_has_no_room_for_is_not_left_half_written(
    bench: Bench, full_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await bench.start("b=sim:console")
    monkeypatch.chdir(full_disk)

    async def use(executor: Executor, told: _Told) -> None:
        executor.start(effects.SendToBoard(b"crash\r"))
        dump = _ended(await told.wait_for(lambda message: bool(_ended(message))))[0].id
        executor.start(effects.SaveCoredump(dump))
        failed = await told.wait_for(lambda message: isinstance(message, EffectFailed | EffectDone))
        assert isinstance(failed, EffectFailed)
        assert failed.error == f"{full_disk / dump}.b64 can't be written: No space left on device"
        # It goes on.
        executor.start(effects.SaveText("some", "some.txt"))
        await told.wait_for(lambda message: isinstance(message, EffectDone))

    await _with_executor(daemon.socket, use)
    assert sorted([path.name for path in await trio.Path(full_disk).iterdir()]) == ["ballast", "some.txt"]


async def _scan_error(daemon: Daemon) -> str | None:
    errors: list[str | None] = []

    async def use(executor: Executor, told: _Told) -> None:
        executor.start(effects.StartScan(7, "search", 100, "x"))
        progress = await told.wait_for(lambda message: isinstance(message, ScanProgressed))
        assert isinstance(progress, ScanProgressed)
        assert (progress.scan, progress.is_finished) == (7, True)
        errors.append(progress.error)

    await _with_executor(daemon.socket, use)
    return errors[0]


async def test_a_scan_whose_process_can_not_be_started_says_so(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert await _scan_error(daemon) == "the search process can't be started: No such file or directory"


async def test_a_scan_whose_process_ends_at_once_says_so(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    # Whether it ends before or after it was asked is a matter of luck.
    assert await _scan_error(daemon) in (
        "the search process ended early",
        "the search process can't be started: Broken pipe",
    )


async def test_a_scan_dies_with_its_viewer_whatever_it_does_just_then(daemon: Daemon) -> None:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "esperctl.viewer.connection.scan_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    # It waits for the daemon's answer then, and looks at nothing else.
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        with trio.fail_after(_DEADLINE_S):
            await process.stdin.send_all(_request(daemon))
            await _until_watching(process.pid)
            # What the kernel does for a viewer that is killed.
            await process.stdin.aclose()
            assert await process.wait() == -signal.SIGKILL
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
        process.kill()


async def _until_watching(pid: int) -> None:
    while True:
        lines = await trio.Path(f"/proc/{pid}/fdinfo/0").read_text("ascii")
        flags = next(int(line.split()[1], 8) for line in lines.splitlines() if line.startswith("flags:"))
        if flags & os.O_ASYNC:
            return
        await trio.sleep(0.02)


def _request(daemon: Daemon) -> bytes:
    request = ScanRequest(
        str(daemon.socket),
        "b",
        10**6,
        "x",
        is_regex=False,
        ignore_case=False,
        shown=effects.ShownEvents(),
        wants_events=False,
        limit_bytes=None,
    )
    return msgspec.json.encode(request) + b"\n"


async def test_a_scan_whose_viewer_is_gone_already_ends(daemon: Daemon) -> None:
    with trio.fail_after(_DEADLINE_S):
        done = await trio.run_process(
            [sys.executable, "-m", "esperctl.viewer.connection.scan_process"],
            stdin=_request(daemon),
            capture_stdout=True,
            check=False,
        )
    assert done.returncode in (0, -signal.SIGKILL)
    assert done.stdout == b""
