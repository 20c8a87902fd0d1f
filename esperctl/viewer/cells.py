"""Text in cells: how wide it is on a terminal, where it may be cut. Pure.

A cell holds one character and the combining ones after it. What joins or reorders characters beyond that (zero width
joiners, variation selectors, bidirectional controls) is dropped: terminals disagree about its width.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from wcwidth import wcwidth

from esperctl.viewer.style import Span

# No language needs more; text made to break screens has hundreds.
_MOST_COMBINING: Final = 4
_REPLACEMENT: Final = "?"
# The last of them makes some terminals draw a narrow sign wide (UTS 51).
_VARIATION_SELECTORS: Final = frozenset(map(chr, range(0xFE00, 0xFE10)))


@lru_cache(maxsize=8192)
def _character(character: str) -> tuple[str, int]:
    """What stands for a character and how wide it is: 1, 2, or 0 for what belongs to the one before."""
    if character == "\xa0":
        return " ", 1
    category = unicodedata.category(character)
    width = wcwidth(character)
    if category in {"Cc", "Cs", "Zl", "Zp"} or width < 0:
        return _REPLACEMENT, 1
    if category == "Cf" or character in _VARIATION_SELECTORS:
        return "", 0
    if width == 0:
        return (character, 0) if category[0] in "ML" else ("", 0)
    return character, width


def graphemes(text: str) -> Iterator[tuple[str, int]]:
    """What fills a cell, or two, each with its width: a character with the combining ones that follow it."""
    if text.isascii() and text.isprintable():
        for character in text:
            yield character, 1
        return
    held, held_width = "", 0
    for character in text:
        shown, width = _character(character)
        if width:
            if held:
                yield held, held_width
            held, held_width = shown, width
        elif held and len(held) <= _MOST_COMBINING:
            held += shown
    if held:
        yield held, held_width


def width_of(text: str) -> int:
    """How many cells a text takes."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(_character(character)[1] for character in text)


def fit(text: str, columns: int, ellipsis: str) -> str:
    """*text*, or as much of its start as fits with *ellipsis* behind it."""
    if width_of(text) <= columns:
        return text
    room = columns - width_of(ellipsis)
    if room < 0:
        return ""
    return _start(text, room) + ellipsis


def fit_words(text: str, columns: int, ellipsis: str) -> str:
    """*text*, or as many of its first words as fit with *ellipsis* behind them: no word is cut."""
    if width_of(text) <= columns:
        return text
    room = columns - width_of(ellipsis) - 1
    kept = ""
    for word in text.split(" "):
        longer = f"{kept} {word}" if kept else word
        if width_of(longer) > room:
            break
        kept = longer
    return f"{kept} {ellipsis}" if kept.strip() else ""


def _start(text: str, columns: int) -> str:
    kept: list[str] = []
    for grapheme, width in graphemes(text):
        columns -= width
        if columns < 0:
            break
        kept.append(grapheme)
    return "".join(kept)


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most *columns* cells (at least 1), broken between words where possible; at least one line."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += _wrap_paragraph(paragraph, max(columns, 1))
    return lines


def _wrap_paragraph(text: str, columns: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width_of(longer) <= columns:
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, columns)
        lines += full
    return [*lines, line]


def _pieces(word: str, columns: int) -> list[str]:
    pieces: list[str] = [""]
    used = 0
    for grapheme, width in graphemes(word):
        if used + width > columns and used:
            pieces.append("")
            used = 0
        pieces[-1] += grapheme
        used += width
    return pieces


def wrap_spans(spans: Sequence[Span], columns: int, *, indent: int) -> list[tuple[Span, ...]]:
    """Styled text in lines of at most *columns* cells; those after the first start with *indent* blanks."""
    if sum(width_of(span.text) for span in spans) <= columns:
        return [tuple(spans)]
    indent = min(indent, max(columns - 2, 0))
    lines: list[list[Span]] = [[]]
    used = 0
    for span in spans:
        piece = ""
        for grapheme, width in graphemes(span.text):
            if used + width > columns and used > indent:
                lines[-1].append(Span(piece, span.style))
                lines.append([Span(" " * indent)])
                piece, used = "", indent
            piece += grapheme
            used += width
        lines[-1].append(Span(piece, span.style))
    return [tuple(line) for line in lines]
