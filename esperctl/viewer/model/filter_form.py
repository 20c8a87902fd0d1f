"""The form for what is shown of the log: levels and tags as in ``idf.py monitor``, and two regular expressions."""

from collections.abc import Callable
from typing import Final

from esperctl.viewer.effects import Effect
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.model.form import Field, Form

_HINT: Final = "Enter applies, Tab next field, Ctrl-U empties a field, Esc leaves all as it was"


def filter_form(current: LineFilter | None, applied: Callable[[LineFilter | None], list[Effect]]) -> Form:
    """The form; ``applied`` gets None when all fields are empty."""

    def apply(texts: list[str]) -> list[Effect]:
        levels, include, exclude = texts
        if not any(texts):
            return applied(None)
        return applied(LineFilter.parse(levels, include=include, exclude=exclude))

    levels, include, exclude = ("", "", "")
    if current is not None:
        levels, include, exclude = current.levels, current.include, current.exclude
    fields = (
        Field("Levels, e.g. *:W wifi:D", levels, LineFilter.parse),
        Field("Only lines with (regex)", include, lambda text: LineFilter.parse(include=text)),
        Field("No lines with (regex)", exclude, lambda text: LineFilter.parse(exclude=text)),
    )
    return Form("Filter (hides, deletes nothing)", fields, _HINT, apply)


def filter_text(line_filter: LineFilter) -> str:
    """A filter in short, e.g. ``*:W +heap -wifi``."""
    parts = [line_filter.levels]
    parts.append(f"+{line_filter.include}" if line_filter.include else "")
    parts.append(f"-{line_filter.exclude}" if line_filter.exclude else "")
    return " ".join(part for part in parts if part)
