"""Keys as the model knows them. Pure values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    r"""A key that was pressed, or text that was pasted.

    Attributes:
        name: The character itself (``a``, ``?``, ``ä``), or a name: ``enter``, ``escape``, ``tab``, ``shift-tab``,
            ``backspace``, ``delete``, ``insert``, ``up``, ``down``, ``left``, ``right``, ``home``, ``end``, ``pageup``,
            ``pagedown``, ``f1`` … ``f12``, ``ctrl-a`` … ``ctrl-z``, ``ctrl-]``, ``ctrl-\``, ``space`` is ``" "``,
            ``paste``; ``unknown`` for everything else.
        data: What the terminal sent for it, byte for byte; that is what a board gets.
        goes_on: More of the same paste follows in the next key; it may be cut within a line, and within a character.
    """

    name: str
    data: bytes
    goes_on: bool = False
