"""The settings of the viewer: a table, as TOML has it, into checked values. Pure.

All that is wrong is told at once; each error names the key, its value and what is allowed.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast, get_args

from esper_protocol.toml_lines import KeyPath
from esperctl.viewer.log.highlighting import HighlightRule, style_named
from esperctl.viewer.log.line_filter import LineFilter
from esperctl.viewer.log.patterns import LivePattern
from esperctl.viewer.log.timestamps import Timestamps
from esperctl.viewer.model.keymap import DEFAULT_DETACH, DEFAULT_PREFIX, KeyMap, key_problems

InputKind = Literal["raw", "line"]
LineEnd = Literal["cr", "lf", "crlf"]
LINE_ENDS: Final[dict[LineEnd, bytes]] = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n"}
MAX_HIGHLIGHT_RULES: Final = 16

_Choice = TypeVar("_Choice", bound=str)
_Made = TypeVar("_Made")
_HIGHLIGHT_SHAPE: Final = 'tables: [[highlight]], then pattern = "heap" and style = "bold red"'


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


class Problem(NamedTuple):
    """What is wrong, in a sentence, and the key that says it, with the tables around it."""

    key: KeyPath
    text: str


def read_table(table: Mapping[str, object]) -> tuple[Settings, list[Problem]]:
    """The settings that a table holds, and all that is wrong with it; what it lacks, or says wrong, is as by default.

    Args:
        table: Such as ``{"prefix": "ctrl-a", "keys": {"reset": "R", "note": ["l", "m"]}, "filter": "*:W wifi:D",
            "highlight": [{"pattern": "heap", "style": "bold red"}]}``.
    """
    reader = _Reader(table)
    return reader.settings(), reader.problems


# fmt: off
_KEYS: Final = [
    "prefix", "detach", "input", "line_end", "timestamps", "wrap", "panel", "filter", "include", "exclude", "highlight",
    "keys",
]
# fmt: on


class _Reader:
    """Reads a table; goes on behind what is wrong, with the default in its place."""

    def __init__(self, table: Mapping[str, object]) -> None:
        self.problems: list[Problem] = []
        self._table = table

    def settings(self) -> Settings:
        for key in self._table:
            if key not in _KEYS:
                self._note((key,), _unknown(key))
        return Settings(
            keymap=self._key_map(),
            input=self._choice("input", get_args(InputKind), "raw"),
            line_end=self._choice("line_end", get_args(LineEnd), "cr"),
            timestamps=self._choice("timestamps", get_args(Timestamps), "off"),
            wrap=self._switch("wrap"),
            panel=self._switch("panel"),
            line_filter=self._line_filter(),
            highlights=self._highlights(self._table.get("highlight", [])),
        )

    def _key_map(self) -> KeyMap:
        written = self._table.get("keys", {})
        keys = _as_table(written)
        if not isinstance(written, dict):
            self._note(
                ("keys",), _wrong("keys", self._table["keys"], 'a table: [keys], then lines such as reset = "r"')
            )
        made = {name: self._key_names(name, value) for name, value in keys.items()}
        changes = {name: names for name, names in made.items() if names is not None}
        prefix, detach = self._text("prefix", DEFAULT_PREFIX), self._text("detach", DEFAULT_DETACH)
        problems = list(key_problems(changes, prefix, detach))
        for problem in problems:
            self._note(problem.setting, problem.text)
        return KeyMap() if problems else KeyMap(changes, prefix=prefix, detach=detach)

    def _key_names(self, action: str, value: object) -> tuple[str, ...] | None:
        written = value
        names: list[object] = [value]
        if isinstance(value, list):
            names = cast("list[object]", value)
        texts = tuple(name for name in names if isinstance(name, str))
        if len(texts) == len(names):
            return texts
        allowed = 'a key such as "r" or "ctrl-r", or a list of keys'
        self._note(("keys", action), _wrong(f"keys.{action}", written, allowed))
        return None

    def _line_filter(self) -> LineFilter | None:
        levels, include, exclude = (self._text(key, "") for key in ("filter", "include", "exclude"))
        parts = (
            self._checked(("filter",), "filter", lambda: LineFilter.parse(levels)),
            self._checked(("include",), "include", lambda: LineFilter.parse(include=include)),
            self._checked(("exclude",), "exclude", lambda: LineFilter.parse(exclude=exclude)),
        )
        if None in parts or not (levels or include or exclude):
            return None
        return LineFilter.parse(levels, include=include, exclude=exclude)

    def _highlights(self, value: object) -> tuple[HighlightRule, ...]:
        if not isinstance(value, list):
            self._note(("highlight",), _wrong("highlight", value, _HIGHLIGHT_SHAPE))
            return ()
        rules = cast("list[object]", value)
        if len(rules) > MAX_HIGHLIGHT_RULES:
            text = f"there are {len(rules)} highlight rules; {MAX_HIGHLIGHT_RULES} are allowed"
            self._note(("highlight", MAX_HIGHLIGHT_RULES), text)
        made = [self._highlight(index, rule) for index, rule in enumerate(rules)]
        return tuple(rule for rule in made if rule is not None)

    def _highlight(self, index: int, rule: object) -> HighlightRule | None:
        name = f"highlight {index + 1}"
        fields = _as_table(rule)
        pattern, style = fields.get("pattern"), fields.get("style")
        if len(fields) != len(("pattern", "style")) or not isinstance(pattern, str) or not isinstance(style, str):
            self._note(("highlight", index), _wrong(name, rule, _HIGHLIGHT_SHAPE))
            return None
        parts = (
            self._checked(("highlight", index), name, lambda: LivePattern(pattern)),
            self._checked(("highlight", index), name, lambda: style_named(style)),
        )
        return None if None in parts else HighlightRule(pattern, style)

    def _choice(self, key: str, allowed: tuple[Any, ...], default: _Choice) -> _Choice:
        value = self._table.get(key, default)
        if value in allowed:
            return cast("_Choice", value)
        self._note((key,), _wrong(key, value, " or ".join(allowed)))
        return default

    def _switch(self, key: str) -> bool:
        value = self._table.get(key, True)
        if isinstance(value, bool):
            return value
        self._note((key,), _wrong(key, value, "true or false"))
        return True

    def _text(self, key: str, default: str) -> str:
        value = self._table.get(key, default)
        if isinstance(value, str):
            return value
        self._note((key,), _wrong(key, value, "text"))
        return default

    def _checked(self, path: KeyPath, name: str, make: Callable[[], _Made]) -> _Made | None:
        try:
            return make()
        except ValueError as error:
            self._note(path, f"{name}: {error}")
            return None

    def _note(self, path: KeyPath, text: str) -> None:
        problem = Problem(path, text)
        # A key may be looked at twice.
        if problem not in self.problems:
            self.problems.append(problem)


def _as_table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _wrong(key: str, value: object, allowed: str) -> str:
    written = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{key} is {written}; it must be {allowed}"


def _unknown(key: str) -> str:
    nearest = difflib.get_close_matches(key, _KEYS, 1)
    guess = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{key} is not a setting{guess} (known are {', '.join(_KEYS)})"
