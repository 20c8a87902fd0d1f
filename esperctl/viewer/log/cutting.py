"""A line of text into rows of a width: wrapped, or cut at both sides. Pure.

No row is wider than the width, no wide character is split, a combining mark stays with its character, and every piece
keeps its style.
"""

from typing import Final, NamedTuple

from esperctl.viewer.log.cells import text_width, width_of
from esperctl.viewer.log.styled_text import StyledText
from esperctl.viewer.style import Span

# A wide character needs two cells.
LEAST_COLUMNS: Final = 2


class CutRow(NamedTuple):
    """One row; ``cut_left`` and ``cut_right`` tell that there is more of the line."""

    spans: tuple[Span, ...]
    cut_left: bool = False
    cut_right: bool = False


def wrap(styled: StyledText, columns: int) -> list[CutRow]:
    """The line in rows of at most *columns* cells; one empty row for an empty line."""
    text = styled.text
    if len(text) <= columns and (text.isascii() or text_width(text) <= columns):
        return [CutRow(styled.spans(0, len(text)))]
    starts = list(range(0, len(text), columns)) if text.isascii() else _row_starts(text, columns)
    ends = [*starts[1:], len(text)]
    return [CutRow(styled.spans(start, end)) for start, end in zip(starts, ends, strict=True)]


def _row_starts(text: str, columns: int) -> list[int]:
    starts = [0]
    used = 0
    for index, character in enumerate(text):
        width = width_of(character)
        if used + width > columns:
            starts.append(index)
            used = 0
        used += width
    return starts


def cut(styled: StyledText, left: int, columns: int) -> CutRow:
    """The cells from *left* on, at most *columns* of them; a wide character across an edge becomes a space."""
    text = styled.text
    if text.isascii():
        return CutRow(
            styled.spans(left, min(left + columns, len(text))), left > 0 and len(text) > 0, len(text) > left + columns
        )
    start, start_cell = _index_at(text, 0, 0, left)
    end, end_cell = _index_at(text, start, start_cell, left + columns)
    if end_cell > left + columns:
        # The last character that begins inside reaches beyond the edge.
        end -= 1
        while not width_of(text[end]):
            end -= 1
    spans = styled.spans(start, end)
    if start_cell > left:
        spans = (Span(" " * (start_cell - left)), *spans)
    return CutRow(spans, left > 0, end < len(text))


def _index_at(text: str, index: int, cell: int, target: int) -> tuple[int, int]:
    """The first character that begins at cell *target* or behind it, and its cell; marks belong to what is before."""
    while index < len(text):
        width = width_of(text[index])
        if cell >= target and width:
            break
        cell += width
        index += 1
    return index, cell


def place_of_cell(rows: list[CutRow], cell: int, columns: int) -> tuple[int, int]:
    """The row and column of a cell of a wrapped line; the cell behind the last one stays in the last row."""
    for index, row in enumerate(rows):
        width = sum(text_width(span.text) for span in row.spans)
        if cell < width or index == len(rows) - 1:
            return index, min(cell, columns - 1)
        cell -= width
    return 0, 0
