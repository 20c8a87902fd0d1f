"""Runs a command at our terminal, in our stead: its streams and its Ctrl-C are ours; and it ends when it has to."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from esperctl.errors import NotRunnableError
from esperctl.process_tree import ProcessTree

# From the request to end to the end by force, and how often it is looked meanwhile.
_GRACE_S: Final = 5.0
_LOOK_S: Final = 0.05
# What a shell adds to the number of the signal that ended a command.
_SIGNAL_BASE: Final = 128


def run_child(command: list[str], environment: dict[str, str], timeout_s: float | None) -> int | None:
    """Runs *command* and returns its exit code, as a shell gives it; None: it took too long, and was ended.

    A signal that a terminal sends to everybody (Ctrl-C) is left to the command; SIGTERM and SIGHUP are passed on to it
    and to what it has started.

    Raises:
        NotRunnableError: it can't be started.
    """
    running = _Running()
    with _signals(running.pass_on):
        try:
            process = subprocess.Popen(command, env=environment)
        except OSError as error:
            is_there = not isinstance(error, FileNotFoundError)
            raise NotRunnableError(f"{command[0]} can't be run: {error.strerror}", is_there=is_there) from error
        running.begin(process)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            running.end()
            return None
    return code if code >= 0 else _SIGNAL_BASE - code


class _Running:
    """The command and whatever it has started."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._tree = ProcessTree()
        self._early: list[int] = []

    def begin(self, process: subprocess.Popen[bytes]) -> None:
        """The command was started; it gets what came for it before."""
        self._tree.add(process.pid)
        # Not before: a signal may come at any moment, and is passed on by this.
        self._process = process
        for number in self._early:
            self._send(number)

    def pass_on(self, number: int, frame: object) -> None:
        """Takes a signal that was sent to us."""
        del frame
        if self._process is None:
            self._early.append(number)
        else:
            self._send(number)

    def end(self) -> None:
        """Asks all of them to end, and after the grace makes those end that did not. Takes as long as that."""
        self._send(signal.SIGTERM)
        until = time.monotonic() + _GRACE_S
        while self._is_alive() and time.monotonic() < until:
            time.sleep(_LOOK_S)  # noqa: TID251 - no event loop here, and grandchildren tell nobody that they end
        self._send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _is_alive(self) -> bool:
        # Polled first: one that has ended is taken off the list of processes by it.
        has_ended = self._process is None or self._process.poll() is not None
        return not has_ended or bool(self._tree.alive())

    def _send(self, number: int) -> None:
        for pid in self._tree.alive():
            # Ended meanwhile, or another user's by now.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _leave(number: int, frame: object) -> None:
    """Does nothing with a signal that the command gets, too."""


@contextmanager
def _signals(pass_on: Callable[[int, object], None]) -> Generator[None]:
    """Handlers, because what is ignored would be ignored by the command, too; what is ignored already stays so."""
    before: dict[int, Any] = {}
    wanted: dict[int, Callable[[int, object], None]] = {
        signal.SIGINT: _leave,
        signal.SIGQUIT: _leave,
        signal.SIGTERM: pass_on,
        signal.SIGHUP: pass_on,
    }
    for number, handler in wanted.items():
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
