"""A deadline for whatever a block does: connects, walks folders, reads files that may hang."""

import signal
from collections.abc import Generator
from contextlib import contextmanager


class DeadlineError(Exception):
    """The block took too long. Not an OSError, which a block may handle itself."""


@contextmanager
def deadline(seconds: float) -> Generator[None]:
    """Ends the block after *seconds*, also in the middle of a system call; one at a time, in the main thread only.

    Raises:
        DeadlineError: it was not done.
    """
    before = signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _expire(number: int, frame: object) -> None:
    del number, frame
    raise DeadlineError
