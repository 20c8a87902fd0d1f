"""A limit for work that must end: in processor time, which other processes of a busy machine do not use up."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class BudgetExceededError(BaseException):
    """The work takes more than it may; no ``except Exception`` of what is tested stops it."""


@contextmanager
def processor_budget(seconds: float) -> Generator[None]:
    """Raises BudgetExceededError in the main thread as soon as the block has used so many seconds of the processor."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise BudgetExceededError(f"more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
