"""A daemon whose standard error is a pipe that nobody reads, from the beginning on."""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from esper_protocol.messages import Boards, ListBoards
from esperd.testing.viewer import connect_viewer


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that takes no byte more."""
    reading, writing = os.pipe()
    flags = fcntl.fcntl(writing, fcntl.F_GETFL)
    fcntl.fcntl(writing, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        fcntl.fcntl(writing, fcntl.F_SETFL, flags)
    yield writing
    os.close(reading)
    os.close(writing)


async def test_it_serves_and_stops_and_logs_to_its_file_all_the_same(tmp_path: Path, full_pipe: int) -> None:
    state_dir, notify = tmp_path / "state", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        manager.setblocking(False)
        process = await trio.lowlevel.open_process(
            [
                sys.executable,
                "-m",
                "esperd",
                "b=sim:console",
                "--state-dir",
                str(state_dir),
                "--runtime-dir",
                str(tmp_path),
            ],
            stdin=subprocess.DEVNULL,
            stderr=full_pipe,
            env={**os.environ, "NOTIFY_SOCKET": str(notify)},
        )
        try:
            with trio.fail_after(30):
                while b"READY=1" not in manager_said(manager):
                    await trio.lowlevel.wait_readable(manager)
                for _ in range(100):
                    async with await trio.open_unix_socket(str(tmp_path / "b.sock")) as stream:
                        await stream.send_all(bytes(64))
                        await stream.receive_some()
                async with connect_viewer(tmp_path / "b.sock") as viewer:
                    assert isinstance(await viewer.request(ListBoards()), Boards)
            process.terminate()
            with trio.fail_after(10):
                assert await process.wait() == 0
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
    logged = (state_dir / "log" / "b.log").read_text("utf-8")
    assert logged.count("client refused") == 20
    assert "esperd stops reason=SIGTERM" in logged


def manager_said(manager: socket.socket) -> bytes:
    try:
        return manager.recv(4096)
    except BlockingIOError:
        return b""
