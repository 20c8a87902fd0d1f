"""Finds out how the items of a window belong together: pieces of one line, of one typed text, of one core dump. Pure.

A line that came in pieces stays one while people type and events come between its pieces; it ends with its newline,
where it was split, or where the stream was interrupted. Text typed by one person is one until a line ends.

A dump is known from its first event; of one whose beginning lies before the window it is learnt from what comes later
(its progress, its end), and then holds backwards.
"""

from typing import Final

from esper_protocol.events import (
    CoredumpEnded,
    CoredumpProgress,
    CoredumpStarted,
    DaemonStarted,
    Gap,
    Line,
    SessionClosed,
    SessionLost,
    SessionOpened,
    SessionReleased,
    Tx,
)
from esperctl.dump_folding import CAPTURE_IS_OVER, DumpFolding
from esperctl.viewer.log.item import Fold, Item
from esperctl.viewer.log.line_text import MOST_TERMINAL_BYTES
from esperctl.viewer.log.typed_runs import TypedRuns

_INTERRUPTIONS: Final = (Gap, SessionOpened, SessionLost, SessionReleased, SessionClosed, DaemonStarted)
_DUMP_LIMITS: Final = (CoredumpStarted, *CAPTURE_IS_OVER)
# A board that never ends its line must not make one of any length. (A line that is longer than what can be edited goes
# on as another one.)
_MOST_PIECES: Final = 4096
_MOST_FOLDS: Final = 256


class Linking:
    """The state at the end of the items that were linked so far."""

    def __init__(self) -> None:
        self.folds: dict[str, Fold] = {}
        self.capture: Fold | None = None
        self._folding = DumpFolding()
        self._open_line: Item | None = None
        self._open_bytes = 0
        self._typed = TypedRuns()

    def reset(self, capture: str | None) -> None:
        """Begins anew; a dump of this id is arriving."""
        self.folds = {} if capture is None else {capture: self.folds.get(capture) or Fold(capture)}
        self.capture = None
        for fold in self.folds.values():
            fold.home, fold.lines, fold.has_ended = None, 0, False
        self._open_line = None
        self._typed.end()
        self._begin_capture(None if capture is None else self.folds[capture])

    @property
    def open_line(self) -> Item | None:
        """The line that goes on in the next line event."""
        return self._open_line

    def link(self, items: list[Item], start: int) -> list[Item]:
        """Links the items from index *start* on; returns earlier ones that changed by it."""
        changed: list[Item] = []
        first_seq = items[start].seq if start < len(items) else 0
        for index in range(start, len(items)):
            item = items[index]
            if item.follows_hole:
                self._open_line = None
                self._typed.end()
            body = item.body
            if body is None:
                if item.end == "newline" and self._open_line is None and self.capture is None:
                    self._typed.end()
                    continue
                self._take_line(item)
            elif isinstance(body, Tx):
                self._typed.take(item, body)
            else:
                changed += self._take_event(items, index)
            item.capture = self.capture
            if item.head is not None and item.head.seq < first_seq:
                changed.append(item.head)
        return changed

    def _take_line(self, item: Item) -> None:
        fold = self.capture
        if fold is not None:
            self._fold(item, fold, self._folding)
        head = self._open_line
        if head is not None:
            item.head = head
            head.parts = head.parts or []
            head.parts.append(item)
        if item.end != "fragment":
            self._open_line = None
            self._typed.end()
            return
        self._open_bytes = len(item.data) + (self._open_bytes if head is not None else 0)
        head = head or item
        is_long = self._open_bytes > MOST_TERMINAL_BYTES or len(head.parts or ()) > _MOST_PIECES
        self._open_line = None if is_long else head

    def _take_event(self, items: list[Item], index: int) -> list[Item]:
        """Returns items before *index* that changed: they turned out to be of a dump."""
        item = items[index]
        body = item.body
        changed: list[Item] = []
        if isinstance(body, CoredumpProgress | CoredumpEnded):
            if self.capture is None or self.capture.id != body.id:
                first_seq = body.first_seq if isinstance(body, CoredumpEnded) else 0
                changed = self.fold_back(items, index, body.id, first_seq)
            if isinstance(body, CoredumpProgress) and self.capture is not None:
                self.capture.progress = body
        if isinstance(body, CoredumpStarted):
            fold = self._fold_of(body.id)
            fold.home = item
            self._begin_capture(fold)
        elif isinstance(body, _DUMP_LIMITS):
            self._begin_capture(None)
        if isinstance(body, _INTERRUPTIONS):
            self._open_line = None
        if item.sentence is not None:
            self._typed.end()
        return changed

    def fold_back(self, items: list[Item], index: int, dump: str, first_seq: int) -> list[Item]:
        """What came before *index* is of this dump, back to where it can have begun; it goes on after it."""
        fold = self._fold_of(dump)
        begin = index
        while begin > 0 and items[begin - 1].seq >= first_seq and not isinstance(items[begin - 1].body, _DUMP_LIMITS):
            begin -= 1
        folding = DumpFolding(capturing=True)
        for item in items[begin:index]:
            item.capture = fold
            if item.body is None:
                self._fold(item, fold, folding)
        self._begin_capture(fold)
        return items[begin:index]

    def _fold(self, item: Item, fold: Fold, folding: DumpFolding) -> None:
        item.is_folded = folding.visible(Line(item.data, 1, item.end)) is None
        if item.is_folded:
            fold.lines += 1
            if fold.home is None:
                fold.home = item

    def _begin_capture(self, fold: Fold | None) -> None:
        if self.capture is not None and self.capture is not fold:
            self.capture.has_ended = True
        self.capture = fold
        self._folding = DumpFolding(capturing=fold is not None)

    def _fold_of(self, dump: str) -> Fold:
        if dump not in self.folds:
            self.folds[dump] = Fold(dump)
            if len(self.folds) > _MOST_FOLDS:
                del self.folds[next(iter(self.folds))]
        return self.folds[dump]


def unlink(items: list[Item]) -> None:
    """Forgets how the items belong together."""
    for item in items:
        item.head = item.parts = item.capture = None
        item.is_folded = False
