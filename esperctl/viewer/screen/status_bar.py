"""The status line, and the line of help below it."""

from dataclasses import dataclass, replace

from esperctl.viewer.cells import fit_words, width_of
from esperctl.viewer.screen.canvas import Region
from esperctl.viewer.screen.theme import DIM, mode_style, severity_style
from esperctl.viewer.view import Segment, Status

_GAP = 2


@dataclass(frozen=True, slots=True)
class _Piece:
    segment: Segment
    is_short: bool = False

    @property
    def text(self) -> str:
        if self.is_short:
            return self.segment.short
        return f"{self.segment.name} {self.segment.value}".strip()

    @property
    def can_be_short(self) -> bool:
        return not self.is_short and 0 < width_of(self.segment.short) < width_of(self.text)


def draw_status(region: Region, status: Status | None) -> None:
    """Draws the mode in words, whatever else there is no room for, then the segments that fit, none of them cut."""
    if status is None:
        return
    column = region.put(0, 0, f" {status.mode} ", mode_style(status.mode)) + _GAP
    for piece in _what_fits(status.segments, region.columns - column):
        column = region.put(0, column, piece.text, severity_style(piece.segment.severity)) + _GAP


def _what_fits(segments: tuple[Segment, ...], columns: int) -> list[_Piece]:
    """The segments in their order, first with the lightest shortened, then with the lightest left out."""
    pieces = [_Piece(segment) for segment in segments]
    pieces = [piece for piece in pieces if piece.text]
    by_weight = sorted(pieces, key=lambda piece: piece.segment.weight)
    for piece in by_weight:
        if _columns(pieces) <= columns:
            return pieces
        if piece.can_be_short:
            pieces[pieces.index(piece)] = replace(piece, is_short=True)
    while _columns(pieces) > columns:
        pieces.remove(min(pieces, key=lambda piece: piece.segment.weight))
    return pieces


def _columns(pieces: list[_Piece]) -> int:
    return sum(width_of(piece.text) + _GAP for piece in pieces) - _GAP if pieces else 0


def draw_hint(region: Region, status: Status | None) -> None:
    """Draws the line of help, without cutting a word."""
    if status is not None:
        region.put(0, 1, _fit_hint(status.hint, region.columns - 2, region.glyphs.ellipsis), DIM)


def _fit_hint(hint: str, columns: int, ellipsis: str) -> str:
    """The hint, or as many of its parts as fit; two blanks are between parts."""
    if width_of(hint) <= columns:
        return hint
    parts = hint.split("  ")
    for count in range(len(parts) - 1, 0, -1):
        shorter = "  ".join([*parts[:count], ellipsis])
        if width_of(shorter) <= columns:
            return shorter
    return fit_words(parts[0], columns, ellipsis)
