"""The configuration file: TOML to Settings. An error names the file, line, key, value and what is allowed."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from esper_protocol.toml_lines import KeyPath, key_lines
from esperd.configuration.sizes import UnknownUnitError, parse_duration_s, parse_size, size_text
from esperd.configuration.syntax import parse_toml
from esperd.errors import ConfigurationError
from esperd.ports.names import NAME_RULE, is_board_name
from esperd.settings import (
    ABSOLUTE,
    AccessSettings,
    BoardSettings,
    DecodeSettings,
    HookSettings,
    Limits,
    Settings,
)

_Table = TypeVar("_Table", Settings, Limits, DecodeSettings, AccessSettings, BoardSettings, HookSettings)

_BARE_KEY: Final = re.compile("[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a file says, and in which line each of its keys stands."""

    path: Path
    settings: Settings
    lines: Mapping[KeyPath, int]

    def located(self, error: ConfigurationError) -> ConfigurationError:
        """The same error, with the place of its key."""
        return _located(self.path, self.lines, error)


def examine_file(path: Path) -> tuple[SettingsFile, list[ConfigurationError]]:
    """Reads a file, and all that is wrong with its TOML and with single keys of it, in the order of the lines.

    Raises:
        ConfigurationError: it can't be read, or is no text.
    """
    table, correct_text, mistakes = parse_toml(_read(path))
    lines = key_lines(correct_text)
    reader = _Reader()
    settings = reader.settings(table)
    problems = [_located(path, lines, error) for error in reader.problems]
    problems += [
        ConfigurationError(
            f"not valid TOML: {mistake.text}",
            mistake.hint,
            place=f"{path}:{mistake.line}:{mistake.column}",
            line=mistake.line,
        )
        for mistake in mistakes
    ]
    return SettingsFile(path, settings, lines), in_order(problems)


def in_order(problems: Iterable[ConfigurationError]) -> list[ConfigurationError]:
    """As they stand in the file."""
    return sorted(problems, key=lambda error: error.line or 0)


def setting(name: str, value: object, field: msgspec.structs.FieldInfo, *, is_flag: bool = False) -> Any:  # noqa: ANN401 - the field says what
    """*value* as what *field* holds.

    Args:
        name: The key or flag, for the error.
        value: Of a key what TOML says, of a flag its text.
        field: Of the settings.
        is_flag: Whether numbers are text, too.

    Raises:
        ConfigurationError: it is not allowed.
    """
    if any("\0" in text for text in _texts_in(value)):
        # TOML can say it, but no path, user or argument can have it.
        raise ConfigurationError(f"{name} is {_as_written(value)}; it must have no NUL character")
    try:
        if field.name.endswith("_bytes") and isinstance(value, str):
            value_bytes = parse_size(value)
            return msgspec.convert(value_bytes, field.type)
        return msgspec.convert(value, field.type, strict=not is_flag)
    except UnknownUnitError as error:
        raise ConfigurationError(f"{name} is {_as_written(value)}; {error}") from None
    except (ValueError, msgspec.ValidationError):
        allowed = f"{name} is {_as_written(value)}; it must be {allowed_text(field)}"
        raise ConfigurationError(allowed, _duration_hint(name, value, field, is_flag=is_flag)) from None


