"""Items into rows of the screen: texts, styles, folds, decodes; each item's rows are made once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from esper_protocol.events import (
    Boot,
    CoredumpEnded,
    CoredumpStarted,
    DecodeFinished,
    Failure,
    Gap,
    Note,
    Panic,
    SessionFailed,
    SessionLost,
    Tx,
)
from esperctl.markers import progress
from esperctl.safe_text import safe_text
from esperctl.units import plural
from esperctl.viewer.log.cells import printable
from esperctl.viewer.log.cutting import LEAST_COLUMNS, CutRow, cut, wrap
from esperctl.viewer.log.decode_text import state_sentence
from esperctl.viewer.log.decodes import Decodes
from esperctl.viewer.log.highlighting import HighlightRule, SearchPattern, highlighted
from esperctl.viewer.log.item import Fold, Item
from esperctl.viewer.log.line_text import styled_line, styled_start
from esperctl.viewer.log.styled_text import StyledText
from esperctl.viewer.style import Style

# Enough for some screens; then all are made again, which is less work than to know which is the oldest.
_MOST_CACHED_ROWS: Final = 6000
_MARKER: Final = Style(dim=True)
_FRAME: Final = Style(foreground=6)
_STYLES: Final[tuple[tuple[type, Style], ...]] = (
    (Boot, Style(bold=True)),
    (Note, Style(foreground=6, bold=True)),
    (Gap, Style(foreground=3)),
    (SessionLost, Style(foreground=3)),
    (SessionFailed, Style(foreground=3)),
    (Failure, Style(foreground=3)),
    (CoredumpEnded, Style(foreground=5)),
    (CoredumpStarted, Style(foreground=5)),
)


@dataclass(frozen=True, slots=True)
class Looks:
    """How rows are made; ``columns`` is the width of their text, ``left`` the cells that were scrolled over."""

    columns: int = 80
    wrap: bool = True
    left: int = 0
    rules: tuple[HighlightRule, ...] = ()
    search: SearchPattern | None = None
    folds: bool = True
    shows_decode: bool = True


class RowMaker:
    """Makes rows, and keeps them as long as neither looks nor item change."""

    def __init__(self, decodes: Decodes) -> None:
        self.looks = Looks()
        self._decodes = decodes
        self._cache: dict[int, list[CutRow]] = {}
        self._cached_rows = 0

    def set_looks(self, looks: Looks) -> None:
        """From now on rows look like this."""
        if looks != self.looks:
            self.looks = looks
            self.forget_all()

    def forget_all(self) -> None:
        """Makes all rows anew."""
        self._cache.clear()
        self._cached_rows = 0

    def forget(self, item: Item) -> None:
        """Makes the rows of an item anew."""
        self._cache.pop(item.seq, None)

    def rows(self, item: Item, *, is_forced: bool = False) -> list[CutRow]:
        """The rows of an item that is shown, one at least; a line that *is_forced* is shown unfolded."""
        if self._fold_of(item) is not None and not is_forced:
            return list(self._make(item, is_forced=False))
        rows = self._cache.get(item.seq)
        if rows is None:
            rows = self._cache[item.seq] = list(self._make(item, is_forced=is_forced))
            self._cached_rows += len(rows)
            if self._cached_rows > _MOST_CACHED_ROWS:
                self.forget_all()
                self._cache[item.seq] = rows
        return rows

    def text_cells(self, item: Item) -> int:
        """An upper bound of the cells of an item's text."""
        return len(item.whole) if item.body is None else 4 * self.looks.columns

    def _make(self, item: Item, *, is_forced: bool) -> Iterator[CutRow]:
        looks = self.looks
        columns = max(looks.columns, LEAST_COLUMNS)
        for text in self._texts(item, is_forced=is_forced):
            shown = highlighted(text, looks.rules, looks.search) if looks.rules or looks.search else text
            if looks.wrap:
                yield from wrap(shown, columns)
            else:
                yield cut(shown, looks.left, columns)

    def _fold_of(self, item: Item) -> Fold | None:
        """The dump whose row is in the place of the item."""
        fold = item.capture
        if fold is None or fold.home is not item:
            return None
        return fold if self.looks.folds or isinstance(item.body, CoredumpStarted) else None

    def _texts(self, item: Item, *, is_forced: bool) -> Iterator[StyledText]:
        fold = self._fold_of(item)
        if fold is not None and not is_forced:
            yield _fold_row(fold, is_folded=self.looks.folds)
        elif item.body is not None:
            yield from self._event_texts(item)
        elif self.looks.wrap:
            yield styled_line(item.whole)
        else:
            yield styled_start(item.whole, self.looks.left + self.looks.columns)

    def _event_texts(self, item: Item) -> Iterator[StyledText]:
        body = item.body
        if isinstance(body, Tx):
            yield _typed(item.whole, body)
            return
        style = _panic_style(body) if isinstance(body, Panic) else _style_of(type(body))
        yield _said(item.sentence or "", style)
        if isinstance(body, DecodeFinished):
            yield from map(_note, item.notes)
        decode = self._decodes.of(item) if self.looks.shows_decode else None
        if decode is not None and decode.body is not None:
            if (sentence := state_sentence(decode.body)) is not None:
                yield _said(sentence, _MARKER)
            yield from map(_note, decode.notes)


def _said(sentence: str, style: Style) -> StyledText:
    return StyledText(printable(f"--- {sentence} ---"), ((0, style),))


def _note(line: str) -> StyledText:
    return StyledText(printable(f"    {line}"), ((0, _FRAME),))


def _typed(data: bytes, body: Tx) -> StyledText:
    """``> text (who)``; Enter is shown only where nothing was typed before it."""
    text = safe_text(data.rstrip(b"\r\n").decode("utf-8", "backslashreplace")) or "<Enter>"
    why = "" if body.why == "typed" else f", {body.why}"
    return StyledText(printable(f"> {text} ({safe_text(body.who + why)})"), ((0, _MARKER),))


def _fold_row(fold: Fold, *, is_folded: bool) -> StyledText:
    sign = "[+]" if is_folded else "[-]"
    text = f"{plural(fold.lines, 'line')} of base64{' folded' if is_folded else ''}"
    if fold.has_ended or fold.progress is None:
        text = f"{sign} core dump {fold.id}: {text}"
    else:
        text = f"{sign} {progress(fold.progress)} after {fold.progress.elapsed_s:.0f} s, {text}"
    return StyledText(printable(text), ((0, _style_of(CoredumpStarted)),))


def _panic_style(panic: Panic) -> Style:
    return Style(foreground=1, bold=True) if panic.fatal else Style(foreground=3)


def _style_of(body: type) -> Style:
    return next((style for kind, style in _STYLES if kind is body), _MARKER)
