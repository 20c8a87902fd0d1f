"""How much may be done for one program, so that no file, however it is made, keeps a decode busy for long.

The other limits bound one list, one expression, one chain; files can be made that multiply them: thousands of variables
with a long list each, functions inlined into one another. All loops over debug information draw from one account.
"""

from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_STEPS


class WorkExhaustedError(DamagedProgramError):
    """The account is empty: everything that was not answered yet stays unknown."""

    def __init__(self) -> None:
        super().__init__("the debug information takes too long to follow")


class Work:
    """The account; a step is about a microsecond."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_STEPS

    @property
    def is_exhausted(self) -> bool:
        """Whether some questions were not answered for want of it."""
        return self._left < 0

    def renew(self) -> None:
        """Fills the account again, for a decode of its own."""
        self._left = MAX_STEPS

    def spend(self, steps: int) -> None:
        """Takes *steps*; raises WorkExhaustedError when there are none left, then and ever after."""
        self._left -= steps
        if self._left < 0:
            raise WorkExhaustedError
