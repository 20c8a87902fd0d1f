"""The configuration file: TOML to Settings. An error names the file, the key, its value and what is allowed."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from esperd.errors import ConfigurationError
from esperd.settings import BoardSettings, DecodeSettings, Limits, Settings
from esperd.sizes import parse_size, size_text

_Table = TypeVar("_Table", Settings, Limits, DecodeSettings, BoardSettings)


def read_settings(file: Path) -> Settings:
    """Reads a file.

    Raises:
        ConfigurationError: it can't be read, or says what is not allowed.
    """
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"can't read the configuration file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
    try:
        return _settings(table)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}", error.hint) from None


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
        allowed = _allowed(inspect.type_info(field.type), is_size=is_size)
        raise ConfigurationError(f"{name} is {_as_written(value)}; it must be {allowed}") from None


def fields_of(table: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The keys of a table, in order."""
    return {field.name: field for field in msgspec.structs.fields(table)}


def _settings(table: dict[str, object]) -> Settings:
    # The keys that are tables themselves; all others are values.
    limits = _read_table(Limits, "limits.", _as_table("limits", table.pop("limits", {})))
    decode = _read_table(DecodeSettings, "decode.", _as_table("decode", table.pop("decode", {})))
    boards = {
        name: _read_table(BoardSettings, f"boards.{name}.", _as_table(f"boards.{name}", value))
        for name, value in _as_table("boards", table.pop("boards", {})).items()
    }
    return msgspec.structs.replace(_read_table(Settings, "", table), limits=limits, decode=decode, boards=boards)


def _read_table(kind: type[_Table], prefix: str, table: Mapping[str, object]) -> _Table:
    fields = fields_of(kind)
    for key in table:
        if key not in fields:
            raise _unknown_key(prefix, key, list(fields))
    return kind(**{key: setting(prefix + key, value, fields[key]) for key, value in table.items()})


def _as_table(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{name} is {_as_written(value)}; it must be a table: [{name}]")
    return msgspec.convert(value, dict[str, object])


def _unknown_key(prefix: str, key: str, known: list[str]) -> ConfigurationError:
    nearest = difflib.get_close_matches(key, known, 1)
    guess = f"; did you mean {prefix}{nearest[0]}?" if nearest else ""
    return ConfigurationError(f"{prefix}{key} is not a known key{guess} (known are {', '.join(known)})")


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
            return "a list of texts"
        case _:
            return "text"


def _is_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.NoneType)
