"""The status line and the line of help below it, from the state; the keys in it are the real ones. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from esperctl.safe_text import safe_text
from esperctl.units import bytes_text, plural
from esperctl.viewer.model.detail import Detail
from esperctl.viewer.model.filter_form import filter_text
from esperctl.viewer.model.keymap import key_text
from esperctl.viewer.model.state import State
from esperctl.viewer.view import Mode, Segment, Status

_SHORTEST = 12

_TAKE: Final = "take the write lease"
_HOST: Final = (
    ("reset", "reset"),
    ("help", "help"),
    ("palette", "all actions"),
    ("search", "search"),
    ("inspector", "what happened"),
    ("follow", "follow"),
)
_WATCHING: Final = (("help", "help"), ("palette", "all actions"), ("search", "search"), ("inspector", "what happened"))
_FOUND: Final = (
    ("search", "edit the search"),
    ("next_match", "next"),
    ("previous_match", "previous"),
    ("follow", "follow"),
    ("help", "help"),
)


def status(state: State) -> Status:
    """What is to be seen."""
    return Status(state.mode, tuple(_segments(state)), _hint(state))


def _segments(state: State) -> Iterator[Segment]:
    log = state.log
    if log.is_following and not log.is_paused:
        yield Segment("Follow", "on", "follow", 80)
    else:
        count = log.new_lines
        text = f"off, {plural(count, 'new line')}" if count else "off"
        yield Segment("Follow", text, f"+{count}", 90, "warning" if count else "info")
    if log.is_paused:
        yield Segment("Pause", "on", "paused", 95, "warning")
    yield from _writer(state)
    if state.capture.id is not None:
        yield _capture(state)
    if state.line_filter is not None:
        text = safe_text(filter_text(state.line_filter))
        yield Segment("Filter", text, _short(text), 70, "warning")
    if state.search.pattern is not None:
        text = safe_text(state.search.pattern.text)
        yield Segment("Search", f"{text} {state.search.count_text}", _short(text), 60)
    if state.timestamps != "off":
        yield Segment("Time", state.timestamps, state.timestamps, 20)
    yield Segment("Wrap", "on" if state.wraps else "off", "wrap" if state.wraps else "cut", 10)
    if state.device_input.is_line and not state.read_only:
        yield Segment("Input", "line", "line", 30)
    if not state.folds_dumps:
        yield Segment("Dumps", "unfolded", "dumps", 15)
    if not state.shows_decode:
        yield Segment("Decodes", "hidden", "no decodes", 15)


def _writer(state: State) -> Iterator[Segment]:
    if state.may_type:
        return
    if not state.is_attached:
        yield Segment("Writer", "not connected", "offline", 96, "warning")
    elif state.lease.holder is not None and not state.lease.is_own:
        holder = safe_text(state.lease.holder)
        yield Segment("Writer", f"{holder} types", _short(holder), 85)
    elif state.lease.is_forbidden:
        yield Segment("Writer", "not you: you may only read", "read-only", 85)
    else:
        yield Segment("Writer", "nobody types", "nobody", 85)


def _capture(state: State) -> Segment:
    progress = state.capture.view(state.now)
    if progress is None or not progress.total_bytes:
        text = bytes_text(progress.decoded_bytes) if progress is not None else ""
    else:
        text = f"{min(progress.decoded_bytes * 100 // progress.total_bytes, 100)} %"
    return Segment("Capture", text, text, 92, "warning")


def _hint(state: State) -> str:
    if isinstance(state.overlay, Detail):
        return state.overlay.hint
    if state.overlays:
        return "Esc closes"
    if state.search.is_typing:
        return "Enter searches all lines and events  Ctrl-R regex or text  ↑ earlier searches  Esc ends the search"
    if state.inspector.has_focus:
        return "↑↓ choose  Enter everything about it  Tab to the log  Esc back"
    return _HINTS[state.mode](state)


def _device_hint(state: State) -> str:
    prefix = key_text(state.keymap.prefix)
    parts = [f"{prefix} commands", f"{state.keymap.path_text('help')} help", f"{_detach(state)} leaves"]
    parts.append("all other keys go to the board" if not state.device_input.is_line else "Enter sends the line")
    return "  ".join(parts)


def _host_hint(state: State) -> str:
    names = _FOUND if state.search.is_open else _HOST
    end = key_text(next(iter(state.keymap.keys("back")), "escape"))
    return "  ".join([f"{end} back to the board", *_actions(state, names)])


def _capture_hint(state: State) -> str:
    prefix = key_text(state.keymap.prefix)
    return f"input is off while a core dump arrives  Ctrl-C aborts it  {prefix} commands  {_detach(state)} leaves"


def _no_port_hint(state: State) -> str:
    prefix = key_text(state.keymap.prefix)
    lack = state.board.port_lack if state.board is not None else None
    parts = ["keys are not sent", f"{prefix} commands", f"{_detach(state)} leaves"]
    return "  ".join([*parts, safe_text(lack or "")])


def _read_only_hint(state: State) -> str:
    take = [("writer", _TAKE)] if state.may_ask_for_lease and state.is_attached else []
    if state.modes.is_muted:
        end = key_text(next(iter(state.keymap.keys("back")), "escape"))
        return "  ".join([f"{end} makes keys commands", f"{_detach(state)} leaves", *_actions(state, take)])
    names = [*take, *(_FOUND if state.search.is_open else _WATCHING)]
    return "  ".join([f"{_detach(state)} leaves", *_actions(state, names)])


def _actions(state: State, names: Iterable[tuple[str, str]]) -> list[str]:
    keys = ((state.keymap.keys(action), name) for action, name in names)
    return [f"{key_text(bound[0])} {name}" for bound, name in keys if bound]


def _detach(state: State) -> str:
    return key_text(state.keymap.detach)


def _short(text: str) -> str:
    return text if len(text) <= _SHORTEST else text[: _SHORTEST - 1] + "…"


_HINTS: Final[dict[Mode, Callable[[State], str]]] = {
    "DEVICE": _device_hint,
    "HOST": _host_hint,
    "CAPTURE": _capture_hint,
    "NO-PORT": _no_port_hint,
    "READ-ONLY": _read_only_hint,
}
