"""A line's printable text and how its parts look. Pure values."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from esperctl.viewer.style import PLAIN, Span, Style


class StyledRange(NamedTuple):
    """Characters ``start`` to ``end`` (not included) are to look like this, too."""

    start: int
    end: int
    style: Style


class StyledText(NamedTuple):
    """``text`` is printable; ``runs`` are (index of the first character, style), ascending, the first one's index 0."""

    text: str
    runs: tuple[tuple[int, Style], ...] = ((0, PLAIN),)

    def spans(self, start: int, end: int) -> tuple[Span, ...]:
        """The characters from ``start`` to ``end`` (not included)."""
        runs = self.runs
        if len(runs) == 1:
            text = self.text[start:end]
            return (Span(text, runs[0][1]),) if text else ()
        spans: list[Span] = []
        index = bisect_right(runs, start, key=_start_of_run) - 1
        while start < end:
            stop = min(runs[index + 1][0], end) if index + 1 < len(runs) else end
            if text := self.text[start:stop]:
                spans.append(Span(text, runs[index][1]))
            start, index = stop, index + 1
        return tuple(spans)

    def with_ranges(self, ranges: Sequence[StyledRange]) -> "StyledText":
        """The same text with ``ranges`` laid over its style, later ones over earlier ones."""
        if not ranges:
            return self
        edges = sorted({start for start, _ in self.runs} | {edge for found in ranges for edge in found[:2]})
        runs: list[tuple[int, Style]] = []
        for edge in edges:
            style = self.runs[bisect_right(self.runs, edge, key=_start_of_run) - 1][1]
            for start, end, over in ranges:
                if start <= edge < end:
                    style = laid_over(style, over)
            if not runs or runs[-1][1] != style:
                runs.append((edge, style))
        return StyledText(self.text, tuple(runs))


def _start_of_run(run: tuple[int, Style]) -> int:
    return run[0]


def laid_over(style: Style, over: Style) -> Style:
    """*style* where *over* is laid on it."""
    return Style(
        foreground=style.foreground if over.foreground is None else over.foreground,
        background=style.background if over.background is None else over.background,
        bold=style.bold or over.bold,
        dim=style.dim or over.dim,
        italic=style.italic or over.italic,
        underline=style.underline or over.underline,
        reverse=style.reverse or over.reverse,
    )


def joined(pieces: Sequence[tuple[str, Style]]) -> StyledText:
    """Pieces of printable text, one after the other."""
    texts: list[str] = []
    runs: list[tuple[int, Style]] = []
    length = 0
    for text, style in pieces:
        if not text:
            continue
        if not runs or runs[-1][1] != style:
            runs.append((length, style))
        texts.append(text)
        length += len(text)
    return StyledText("".join(texts), tuple(runs) or ((0, PLAIN),))
