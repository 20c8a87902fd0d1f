"""Where keys go: from four facts to the mode, and a table from the mode to what is done with a key.

Rules: the mode is never stored, it follows from the facts; so a capture that ends, a port or a lease that comes back,
leads to the mode that was there before by itself. Only DEVICE sends keys to the board.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from esperctl.viewer.view import Mode

Destination = Literal["board", "commands", "nowhere"]


class _Facts(NamedTuple):
    is_writer: bool
    is_commanding: bool
    is_capturing: bool
    has_port: bool


def _mode(facts: _Facts) -> Mode:
    match facts:
        case _Facts(is_writer=False):
            return "READ-ONLY"
        case _Facts(is_commanding=True):
            return "HOST"
        case _Facts(is_capturing=True):
            return "CAPTURE"
        case _Facts(has_port=False):
            return "NO-PORT"
        case _:
            return "DEVICE"


DESTINATIONS: Final[dict[Mode, Destination]] = {
    "DEVICE": "board",
    "HOST": "commands",
    "READ-ONLY": "commands",
    "CAPTURE": "nowhere",
    "NO-PORT": "nowhere",
}
Stage = Literal["board", "once", "staying", "again"]


@dataclass(frozen=True, slots=True)
class Modes:
    """The facts.

    ``stage`` is what the prefix led to: the keys are the board's; the next key is a command (``once``); or they are
    commands until the user goes back (``staying``), perhaps with the prefix pressed before the next (``again``).
    ``is_muted``: the lease was lost while the user typed; the rest of the word must not become commands.
    """

    is_writer: bool = False
    is_capturing: bool = False
    has_port: bool = True
    stage: Stage = "board"
    is_muted: bool = False

    def mode(self, *, has_focus_elsewhere: bool = False) -> Mode:
        """The mode; ``has_focus_elsewhere`` where a dialog, the search bar or a list takes the keys."""
        is_commanding = has_focus_elsewhere or self.stage != "board"
        return _mode(_Facts(self.is_writer, is_commanding, self.is_capturing, self.has_port))

    def with_prefix(self) -> "Modes":
        """After the prefix. Who moves about and presses it out of habit is not thrown back to the board."""
        return replace(self, stage="once" if self.stage == "board" else "again", is_muted=False)

    @property
    def has_prefix(self) -> bool:
        """Whether the prefix was the last key, so that the prefix again sends it."""
        return self.stage in ("once", "again")

    def with_command_done(self) -> "Modes":
        """After a command: back, unless the user moves about."""
        return replace(self, stage="board" if self.stage in ("board", "once") else "staying")

    def with_navigation(self) -> "Modes":
        """After a navigation."""
        return replace(self, stage="staying", is_muted=False)

    def with_keys_to_board(self) -> "Modes":
        """After the user went back."""
        return replace(self, stage="board", is_muted=False)

    def with_writer(self, is_writer: bool) -> "Modes":
        """The lease was won or lost."""
        is_muted = not is_writer and (self.is_muted or (self.is_writer and self.stage == "board"))
        return replace(self, is_writer=is_writer, is_muted=is_muted)

    def with_port(self, has_port: bool) -> "Modes":
        """The daemon has the board's port open, or not."""
        return replace(self, has_port=has_port)

    def with_capture(self, is_capturing: bool) -> "Modes":
        """A capture began or ended."""
        return replace(self, is_capturing=is_capturing)
