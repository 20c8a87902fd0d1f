"""Ties a decoder process to whoever holds the other end of its standard input: it dies with them.

PR_SET_PDEATHSIG is no good here: the "parent" that it watches is the thread that started us, and the daemon starts
processes from threads that live for seconds; and children, such as a GDB, do not inherit it.

Source: prctl(2), PR_SET_PDEATHSIG; fcntl(2), F_SETSIG, F_SETOWN and O_ASYNC.
"""

import fcntl
import os
import signal
from typing import Final

# Source: asm-generic/fcntl.h; Python has no name for it.
_F_SETSIG: Final = 10


def die_with_stdin() -> None:
    """Has the kernel kill us and our children when the other end of standard input closes, as a killed parent's does.

    Data that arrives there kills as well: it is for programs that have read all there is.
    """
    group_or_self = -os.getpgrp() if os.getpgrp() == os.getpid() else os.getpid()
    fcntl.fcntl(0, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETOWN, group_or_self)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
