"""`esperctl attach` at a pseudo-terminal: keys in, and when the bytes of their effect came out."""

import fcntl
import os
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.consumers import spawned
from benchmarks.streams import Receiver, drain, read_some

if TYPE_CHECKING:
    import subprocess

# All that could part the bytes of a sign, and more.
_OVERLAP_BYTES: Final = 64
_QUIET_S: Final = 0.4
_CATCH_UP_S: Final = 600.0


class Screen:
    """What a viewer writes to its terminal; it is not emulated, because that would take longer than the viewer.

    Attributes:
        pid: The viewer's.
        size_bytes: How much it wrote.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self.pid = process.pid
        self.size_bytes = 0
        self._process = process
        self._descriptor = descriptor
        self._sign: bytes | None = None
        self._rest = b""
        self._found_at: float | None = None

    def fileno(self) -> int:
        return self._descriptor

    def receive(self) -> bool:
        data = read_some(self._descriptor)
        now = time.monotonic()
        self.size_bytes += len(data)
        if self._sign is not None:
            text = self._rest + data
            if self._sign in text:
                self._found_at, self._sign = now, None
            self._rest = text[-_OVERLAP_BYTES:]
        if not data or self._process.poll() is not None:
            raise RuntimeError(f"the viewer ended, with status {self._process.wait()}")
        return True

    def restart(self) -> None:
        self.size_bytes = 0

    def press(self, keys: bytes) -> None:
        """Types."""
        os.write(self._descriptor, keys)

    def await_sign(self, sign: bytes, others: Sequence[Receiver], timeout_s: float) -> float | None:
        """The moment (monotonic seconds) when *sign* is written from now on; None when it never is."""
        self._sign, self._found_at, self._rest = sign, None, b""
        give_up_at = time.monotonic() + timeout_s
        receivers = [self, *others]
        drain(receivers, lambda: self._found_at is not None or time.monotonic() > give_up_at, timeout_s)
        self._sign = None
        return self._found_at

    def time_of(self, keys: bytes, sign: bytes, others: Sequence[Receiver] = (), timeout_s: float = 5.0) -> float:
        """How long after *keys* the terminal has got *sign* (seconds); infinite when it never does."""
        pressed_at = time.monotonic()
        self.press(keys)
        found_at = self.await_sign(sign, others, timeout_s)
        return float("inf") if found_at is None else found_at - pressed_at

    def settle(self, others: Sequence[Receiver] = ()) -> None:
        """Reads until the viewer has done all it had to do.

        Raises:
            TimeoutError: it never ends.
        """
        give_up_at = time.monotonic() + _CATCH_UP_S
        cpu_ns = -1
        while cpu_ns != (cpu_ns := processes.cpu_ns(self.pid)):
            if time.monotonic() > give_up_at:
                raise TimeoutError("the viewer never comes to rest")
            drain_for([self, *others], _QUIET_S)


def drain_for(receivers: Sequence[Receiver], seconds: float) -> None:
    """Reads for a while."""
    until = time.monotonic() + seconds
    drain(receivers, lambda: time.monotonic() >= until, seconds)


@contextmanager
def open_screen(
    path: Path, directory: Path, columns: int, rows: int, *, options: Sequence[str] = (), settings: str = ""
) -> Generator[Screen]:
    """Attaches to the only board of the daemon at *path*; *settings* are the viewer's, as TOML."""
    (directory / "esperctl").mkdir(exist_ok=True)
    (directory / "esperctl" / "viewer.toml").write_text(settings, "utf-8")
    terminal, program_side = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "XDG_CONFIG_HOME": str(directory)}
    command = [sys.executable, "-m", "esperctl", "--socket", str(path), "attach", *options]
    try:
        with spawned(
            command,
            stdin=program_side,
            stdout=program_side,
            stderr=program_side,
            env=os.environ | environment,
            start_new_session=True,
            preexec_fn=_own_terminal(program_side),
        ) as process:
            screen = Screen(process, terminal)
            try:
                yield screen
            finally:
                # What it still writes is not read, and it must not wait for that.
                process.send_signal(signal.SIGCONT)
                process.kill()
    finally:
        os.close(terminal)
        os.close(program_side)


def _own_terminal(descriptor: int) -> Callable[[], object]:
    return lambda: fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
