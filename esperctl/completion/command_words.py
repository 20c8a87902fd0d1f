"""From what a shell has to the words of a command line, and back. Pure."""

import shlex
from typing import Final

import msgspec

_CLOSERS: Final = ("", "'", '"', "\\")


class CommandWords(msgspec.Struct, frozen=True):
    """The words behind the program's name.

    ``current`` is the part before the cursor of the word it is in; its first ``kept`` characters stay as they are when
    the shell puts a candidate there.
    """

    before: list[str]
    current: str
    kept: int = 0


def from_words(words: list[str]) -> CommandWords:
    """Of zsh and fish, which know the words; the last is the current one."""
    return CommandWords(words[:-1], words[-1] if words else "")


def from_bash(line: str, breaks: str) -> CommandWords:
    """Of bash, whose own words are cut at each of *breaks* (``=`` and ``:`` are among them).

    Args:
        line: Up to the cursor, the program's name first.
        breaks: ``$COMP_WORDBREAKS``.
    """
    words = _split(line)
    if not words or line[-1:].isspace():
        words.append("")
    current = words[-1] if len(words) > 1 else ""
    # Blanks that are left in a word are quoted, and bash does not cut there.
    kept = max((current.rfind(character) for character in breaks if not character.isspace()), default=-1) + 1
    return CommandWords(words[1:-1], current, kept)


def _split(line: str) -> list[str]:
    for closer in _CLOSERS:
        try:
            return shlex.split(line + closer)
        except ValueError:
            continue  # a quote is still open
    return line.split()
