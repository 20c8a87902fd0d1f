"""What a user wants to see in a line: matches of the search, and text with a style of its own. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from esperctl.viewer.log.patterns import LivePattern
from esperctl.viewer.log.styled_text import StyledRange, StyledText
from esperctl.viewer.style import PLAIN, Style

_COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_ATTRIBUTES: Final = ("bold", "dim", "italic", "underline", "reverse")
# Seen also without colours, and where the whole row is reversed.
_MATCH: Final = Style(foreground=0, background=3, underline=True)


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
    """What is searched for; ValueError with one sentence when it is no regular expression.

    ``live`` says whether it was too slow.
    """

    text: str
    is_regex: bool = False
    ignore_case: bool = True
    live: LivePattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        live = LivePattern(self.text, is_regex=self.is_regex, ignore_case=self.ignore_case)
        object.__setattr__(self, "live", live)

    def is_in(self, text: str) -> bool:
        """Whether the text of a line matches."""
        return bool(self.text) and self.live.is_in(text)

    def ranges(self, text: str) -> Iterator[StyledRange]:
        """The matches in the text of a line."""
        return _ranges(self.live, text, _MATCH) if self.text else iter(())


@dataclass(frozen=True, slots=True)
class HighlightRule:
    """Text that matches ``pattern`` (a regular expression) in the style of this name, e.g. ``bold red``.

    ValueError with one sentence when either is wrong; ``live`` says whether it was too slow.
    """

    pattern: str
    style: str
    live: LivePattern = field(init=False, repr=False, compare=False)
    _style: Style = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "live", LivePattern(self.pattern))
        object.__setattr__(self, "_style", style_named(self.style))

    def ranges(self, text: str) -> Iterator[StyledRange]:
        """The matches in the text of a line."""
        return _ranges(self.live, text, self._style) if self.pattern else iter(())


def _ranges(pattern: LivePattern, text: str, style: Style) -> Iterator[StyledRange]:
    for start, end in pattern.spans(text):
        yield StyledRange(start, end, style)


def highlighted(styled: StyledText, rules: Sequence[HighlightRule], search: SearchPattern | None) -> StyledText:
    """The line with rules, and matches of the search above them, laid over its style."""
    ranges = [found for rule in rules for found in rule.ranges(styled.text)]
    if search is not None:
        ranges += search.ranges(styled.text)
    return styled.with_ranges(ranges)
