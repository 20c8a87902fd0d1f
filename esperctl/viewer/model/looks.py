"""How the log looks: filter, highlight rules, timestamps, wrapping, folding, pause. All takes effect at once."""

from typing import TYPE_CHECKING, Final, get_args

from esperctl.viewer.effects import Effect
from esperctl.viewer.log.highlighting import HighlightRule
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.log.timestamps import Timestamps
from esperctl.viewer.model.filter_form import filter_form
from esperctl.viewer.model.highlight_form import highlight_form
from esperctl.viewer.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMESTAMPS: Final[tuple[Timestamps, ...]] = get_args(Timestamps)


class Looks:
    """The actions; what was chosen is kept in the state, for the status line."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.doings: Final[dict[str, Callable[[], list[Effect]]]] = {
            "fold": self._fold,
            "decodes": self._decodes,
            "filter": self._filter,
            "highlight": self._highlight,
            "timestamps": self._timestamps,
            "wrap": self._wrap,
            "pause": self._pause,
        }
        log = state.log
        log.set_filter(state.line_filter)
        log.set_highlights(state.highlights)
        log.set_timestamps(state.timestamps)
        log.set_wrap(state.wraps)
        log.set_dumps_folded(state.folds_dumps)
        log.set_show_decode(state.shows_decode)

    def _fold(self) -> list[Effect]:
        state = self._state
        state.folds_dumps = not state.folds_dumps
        state.log.set_dumps_folded(state.folds_dumps)
        return []

    def _decodes(self) -> list[Effect]:
        state = self._state
        state.shows_decode = not state.shows_decode
        state.log.set_show_decode(state.shows_decode)
        return []

    def _timestamps(self) -> list[Effect]:
        state = self._state
        state.timestamps = _TIMESTAMPS[(_TIMESTAMPS.index(state.timestamps) + 1) % len(_TIMESTAMPS)]
        state.log.set_timestamps(state.timestamps)
        return []

    def _wrap(self) -> list[Effect]:
        state = self._state
        state.wraps = not state.wraps
        state.log.set_wrap(state.wraps)
        return []

    def _pause(self) -> list[Effect]:
        log = self._state.log
        if log.is_paused:
            log.resume()
        else:
            log.pause()
        return []

    def _filter(self) -> list[Effect]:
        state = self._state

        def apply(line_filter: LineFilter | None) -> list[Effect]:
            state.line_filter = line_filter
            state.log.set_filter(line_filter)
            return []

        state.overlays.append(filter_form(state.line_filter, apply))
        return []

    def _highlight(self) -> list[Effect]:
        state = self._state

        def apply(rules: tuple[HighlightRule, ...]) -> list[Effect]:
            state.highlights = rules
            state.log.set_highlights(rules)
            return []

        state.overlays.append(highlight_form(state.highlights, apply))
        return []
