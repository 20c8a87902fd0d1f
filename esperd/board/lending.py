"""Lending a port: a client has it to itself until it gives it back, or until its connection ends."""

from dataclasses import dataclass, field
from typing import Final

import trio

from esperd.errors import CommandError

# A port closes within a fraction of a second; a reset that is under way is waited for, and takes up to two.
_CLOSE_TIMEOUT_S: Final = 5.0
# A device that enumerates anew after it was flashed takes longer; that is for the next try, and for nobody to wait for.
_REOPEN_TIMEOUT_S: Final = 3.0


@dataclass(slots=True, eq=False)
class Loan:
    """Who has the port, and what for. ``closed``: we have it open no more; ``returned``: we may have it again."""

    port: str
    client: int
    who: str
    command: str
    closed: trio.Event = field(default_factory=trio.Event)
    returned: trio.Event = field(default_factory=trio.Event)


class Lending:
    """At most one loan of one board's port. The task that owns the port closes it, and waits for its return.

    ``was_lent`` until the port was opened again: what it was lent for may still have it open.
    """

    def __init__(self, board: str) -> None:
        self.loan: Loan | None = None
        self.was_lent = False
        self._board = board
        self._using = trio.CancelScope()
        self._tried = trio.Event()

    def use(self) -> trio.CancelScope:
        """A scope around the time that the port is open: a loan cancels it."""
        self._using = trio.CancelScope()
        return self._using

    def note_tried(self, *, is_open: bool) -> None:
        """The port was opened, or could not be."""
        self.was_lent = self.was_lent and not is_open
        self._tried.set()

    def check_not_lent(self) -> None:
        """Lets through who needs the port open.

        Raises:
            CommandError: ``busy``, and who has it.
        """
        if self.loan is not None:
            what = f" for `{self.loan.command}`" if self.loan.command else ""
            raise CommandError(
                "busy", f"{self._board}: the port is lent to {self.loan.who}{what}", "wait until that is done"
            )

    async def lend(self, loan: Loan) -> None:
        """Has the port closed for somebody, and returns when it is.

        Raises:
            CommandError: ``busy``, ``timed_out``; then nothing is lent.

        Cancellation:
            Nothing is lent.
        """
        self.check_not_lent()
        self.loan = loan
        self._using.cancel()
        try:
            with trio.move_on_after(_CLOSE_TIMEOUT_S):
                await loan.closed.wait()
        finally:
            if not loan.closed.is_set():
                self.take_back(loan.client)
        if not loan.closed.is_set():
            raise CommandError(
                "timed_out", f"{self._board}: the port did not close within {_CLOSE_TIMEOUT_S:g} s", "try again"
            )

    def take_back(self, client: int) -> bool:
        """Ends the loan if *client* has it, and says whether it had."""
        loan = self.loan
        if loan is None or loan.client != client:
            return False
        self.loan, self.was_lent, self._tried = None, True, trio.Event()
        loan.returned.set()
        return True

    async def give_back(self, client: int) -> None:
        """Ends the loan if *client* has it; returns when the port is open again, or could not be opened at once."""
        if self.take_back(client):
            with trio.move_on_after(_REOPEN_TIMEOUT_S):
                await self._tried.wait()
