"""A guard: a process that ends a command when we are killed, because whoever kills us means the command, too.

It also keeps our connections open until then, so that a daemon takes back what it lent when nobody uses it any more.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from esperctl.process_tree import ProcessTree

# No process is called so.
_DISMISSED: Final = 0


@contextmanager
def guard(tree: ProcessTree) -> Generator[Callable[[int], None]]:
    """Stands there before the command does, because we may be killed at any moment.

    Args:
        tree: What belongs to it does not outlive us, if we end in the block.

    Yields:
        Say the number of the process that was started, which belongs to it from then on.
    """
    reading, writing = os.pipe()
    guarding = _fork()
    if guarding == 0:
        os.close(writing)
        _stand_guard(reading, tree)
    os.close(reading)

    def say(pid: int) -> None:
        # It may have been killed; then nobody listens.
        with contextlib.suppress(BrokenPipeError):
            os.write(writing, b"%d\n" % pid)

    try:
        yield say
    finally:
        say(_DISMISSED)
        os.close(writing)
        if guarding is not None:
            os.waitpid(guarding, 0)


def _fork() -> int | None:
    try:
        return os.fork()
    except OSError:
        # The system has no process more to give, which the command is told, too, if it is still so then.
        return None


def _stand_guard(reading: int, tree: ProcessTree) -> None:
    """Listens, in the process that was forked, which ends here."""
    try:
        # What a terminal or a service manager sends to everybody is not for it: it ends when we do.
        os.setsid()
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_RDWR)
        # Whoever reads our output waits until nobody can write it.
        for stream in range(3):
            os.dup2(nowhere, stream)
        _listen(reading, tree)
    finally:
        os._exit(0)


def _listen(reading: int, tree: ProcessTree) -> None:
    with os.fdopen(reading, "rb") as orders:
        # Without a deadline: a command takes as long as it takes.
        for line in orders:
            if int(line) == _DISMISSED:
                return
            tree.add(int(line))
    tree.end()
