"""Questions to the databases of users and groups, asked without stopping the event loop.

An answer may come over the network (LDAP, SSSD), and then takes as long as the network likes. So a question is asked in
a thread, and nobody waits for it longer than a second: names are for people, and a number says the same.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import trio
from trio.lowlevel import RunVar

_Answer = TypeVar("_Answer")
DEADLINE_S: Final = 1.0
# Threads that hang in a question, at most; who asks meanwhile waits for one of them, until the own deadline.
_AT_ONCE: Final = 4
_THREADS: Final = RunVar[trio.CapacityLimiter | None]("name service", None)


async def ask_in_time(question: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
    """The answer to a *question* that blocks, or *otherwise* when it does not come within a second."""
    with trio.move_on_after(DEADLINE_S):
        # Abandoned, because nothing can end it; it counts against the limit until it ends by itself.
        return await trio.to_thread.run_sync(question, abandon_on_cancel=True, limiter=_threads())
    return otherwise


def _threads() -> trio.CapacityLimiter:
    limiter = _THREADS.get()
    if limiter is None:
        limiter = trio.CapacityLimiter(_AT_ONCE)
        _THREADS.set(limiter)
    return limiter
