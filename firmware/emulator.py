"""Runs the firmware in QEMU and writes down what its UART says, and when."""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import asynccontextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from firmware.image import stamp, symbols

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

QEMU = "qemu-system-riscv32"
COALESCE_MS = 5
WAIT_S = 60.0


class Scenario(IntEnum):
    """``enum scenario`` of ``src/board.h``."""

    CONSOLE = 0
    CRASH = 1
    NO_END = 2
    CHATTY = 3


class Session:
    """A running board: what it has said so far, and what was typed."""

    def __init__(self, process: trio.Process, monitor: trio.SocketStream) -> None:
        self.data = bytearray()
        self.timing_ms_len: list[tuple[int, int]] = []
        self.sent: list[tuple[int, str]] = []
        self._process = process
        self._monitor = monitor
        self._started_at = trio.current_time()
        self._more = trio.Event()

    async def record(self) -> None:
        """Take the board's output until it ends."""
        assert self._process.stdout is not None  # noqa: S101 - it was opened with a pipe
        async for chunk in self._process.stdout:
            self._note(len(chunk))
            self.data += chunk
            self._more.set()

    def _note(self, length: int) -> None:
        at_ms = self._now_ms() // COALESCE_MS * COALESCE_MS
        if self.timing_ms_len and self.timing_ms_len[-1][0] == at_ms:
            length += self.timing_ms_len.pop()[1]
        self.timing_ms_len.append((at_ms, length))

    def _now_ms(self) -> int:
        return round((trio.current_time() - self._started_at) * 1000)

    async def wait_for(self, pattern: bytes, *, after: int = 0) -> re.Match[bytes]:
        """Wait until the output from byte ``after`` on matches ``pattern``."""
        with trio.fail_after(WAIT_S):
            while (match := re.compile(pattern, re.DOTALL).search(self.data, after)) is None:
                self._more = trio.Event()
                await self._more.wait()
        return match

    async def send(self, text: str) -> int:
        """Type ``text``; returns how many bytes the board had said before."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened with a pipe
        before = len(self.data)
        self.sent.append((self._now_ms(), text))
        await self._process.stdin.send_all(text.encode())
        return before

    async def reset_from_outside(self) -> None:
        """What the reset button does."""
        await self._monitor.send_all(b"system_reset\n")


@asynccontextmanager
async def run_firmware(elf: Path, scenario: Scenario) -> AsyncGenerator[Session]:
    """A board with the firmware, powered on; off again at the end of the block."""
    image = stamp(elf)
    word = symbols(elf)["scenario_word"]
    with tempfile.TemporaryDirectory() as folder:
        monitor_path = Path(folder) / "monitor"
        command = [QEMU, "-M", "virt", "-m", "16M", "-display", "none", "-bios", str(image), "-S"]
        command += ["-device", f"loader,addr={word:#x},data={int(scenario)},data-len=4", "-serial", "stdio"]
        command += ["-monitor", f"unix:{monitor_path},server=on,wait=off"]
        async with trio.open_nursery() as nursery:
            process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                monitor = await _connect(monitor_path)
                session = Session(process, monitor)
                nursery.start_soon(session.record)
                nursery.start_soon(_drain, monitor)
                await monitor.send_all(b"cont\n")
                yield session
            finally:
                process.kill()
            nursery.cancel_scope.cancel()


async def _connect(path: Path) -> trio.SocketStream:
    with trio.fail_after(10):
        while True:
            try:
                return await trio.open_unix_socket(path)
            except (FileNotFoundError, ConnectionRefusedError):
                await trio.sleep(0.02)  # QEMU does not say when its monitor listens


async def _drain(stream: trio.SocketStream) -> None:
    async for _ in stream:
        pass
