"""Ties a program's life to ours, whatever the program is: for the end that leaves us no time to kill it.

The program inherits one end of a pipe whose other end only we have. The kernel is told to send SIGKILL to the program's
process group when that end closes, which also happens when we are killed. (``PR_SET_PDEATHSIG`` would be sent when the
*thread* ends that started the program.) A program that closes files it does not know gets away; it has a deadline
nobody keeps then.

Source: fcntl(2), F_SETOWN and F_SETSIG; pipe(7).
"""

import contextlib
import fcntl
import os
import signal
from typing import Final

# Source: asm-generic/fcntl.h; Python has no name for it.
_F_SETSIG: Final = 10


class Lifeline:
    """A pipe that holds a process group; owns its two ends until `close`."""

    def __init__(self) -> None:
        self._theirs, self._ours = os.pipe()
        self._is_held = False

    @property
    def inherited(self) -> tuple[int, ...]:
        """What the program must be started with (``pass_fds``)."""
        return (self._theirs,)

    def hold(self, group: int) -> None:
        """Has the process group killed when we end, from now on."""
        # The settings are those of the pipe's end, which the program has, too; so it can't be held by another's death.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._theirs, _F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(self._theirs, fcntl.F_SETOWN, -group)
            fcntl.fcntl(self._theirs, fcntl.F_SETFL, os.O_ASYNC)
        os.close(self._theirs)
        self._is_held = True

    def close(self) -> None:
        """Lets go: kills what is left of the group."""
        if not self._is_held:
            os.close(self._theirs)
        os.close(self._ours)
