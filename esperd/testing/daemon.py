"""The daemon as a process of its own, as a service manager runs it."""

import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import Event
from esper_protocol.messages import Subscribe
from esperd.testing.viewer import TIMEOUT_S, Viewer, connect_viewer

STARTED: Final = " started pid="


@dataclass(frozen=True, slots=True)
class Exited:
    """How a process ended: its exit code, and what it wrote to standard error."""

    code: int
    text: str


class DaemonExitedError(Exception):
    """It ended instead of starting."""

    def __init__(self, exited: Exited) -> None:
        super().__init__(f"esperd ended with {exited.code}: {exited.text}")
        self.exited = exited


class Daemon:
    """A daemon that runs. Its log is collected in ``log``."""

    def __init__(self, process: trio.Process, state_dir: Path, socket: Path) -> None:
        self.process = process
        self.state_dir = state_dir
        self.socket = socket
        self.log = bytearray()
        self._log_grew = trio.Event()

    @property
    def text(self) -> str:
        """What it logged so far."""
        return self.log.decode("utf-8", "replace")

    async def collect_log(self) -> None:
        """Reads its standard error until it ends."""
        if self.process.stderr is None:
            return
        async for data in self.process.stderr:
            self.log += data
            grew, self._log_grew = self._log_grew, trio.Event()
            grew.set()
        self._log_grew.set()

    async def wait_for_log(self, words: str, timeout_s: float = TIMEOUT_S, after: int = 0) -> None:
        """Waits until it logged *words*, behind the first *after* bytes of its log.

        Raises:
            trio.TooSlowError: it did not.
            DaemonExitedError: it ended.
        """
        with trio.fail_after(timeout_s):
            while words.encode() not in self.log[after:]:
                if self._log_grew.is_set():
                    raise DaemonExitedError(Exited(await self.process.wait(), self.text))
                await self._log_grew.wait()

    def viewer(self) -> AbstractAsyncContextManager[Viewer]:
        """A new client."""
        return connect_viewer(self.socket)

    async def history(self, board: str, after: int = 0) -> list[Event]:
        """What the journal keeps from behind position *after* to the present."""
        async with self.viewer() as viewer:
            await viewer.subscribe(Subscribe(board, after=after, follow=False))
            await viewer.receive_history()
            return viewer.events

    @property
    def rss_bytes(self) -> int:
        """Resident memory now."""
        return self._memory("VmRSS:")

    @property
    def peak_rss_bytes(self) -> int:
        """The most that its resident memory ever was."""
        return self._memory("VmHWM:")

    async def stop(self) -> int:
        """Asks it to stop, as a service manager does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(TIMEOUT_S):
            return await self.process.wait()

    async def kill(self) -> None:
        """Ends it without a warning. Harmless when it has ended."""
        self.process.kill()
        with trio.CancelScope(shield=True):
            await self.process.wait()

    def _memory(self, field: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


class Bench:
    """Starts daemons with one state directory, one after the other; ends what still runs."""

    def __init__(self, folder: Path, nursery: trio.Nursery, state_dir: Path | None = None) -> None:
        self.state_dir = state_dir or folder / "state"
        self.runtime_dir = folder / "run"
        self.daemons: list[Daemon] = []
        self._nursery = nursery

    async def spawn(self, *arguments: str) -> Daemon:
        """Starts a daemon; whether it serves yet is for the caller to find out."""
        process = await trio.lowlevel.open_process(
            self._command(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        daemon = Daemon(process, self.state_dir, self._socket(arguments))
        self.daemons.append(daemon)
        self._nursery.start_soon(daemon.collect_log)
        return daemon

    async def start(self, *arguments: str) -> Daemon:
        """Starts a daemon, and waits until it serves.

        Raises:
            DaemonExitedError: it ended instead.
        """
        daemon = await self.spawn(*arguments)
        await daemon.wait_for_log(STARTED)
        return daemon

    async def run_to_end(self, *arguments: str) -> Exited:
        """Runs a daemon that is expected to end by itself."""
        with trio.fail_after(TIMEOUT_S):
            done = await trio.run_process(
                self._command(arguments), capture_stdout=True, capture_stderr=True, check=False
            )
        return Exited(done.returncode, done.stderr.decode("utf-8", "replace"))

    async def aclose(self) -> None:
        """Kills what still runs."""
        for daemon in self.daemons:
            await daemon.kill()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        defaults = ("--state-dir", str(self.state_dir), "--runtime-dir", str(self.runtime_dir))
        return [sys.executable, "-m", "esperd", *defaults, *arguments]

    def _socket(self, arguments: tuple[str, ...]) -> Path:
        if "--socket" in arguments:
            return Path(arguments[arguments.index("--socket") + 1])
        first = next(argument for argument in arguments if "=" in argument)
        return self.runtime_dir / f"{first.partition('=')[0]}.sock"
