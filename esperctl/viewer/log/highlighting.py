"""What a user wants to see in a line: matches of the search, and text with a style of its own. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from esperctl.viewer.log.patterns import MOST_CHARACTERS, compile_pattern
from esperctl.viewer.log.styled_text import StyledRange, StyledText
from esperctl.viewer.style import PLAIN, Style

_COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_ATTRIBUTES: Final = ("bold", "dim", "italic", "underline", "reverse")
# Seen also without colours, and where the whole row is reversed.
_MATCH: Final = Style(foreground=0, background=3, underline=True)
# A pattern may match each character; a line shows only so many matches apart.
_MOST_MATCHES: Final = 200


def style_named(name: str) -> Style:
    """The style of a name such as ``bold red``, ``bright-yellow on blue`` or ``reverse``.

    Raises:
        ValueError: a word of it is not known; the message says which, and what there is.
    """
    style = PLAIN
    is_background = False
    for word in name.lower().split():
        colour = _colour(word)
        if word == "on":
            is_background = True
        elif word in _ATTRIBUTES:
            style = replace(style, **{word: True})
        elif colour is None:
            known = ", ".join((*_COLOURS, *_ATTRIBUTES))
            raise ValueError(f"'{word}' is not a style; there are {known}, bright- and a colour, and 'on' a colour.")
        elif is_background:
            style = replace(style, background=colour)
        else:
            style = replace(style, foreground=colour)
    if style == PLAIN:
        raise ValueError("The style is empty; write 'bold red', for example.")
    return style


def _colour(word: str) -> int | None:
    base = word.removeprefix("bright-")
    if base not in _COLOURS:
        return None
    return _COLOURS.index(base) + (8 if base != word else 0)


@dataclass(frozen=True, slots=True)
class SearchPattern:
    """What is searched for; ValueError with one sentence when it is no regular expression."""

    text: str
    is_regex: bool = False
    ignore_case: bool = True
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled = compile_pattern(self.text, is_regex=self.is_regex, ignore_case=self.ignore_case)
        object.__setattr__(self, "_compiled", compiled)

    def is_in(self, text: str) -> bool:
        """Whether the text of a line matches."""
        return bool(self.text) and self._compiled.search(text, 0, MOST_CHARACTERS) is not None

    def ranges(self, text: str) -> Iterator[StyledRange]:
        """The matches in the text of a line."""
        return _ranges(self._compiled, text, _MATCH) if self.text else iter(())


@dataclass(frozen=True, slots=True)
class HighlightRule:
    """Text that matches ``pattern`` (a regular expression) in the style of this name, e.g. ``bold red``.

    ValueError with one sentence when either is wrong.
    """

    pattern: str
    style: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _style: Style = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", compile_pattern(self.pattern))
        object.__setattr__(self, "_style", style_named(self.style))

    def ranges(self, text: str) -> Iterator[StyledRange]:
        """The matches in the text of a line."""
        return _ranges(self._compiled, text, self._style) if self.pattern else iter(())


def _ranges(compiled: re.Pattern[str], text: str, style: Style) -> Iterator[StyledRange]:
    for count, match in enumerate(compiled.finditer(text, 0, MOST_CHARACTERS)):
        if count == _MOST_MATCHES:
            return
        if match.end() > match.start():
            yield StyledRange(match.start(), match.end(), style)


def highlighted(styled: StyledText, rules: Sequence[HighlightRule], search: SearchPattern | None) -> StyledText:
    """The line with rules, and matches of the search above them, laid over its style."""
    ranges = [found for rule in rules for found in rule.ranges(styled.text)]
    if search is not None:
        ranges += search.ranges(styled.text)
    return styled.with_ranges(ranges)
