"""The configuration file: TOML to Settings. An error names the file, line, key, value and what is allowed."""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from esperd.configuration.lines import KeyPath, key_lines
from esperd.errors import ConfigurationError
from esperd.settings import AccessSettings, BoardSettings, DecodeSettings, HookSettings, Limits, Settings
from esperd.sizes import parse_size, size_text

_Table = TypeVar("_Table", Settings, Limits, DecodeSettings, AccessSettings, BoardSettings, HookSettings)

_BARE_KEY: Final = re.compile("[A-Za-z0-9_-]+")
_ERROR_LINE: Final = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a file says, and in which line each of its keys stands."""

    path: Path
    settings: Settings
    lines: Mapping[KeyPath, int]

    def located(self, error: ConfigurationError) -> ConfigurationError:
        """The same error, with the place of its key."""
        return _located(self.path, self.lines, error)


def read_file(path: Path) -> SettingsFile:
    """Reads a file.

    Raises:
        ConfigurationError: it can't be read, or says what is not allowed.
    """
    file, problems = examine_file(path)
    if problems:
        raise problems[0]
    return file


def examine_file(path: Path) -> tuple[SettingsFile, list[ConfigurationError]]:
    """Reads a file, and all that is wrong with single keys of it.

    Raises:
        ConfigurationError: it can't be read, or is no TOML.
    """
    try:
        text = path.read_text("utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"can't read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = _ERROR_LINE.search(str(error))
        place = f"{path}:{line[1]}" if line else str(path)
        raise ConfigurationError(f"{place} is not valid TOML: {error}") from error
    lines = key_lines(text)
    reader = _Reader()
    settings = reader.settings(table)
    problems = [_located(path, lines, error) for error in reader.problems]
    return SettingsFile(path, settings, lines), sorted(problems, key=lambda error: error.line or 0)


def setting(name: str, value: object, field: msgspec.structs.FieldInfo) -> Any:  # noqa: ANN401 - the field says what
    """*value* as what *field* holds; *name* is the key or flag, for the error.

    Raises:
        ConfigurationError: it is not allowed.
    """
    is_size = field.name.endswith("_bytes")
    try:
        number = parse_size(value) if is_size and isinstance(value, str) else value
        return msgspec.convert(number, field.type)
    except (ValueError, msgspec.ValidationError):
        raise ConfigurationError(f"{name} is {_as_written(value)}; it must be {allowed_text(field)}") from None


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
    return _allowed(inspect.type_info(field.type), is_size=field.name.endswith("_bytes"))


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
                name: self._table(BoardSettings, ("boards", name), value)
                for name, value in self._as_table(("boards",), table.pop("boards", {})).items()
            },
            "on_crash": self._hooks(table.pop("on_crash", [])),
        }
        return msgspec.structs.replace(self._table(Settings, (), table), **tables)

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
                self.problems.append(ConfigurationError(str(error), error.hint, key=(*path, key)))
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
    return ConfigurationError(f"{place}: {error}", error.hint, key=error.key, line=line)


def _unknown_key(path: KeyPath, key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, 1)
    guess = f"; did you mean {key_text((*path, nearest[0]))}?" if nearest else ""
    return f"is not a known key{guess} (known are {', '.join(known)})"


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _allowed(kind: inspect.Type, *, is_size: bool) -> str:
    match kind:
        case inspect.IntType() | inspect.FloatType():
            number = "an integer" if isinstance(kind, inspect.IntType) else "a number"
            limits = [(word, limit) for word, limit in (("from", kind.ge), ("to", kind.le)) if limit is not None]
            said = [f"{word} {size_text(int(limit)) if is_size else f'{limit:,}'}" for word, limit in limits]
            return " ".join(["a size" if is_size else number, *said])
        case inspect.LiteralType():
            return " or ".join(map(str, kind.values))
        case inspect.UnionType():
            # TOML has no null: a key that is not wanted is left out.
            return " or ".join(_allowed(member, is_size=is_size) for member in kind.types if not _is_none(member))
        case inspect.BoolType():
            return "true or false"
        case inspect.ListType():
            return "a list of texts, and not empty" if kind.min_length else "a list of texts"
        case _:
            return "text"


def _is_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.NoneType)
