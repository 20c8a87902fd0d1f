"""The mark of methods that take the place of a base class's: Python has it from 3.12 on, type checkers before."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import override
else:

    def override(method: object) -> object:
        """Does nothing."""
        return method


__all__ = ["override"]
