"""Tells of patterns that were too slow, each once; they are switched off already. Pure."""

from esperctl.viewer.model.state import State


def tell_slow_patterns(state: State) -> None:
    """Looks at all patterns that are in use."""
    line_filter = state.line_filter
    if line_filter is not None:
        troubles = [pattern.take_trouble() for pattern in line_filter.patterns]
        if any(troubles):
            # What it hid before is shown now, like what comes.
            state.log.set_filter(line_filter)
        _say(state, "filter", troubles)
    _say(state, "highlight rule", [rule.live.take_trouble() for rule in state.highlights])
    search = state.search
    if search.pattern is not None and not search.is_open:
        _say(state, "search", [search.pattern.live.take_trouble()])


def _say(state: State, what: str, troubles: list[str | None]) -> None:
    for trouble in troubles:
        if trouble is not None:
            state.say(f"{what}: {trouble}", "warning", topic=f"slow {what}")
