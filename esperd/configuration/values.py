"""The settings that hold, each with its value and where it comes from."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from esperd.configuration.config import default_directories
from esperd.configuration.file import SettingsFile, key_text
from esperd.configuration.lines import KeyPath
from esperd.settings import Settings
from esperd.sizes import size_text

DEFAULT = "default"


class EffectiveValue(msgspec.Struct, frozen=True, kw_only=True):
    """One key.

    Attributes:
        key: With the tables around it.
        value: As the file may say it; null where nothing is said and there is no value to fall back on.
        source: ``default``, or the file.
        line: In the file, from 1 on; null for a default.
    """

    key: str
    value: object
    source: str = DEFAULT
    line: int | None = None


def effective_values(file: SettingsFile | None) -> list[EffectiveValue]:
    """All settings, in the order of the reference."""
    settings = Settings() if file is None else file.settings
    derived = {**default_directories(), "socket_mode": "0660" if settings.socket_group else "0600"}
    values: list[EffectiveValue] = []
    for path, value in _walk(settings, ()):
        shown = derived.get(key_text(path)) if value is None else value
        if isinstance(shown, Path):
            shown = str(shown)
        elif isinstance(shown, int) and str(path[-1]).endswith("_bytes"):
            shown = size_text(shown)
        line = None if file is None else file.lines.get(path)
        if file is not None and line is not None:
            values.append(EffectiveValue(key=key_text(path), value=shown, source=str(file.path), line=line))
        else:
            values.append(EffectiveValue(key=key_text(path), value=shown))
    return values


def _walk(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _walk(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for name, inner in msgspec.convert(value, dict[str, object]).items():
            yield from _walk(inner, (*path, name))
    elif isinstance(value, list) and path == ("on_crash",):
        for index, inner in enumerate(msgspec.convert(value, list[object])):
            yield from _walk(inner, (*path, index))
    else:
        yield path, value
