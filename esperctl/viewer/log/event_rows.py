"""An event as the rows of text that a log shows of it. Pure.

``event_texts`` are the rows of an item that is shown, a decode below its panic or dump; ``own_texts`` are those that
are there because of one event, wherever they stand: what a search finds it by.
"""

from collections.abc import Iterator
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
from esperctl.viewer.effects import ShownEvents
from esperctl.viewer.log.cells import printable
from esperctl.viewer.log.decode_text import state_sentence
from esperctl.viewer.log.decodes import Decodes
from esperctl.viewer.log.item import Fold, Item, decode_target
from esperctl.viewer.log.styled_text import StyledText
from esperctl.viewer.style import Style

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


def event_texts(item: Item, decodes: Decodes, *, shows_decode: bool) -> Iterator[StyledText]:
    """The rows of an event that is shown, with the decode that stands below it."""
    body = item.body
    if isinstance(body, Tx):
        yield _typed(item.whole, body)
        return
    yield from _said_of(item)
    decode = decodes.of(item) if shows_decode else None
    if decode is not None:
        yield from _in_place(decode)


def own_texts(item: Item, decodes: Decodes, shown: ShownEvents) -> Iterator[StyledText]:
    """The rows that an event alone brings; none where it is not shown."""
    body = item.body
    if isinstance(body, Tx):
        if body.who != shown.own_name:
            yield _typed(item.whole, body)
    elif isinstance(body, CoredumpStarted):
        yield fold_row(item.capture or Fold(body.id), is_folded=shown.folds_dumps)
    elif decode_target(body) is None:
        if item.sentence is not None:
            yield from _said_of(item)
    elif not shown.decodes:
        return
    elif decodes.home_of(item) is None:
        if item.sentence is not None:
            yield from _said_of(item)
    elif decodes.is_latest(item):
        yield from _in_place(item)


def fold_row(fold: Fold, *, is_folded: bool) -> StyledText:
    """The row that stands for the base64 of a core dump."""
    sign = "[+]" if is_folded else "[-]"
    text = f"{plural(fold.lines, 'line')} of base64{' folded' if is_folded else ''}"
    if fold.has_ended or fold.progress is None:
        text = f"{sign} core dump {fold.id}: {text}"
    else:
        text = f"{sign} {progress(fold.progress)} after {fold.progress.elapsed_s:.0f} s, {text}"
    return StyledText(printable(text), ((0, _style_of(CoredumpStarted)),))


def _said_of(item: Item) -> Iterator[StyledText]:
    body = item.body
    style = _panic_style(body) if isinstance(body, Panic) else _style_of(type(body))
    yield _said(item.sentence or "", style)
    if isinstance(body, DecodeFinished):
        yield from map(_note, item.notes)


def _in_place(decode: Item) -> Iterator[StyledText]:
    """A decode, below its panic or dump."""
    if decode.body is not None and (sentence := state_sentence(decode.body)) is not None:
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


def _panic_style(panic: Panic) -> Style:
    return Style(foreground=1, bold=True) if panic.fatal else Style(foreground=3)


def _style_of(body: type) -> Style:
    return next((style for kind, style in _STYLES if kind is body), _MARKER)