def _texts_in(value: object) -> list[str]:
    values = msgspec.convert(value, list[object]) if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def fields_of(table: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The keys of a table, in order."""
    return {field.name: field for field in msgspec.structs.fields(table)}


def key_text(path: KeyPath) -> str:
    """A key as it is written, such as ``boards.bench1.port``; tables of an array are told apart by their lines."""
    return ".".join(
        part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
        for part in path
        if isinstance(part, str)
    )


def allowed_text(field: msgspec.structs.FieldInfo) -> str:
    """What a key may be, such as ``an integer from 1 to 64``."""
    return _allowed(inspect.type_info(field.type), field.name)


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"it can't be read: {error.strerror}", place=str(path)) from error
    try:
        # With or without the mark that editors of Windows put before it.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            "not valid TOML: this is not UTF-8", "save the file as UTF-8", place=f"{path}:{line}", line=line
        ) from error


def _duration_hint(name: str, value: object, field: msgspec.structs.FieldInfo, *, is_flag: bool) -> str | None:
    seconds = parse_duration_s(value) if field.name.endswith("_s") and isinstance(value, str) else None
    if seconds is None:
        return None
    return f"a number of seconds has no unit: did you mean {name}{' ' if is_flag else ' = '}{seconds:g}?"


class _Reader:
    """Reads tables; goes on behind what is wrong."""

    def __init__(self) -> None:
        self.problems: list[ConfigurationError] = []

    def settings(self, table: dict[str, object]) -> Settings:
        # The keys that are tables themselves; all others are values.
        tables = {
            "limits": self._table(Limits, ("limits",), table.pop("limits", {})),
            "decode": self._table(DecodeSettings, ("decode",), table.pop("decode", {})),
            "access": self._table(AccessSettings, ("access",), table.pop("access", {})),
            "boards": {
                name: self._board(name, value)
                for name, value in self._as_table(("boards",), table.pop("boards", {})).items()
            },
            "on_crash": self._hooks(table.pop("on_crash", [])),
        }
        return msgspec.structs.replace(self._table(Settings, (), table), **tables)

    def _board(self, name: str, value: object) -> BoardSettings:
        if not is_board_name(name):
            self._note(("boards", name), f"does not name a board: {NAME_RULE}")
        return self._table(BoardSettings, ("boards", name), value)

    def _hooks(self, value: object) -> list[HookSettings]:
        if not isinstance(value, list):
            self._note(("on_crash",), f"is {_as_written(value)}; it must be tables: [[on_crash]]")
            return []
        return [
            self._table(HookSettings, ("on_crash", index), hook)
            for index, hook in enumerate(msgspec.convert(value, list[object]))
        ]

    def _table(self, kind: type[_Table], path: KeyPath, value: object) -> _Table:
        fields = fields_of(kind)
        values: dict[str, Any] = {}
        for key, inner in self._as_table(path, value).items():
            if key not in fields:
                self._note((*path, key), _unknown_key(path, key, list(fields)))
                continue
            try:
                values[key] = setting(key_text((*path, key)), inner, fields[key])
            except ConfigurationError as error:
                self.problems.append(ConfigurationError(error.text, error.hint, key=(*path, key)))
        for key, field in fields.items():
            if field.required and key not in values:
                if not any(problem.key == (*path, key) for problem in self.problems):
                    self._note((*path, key), "is missing")
                # Whatever was wrong is told; the value is only to go on with.
                values[key] = [""]
        return kind(**values)

    def _as_table(self, path: KeyPath, value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            header = f"[[{key_text(path)}]]" if isinstance(path[-1], int) else f"[{key_text(path)}]"
            self._note(path, f"is {_as_written(value)}; it must be a table: {header}")
            return {}
        return msgspec.convert(value, dict[str, object])

    def _note(self, path: KeyPath, text: str) -> None:
        self.problems.append(ConfigurationError(f"{key_text(path)} {text}", key=path))


def _located(path: Path, lines: Mapping[KeyPath, int], error: ConfigurationError) -> ConfigurationError:
    """With the line of the key, or of the innermost table around it that is written."""
    around = (lines.get(error.key[:length]) for length in range(len(error.key), 0, -1))
    line = next((line for line in around if line is not None), None)
    place = str(path) if line is None else f"{path}:{line}"
    return ConfigurationError(error.text, error.hint, key=error.key, place=place, line=line, may_heal=error.may_heal)


def _unknown_key(path: KeyPath, key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, 1)
    guess = f"; did you mean {key_text((*path, nearest[0]))}?" if nearest else ""
    return f"is not a known key{guess} (known are {', '.join(known)})"


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _allowed(kind: inspect.Type, name: str) -> str:
    match kind:
        case inspect.IntType() | inspect.FloatType():
            is_size = name.endswith("_bytes")
            number = "an integer" if isinstance(kind, inspect.IntType) else "a number"
            number = "a size" if is_size else f"{number} of seconds" if name.endswith("_s") else number
            limits = [(word, limit) for word, limit in (("from", kind.ge), ("to", kind.le)) if limit is not None]
            said = [f"{word} {size_text(int(limit)) if is_size else f'{limit:,}'}" for word, limit in limits]
            return " ".join([number, *said])
        case inspect.LiteralType():
            return " or ".join(map(str, kind.values))
        case inspect.UnionType():
            # TOML has no null: a key that is not wanted is left out.
            return " or ".join(_allowed(member, name) for member in kind.types if not _is_none(member))
        case inspect.BoolType():
            return "true or false"
        case inspect.ListType():
            what = "absolute paths" if _is_path(kind.item_type) else "texts"
            return f"a list of {what}, and not empty" if kind.min_length else f"a list of {what}"
        case inspect.StrType(min_length=least) as text:
            return "an absolute path" if _is_path(text) else "text, and not empty" if least else "text"
        case _:
            return "text"


def _is_path(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.StrType) and kind.pattern == ABSOLUTE


def _is_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.NoneType)
