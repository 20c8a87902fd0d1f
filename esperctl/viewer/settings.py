"""The settings of the viewer: a table, as TOML has it, into checked values. Pure.

An error names the key, its value and what is allowed.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, cast, get_args

from esperctl.errors import UsageError
from esperctl.viewer.log.highlighting import HighlightRule
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.log.timestamps import Timestamps
from esperctl.viewer.model.keymap import DEFAULT_DETACH, DEFAULT_PREFIX, KeyMap

InputKind = Literal["raw", "line"]
LineEnd = Literal["cr", "lf", "crlf"]
LINE_ENDS: Final[dict[LineEnd, bytes]] = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n"}
MAX_HIGHLIGHT_RULES: Final = 16

_Choice = TypeVar("_Choice", bound=str)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose.

    Attributes:
        keymap: Which key does what.
        input: Whether keys go to the board one by one, or lines as a whole.
        line_end: What ends a line that was typed as a whole.
        timestamps: What stands before each line of the log.
        wrap: Whether long lines go on in the next row.
        panel: Whether the list of what happened stands beside the log, where there is room.
        line_filter: Which lines are shown; None: all.
        highlights: Rules, later ones over earlier ones.
    """

    keymap: KeyMap = field(default_factory=KeyMap)
    input: InputKind = "raw"
    line_end: LineEnd = "cr"
    timestamps: Timestamps = "off"
    wrap: bool = True
    panel: bool = True
    line_filter: LineFilter | None = None
    highlights: tuple[HighlightRule, ...] = ()


def parse_settings(table: Mapping[str, object]) -> Settings:
    """The settings that a table holds; what it lacks is as by default.

    Args:
        table: Such as ``{"prefix": "ctrl-a", "keys": {"reset": "R", "note": ["l", "m"]}, "filter": "*:W wifi:D",
            "highlight": [{"pattern": "heap", "style": "bold red"}]}``.

    Raises:
        UsageError: something in it is not allowed.
    """
    for key in table:
        if key not in _KEYS:
            raise UsageError(_unknown(key, _KEYS, "a setting"))
    return Settings(
        keymap=_key_map(table),
        input=_choice(table, "input", get_args(InputKind), "raw"),
        line_end=_choice(table, "line_end", get_args(LineEnd), "cr"),
        timestamps=_choice(table, "timestamps", get_args(Timestamps), "off"),
        wrap=_switch(table, "wrap"),
        panel=_switch(table, "panel"),
        line_filter=_line_filter(table),
        highlights=_highlights(table.get("highlight", [])),
    )


# fmt: off
_KEYS: Final = [
    "prefix", "detach", "input", "line_end", "timestamps", "wrap", "panel", "filter", "include", "exclude", "highlight",
    "keys",
]
# fmt: on


def _key_map(table: Mapping[str, object]) -> KeyMap:
    keys = table.get("keys", {})
    if not isinstance(keys, dict):
        raise _wrong("keys", keys, 'a table: [keys], then lines such as reset = "r"')
    changes = {name: _key_names(name, value) for name, value in cast("dict[str, object]", keys).items()}
    prefix, detach = _text(table, "prefix", DEFAULT_PREFIX), _text(table, "detach", DEFAULT_DETACH)
    return _checked(lambda: KeyMap(changes, prefix=prefix, detach=detach), "")


def _key_names(action: str, value: object) -> tuple[str, ...]:
    written = value
    names: list[object] = [value]
    if isinstance(value, list):
        names = cast("list[object]", value)
    texts = tuple(name for name in names if isinstance(name, str))
    if len(texts) < len(names):
        raise _wrong(f"keys.{action}", written, 'a key such as "r" or "ctrl-r", or a list of keys')
    return texts


def _line_filter(table: Mapping[str, object]) -> LineFilter | None:
    levels, include, exclude = (_text(table, key, "") for key in ("filter", "include", "exclude"))
    if not levels and not include and not exclude:
        return None
    _checked(lambda: LineFilter.parse(levels), "filter")
    _checked(lambda: LineFilter.parse(include=include), "include")
    _checked(lambda: LineFilter.parse(exclude=exclude), "exclude")
    return LineFilter.parse(levels, include=include, exclude=exclude)


def _highlights(value: object) -> tuple[HighlightRule, ...]:
    shape = 'tables: [[highlight]], then pattern = "heap" and style = "bold red"'
    if not isinstance(value, list):
        raise _wrong("highlight", value, shape)
    rules = cast("list[object]", value)
    if len(rules) > MAX_HIGHLIGHT_RULES:
        raise UsageError(f"there are {len(rules)} highlight rules; {MAX_HIGHLIGHT_RULES} are allowed")
    return tuple(_highlight(index, rule, shape) for index, rule in enumerate(rules, 1))


def _highlight(index: int, rule: object, shape: str) -> HighlightRule:
    fields = _as_table(rule)
    pattern, style = fields.get("pattern"), fields.get("style")
    if len(fields) != len(("pattern", "style")) or not isinstance(pattern, str) or not isinstance(style, str):
        raise _wrong(f"highlight {index}", rule, shape)
    return _checked(lambda: HighlightRule(pattern, style), f"highlight {index}")


def _as_table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _choice(table: Mapping[str, object], key: str, allowed: tuple[Any, ...], default: _Choice) -> _Choice:
    value = table.get(key, default)
    if value not in allowed:
        raise _wrong(key, value, " or ".join(allowed))
    return cast("_Choice", value)


def _switch(table: Mapping[str, object], key: str) -> bool:
    value = table.get(key, True)
    if not isinstance(value, bool):
        raise _wrong(key, value, "true or false")
    return value


def _text(table: Mapping[str, object], key: str, default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise _wrong(key, value, "text")
    return value


_Made = TypeVar("_Made")


def _checked(make: Callable[[], _Made], key: str) -> _Made:
    try:
        return make()
    except ValueError as error:
        raise UsageError(f"{key}: {error}" if key else str(error)) from error


def _wrong(key: str, value: object, allowed: str) -> UsageError:
    written = str(value).lower() if isinstance(value, bool) else repr(value)
    return UsageError(f"{key} is {written}; it must be {allowed}")


def _unknown(key: str, known: list[str], what: str) -> str:
    nearest = difflib.get_close_matches(key, known, 1)
    guess = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{key} is not {what}{guess} (known are {', '.join(known)})"
