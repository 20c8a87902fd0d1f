"""Runs a command at our terminal, in our stead: its streams and its Ctrl-C are ours; and it ends when it has to."""

import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from esperctl.errors import NotRunnableError
from esperctl.guard import guard
from esperctl.process_tree import ProcessTree

# What a shell adds to the number of the signal that ended a command.
_SIGNAL_BASE: Final = 128


def run_child(command: list[str], environment: dict[str, str], timeout_s: float | None) -> int | None:
    """Runs *command* and returns its exit code, as a shell gives it; None: it took too long, and was ended.

    A signal that a terminal sends to everybody (Ctrl-C) is left to the command; SIGTERM and SIGHUP are passed on to it
    and to what it has started. When we are killed, all of these are ended.

    Raises:
        NotRunnableError: it can't be started.
    """
    running = _Running()
    with _signals(running.pass_on), guard(running.tree) as say_started:
        try:
            process = subprocess.Popen(command, env=running.tree.marked(environment))
        except OSError as error:
            is_there = not isinstance(error, FileNotFoundError)
            raise NotRunnableError(f"{command[0]} can't be run: {error.strerror}", is_there=is_there) from error
        say_started(process.pid)
        running.begin(process)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            running.tree.end()
            process.wait()
            return None
    return code if code >= 0 else _SIGNAL_BASE - code


class _Running:
    """The command and whatever it has started."""

    def __init__(self) -> None:
        self.tree = ProcessTree()
        self._has_begun = False
        self._early: list[int] = []

    def begin(self, process: subprocess.Popen[bytes]) -> None:
        """The command was started; it gets what came for it before."""
        self.tree.add(process.pid)
        # Not before: a signal may come at any moment, and is passed on by this.
        self._has_begun = True
        for number in self._early:
            self.tree.send(number)

    def pass_on(self, number: int, frame: object) -> None:
        """Takes a signal that was sent to us."""
        del frame
        if self._has_begun:
            self.tree.send(number)
        else:
            self._early.append(number)


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
