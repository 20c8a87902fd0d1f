"""Items into rows of the screen: texts, styles, folds, decodes; each item's rows are made once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from esper_protocol.events import CoredumpStarted
from esperctl.viewer.log.cutting import LEAST_COLUMNS, CutRow, cut, wrap
from esperctl.viewer.log.decodes import Decodes
from esperctl.viewer.log.event_rows import event_texts, fold_row
from esperctl.viewer.log.highlighting import HighlightRule, SearchPattern, highlighted
from esperctl.viewer.log.item import Fold, Item
from esperctl.viewer.log.line_text import styled_line, styled_start
from esperctl.viewer.log.styled_text import StyledText

# Enough for some screens; then all are made again, which is less work than to know which is the oldest.
_MOST_CACHED_ROWS: Final = 6000


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
        # What stands in the place of a dump is no line of it, and is shown as ever.
        is_forced = is_forced and item.body is None
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
        looks = self.looks
        fold = None if is_forced else self._fold_of(item)
        if fold is not None:
            yield fold_row(fold, is_folded=looks.folds)
        elif item.body is not None:
            yield from event_texts(item, self._decodes, shows_decode=looks.shows_decode)
        elif looks.wrap:
            yield styled_line(item.whole)
        else:
            yield styled_start(item.whole, looks.left + looks.columns)
