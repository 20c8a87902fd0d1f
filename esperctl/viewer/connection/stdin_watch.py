"""Ties a process to whoever holds the other end of its standard input: it dies with them, whatever it does just then.

Source: fcntl(2), F_SETSIG, F_SETOWN and O_ASYNC.
"""

import fcntl
import os
import select
import signal
import sys
from typing import Final

# Source: asm-generic/fcntl.h; Python has no name for it.
_F_SETSIG: Final = 10


def die_with_stdin() -> None:
    """Has the kernel kill us when the other end of standard input closes, as a killed parent's does.

    Data that arrives there kills as well: it is for programs that have read all there is.
    """
    fcntl.fcntl(0, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    # Of what happened before that nobody tells.
    if select.select([0], [], [], 0)[0]:
        sys.exit(0)
