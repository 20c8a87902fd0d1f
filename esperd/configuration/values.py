"""The settings that hold, each with its value and where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from esper_protocol.toml_lines import KeyPath
from esperd.configuration.config import default_directories
from esperd.configuration.file import SettingsFile, fields_of, key_text, setting
from esperd.configuration.service_unit import Assignment
from esperd.configuration.service_viewpoint import ServiceViewpoint
from esperd.configuration.sizes import size_text
from esperd.settings import Limits, Settings

DEFAULT = "default"


class EffectiveValue(msgspec.Struct, frozen=True, kw_only=True):
    """One key.

    Attributes:
        key: With the tables around it.
        value: As the file may say it; null where nothing is said and there is no value to fall back on.
        source: ``default``, or the file, which may be a unit of the service.
        line: In the file, from 1 on; null for a default.
        flag: The flag of the unit that says it, such as ``--baud``; null otherwise.
    """

    key: str
    value: object
    source: str = DEFAULT
    line: int | None = None
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What holds for one daemon whatever the file says (``flags``), or where it says nothing; by key."""

    flags: Mapping[str, EffectiveValue]
    defaults: Mapping[str, EffectiveValue]


def given_to_caller() -> Given:
    """For a daemon that the user of this process would start without flags."""
    directories = {key: None if path is None else str(path) for key, path in default_directories().items()}
    return Given({}, {key: EffectiveValue(key=key, value=path) for key, path in directories.items()})


def given_to_service(viewpoint: ServiceViewpoint) -> Given:
    """For the system's service: the flags of its unit, and the directories that systemd makes.

    Raises:
        ConfigurationError: a flag has a value that is not allowed.
    """
    defaults: dict[str, EffectiveValue] = {}
    folders = viewpoint.directories()
    for key, name in (("state_dir", "StateDirectory"), ("runtime_dir", "RuntimeDirectory")):
        for folder in folders[name][:1]:
            defaults[key] = _of_unit(key, str(folder), viewpoint.unit.last(name))
    flags: dict[str, EffectiveValue] = {}
    fields = {**fields_of(Settings), **{f"limits.{name}": field for name, field in fields_of(Limits).items()}}
    for key, field in fields.items():
        flag = f"--{field.name.replace('_', '-')}"
        if said := viewpoint.unit.flags().get(flag):
            flags[key] = _of_unit(key, _flag_value(key, flag, said, field), said[-1], flag)
    return Given(flags, defaults)


def _flag_value(key: str, flag: str, said: list[Assignment], field: msgspec.structs.FieldInfo) -> object:
    if key == "elf":
        return [each.value for each in said]
    return _as_shown(key, setting(flag, said[-1].value, field, is_flag=True))


def _as_shown(key: str, value: object) -> object:
    return size_text(value) if isinstance(value, int) and key.endswith("_bytes") else value


def _of_unit(key: str, value: object, place: Assignment | None, flag: str | None = None) -> EffectiveValue:
    if place is None or not place.line:
        return EffectiveValue(key=key, value=value)
    return EffectiveValue(key=key, value=value, source=str(place.path), line=place.line, flag=flag)


def effective_values(file: SettingsFile | None, given: Given) -> list[EffectiveValue]:
    """All settings, in the order of the reference.

    Args:
        file: What it says goes before a default.
        given: What holds for the daemon that is meant.
    """
    settings = Settings() if file is None else file.settings
    return [_effective(path, value, file, given, settings) for path, value in _walk(settings, ())]


def _effective(
    path: KeyPath, value: object, file: SettingsFile | None, given: Given, settings: Settings
) -> EffectiveValue:
    key = _key(path)
    if key == "elf" and key in given.flags:
        # The one flag that adds to the file.
        added = msgspec.convert(given.flags[key].value, list[str])
        return msgspec.structs.replace(given.flags[key], value=[*settings.elf, *added])
    if key in given.flags:
        return given.flags[key]
    if path[0] == "boards" and hasattr(settings, name := str(path[-1])) and (value is None or name in given.flags):
        # A board that says nothing of these has what all have; a flag goes before it, too.
        return msgspec.structs.replace(_effective((name,), getattr(settings, name), file, given, settings), key=key)
    if value is None and key in given.defaults:
        return given.defaults[key]
    if value is None and key == "socket_mode":
        value = "0660" if settings.socket_group else "0600"
    line = None if file is None else file.lines.get(path)
    if file is None or line is None:
        return EffectiveValue(key=key, value=_as_shown(key, value))
    return EffectiveValue(key=key, value=_as_shown(key, value), source=str(file.path), line=line)


def _key(path: KeyPath) -> str:
    """As it is written; tables of an array are told apart by their numbers, from 0 on."""
    if len(path) > 1 and isinstance(path[1], int):
        return f"{path[0]}[{path[1]}].{path[2]}"
    return key_text(path)


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
