"""Where keys go: a table from three facts to the mode, and one from the mode to what is done with a key.

Rules: the mode is never stored, it follows from the facts; so a capture that ends, or a lease that comes back, leads to
the mode that was there before by itself. Only DEVICE sends keys to the board.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from esperctl.viewer.view import Mode

Destination = Literal["board", "commands", "nowhere"]


class _Facts(NamedTuple):
    is_writer: bool
    is_capturing: bool
    is_commanding: bool


_MODES: Final[dict[_Facts, Mode]] = {
    _Facts(is_writer=True, is_capturing=False, is_commanding=False): "DEVICE",
    _Facts(is_writer=True, is_capturing=True, is_commanding=False): "CAPTURE",
    _Facts(is_writer=True, is_capturing=False, is_commanding=True): "HOST",
    _Facts(is_writer=True, is_capturing=True, is_commanding=True): "HOST",
    _Facts(is_writer=False, is_capturing=False, is_commanding=False): "READ-ONLY",
    _Facts(is_writer=False, is_capturing=True, is_commanding=False): "READ-ONLY",
    _Facts(is_writer=False, is_capturing=False, is_commanding=True): "READ-ONLY",
    _Facts(is_writer=False, is_capturing=True, is_commanding=True): "READ-ONLY",
}
DESTINATIONS: Final[dict[Mode, Destination]] = {
    "DEVICE": "board",
    "HOST": "commands",
    "READ-ONLY": "commands",
    "CAPTURE": "nowhere",
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
    stage: Stage = "board"
    is_muted: bool = False

    def mode(self, *, has_focus_elsewhere: bool = False) -> Mode:
        """The mode; ``has_focus_elsewhere`` where a dialog, the search bar or a list takes the keys."""
        is_commanding = has_focus_elsewhere or self.stage != "board"
        return _MODES[_Facts(self.is_writer, self.is_capturing, is_commanding)]

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

    def with_capture(self, is_capturing: bool) -> "Modes":
        """A capture began or ended."""
        return replace(self, is_capturing=is_capturing)
