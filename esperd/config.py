"""From flags and a TOML file to a Config; errors name the key, the file and what is allowed."""

import argparse
import difflib
import grp
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from esperd.errors import ConfigurationError
from esperd.ports.endpoint import BoardArgument, EndpointError, parse_board_argument
from esperd.settings import GIB, KIB, MIB, BoardSettings, Limits, Settings

SYSTEM_FILE: Final = Path("/etc/esperd/esperd.toml")
_UNITS: Final = {"": 1, "B": 1, "KIB": KIB, "MIB": MIB, "GIB": GIB, "K": KIB, "M": MIB, "G": GIB}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_UNKNOWN_KEY: Final = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$\.?(.*)`)?")


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """One board to own."""

    argument: BoardArgument
    baud: int
    answer_coredump_prompt: bool


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the daemon needs to know; all paths are absolute."""

    boards: tuple[BoardConfig, ...]
    state_dir: Path
    socket: Path
    socket_group: int | None
    log_level: str
    limits: Limits

    @property
    def file_mode(self) -> int:
        """Of files in the state directory."""
        return 0o600 if self.socket_group is None else 0o640

    @property
    def directory_mode(self) -> int:
        """Of the state directory and its folders."""
        return 0o700 if self.socket_group is None else 0o750


def load_config(arguments: argparse.Namespace) -> Config:
    """Reads the configuration file, if there is one, and puts the flags over it.

    Raises:
        ConfigurationError: see its message.
    """
    file = _find_file(arguments.config)
    settings = _read_settings(file) if file is not None else Settings()
    limits = _override_limits(settings.limits, arguments)
    boards = tuple(_board(text, settings, arguments.baud) for text in arguments.port)
    names = [board.argument.name for board in boards]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"two boards are named {name}", "give each a name of its own: NAME=PORT")
    socket = arguments.socket or settings.socket
    runtime_dir = arguments.runtime_dir or settings.runtime_dir
    return Config(
        boards,
        _absolute(arguments.state_dir or settings.state_dir or _default_state_dir()),
        _absolute(socket) if socket else _absolute(runtime_dir or _default_runtime_dir()) / f"{names[0]}.sock",
        _group_id(settings.socket_group, file),
        arguments.log_level or settings.log_level,
        limits,
    )


def parse_size(text: str) -> int:
    """Reads ``4194304``, ``"4 MiB"`` or ``4M`` as bytes.

    Raises:
        ValueError: it is none of these.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"{text!r} is not a size; allowed are bytes, or a number with KiB, MiB or GiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _find_file(flag: str | None) -> Path | None:
    if flag is not None:
        return Path(flag)
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    candidates = (Path(home) / "esperd" / "esperd.toml", SYSTEM_FILE)
    # A service has no home of its own to configure; a person's file goes before the machine's.
    chosen = candidates[1:] if "STATE_DIRECTORY" in os.environ else candidates
    return next((path for path in chosen if path.is_file()), None)


def _read_settings(file: Path) -> Settings:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"can't read the configuration file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
    limits = table.get("limits")
    if isinstance(limits, dict):
        values = msgspec.convert(limits, dict[str, object])
        table["limits"] = {key: _size_value(file, f"limits.{key}", value) for key, value in values.items()}
    return _convert(table, f"{file}: ")


def _size_value(file: Path, key: str, value: object) -> object:
    if isinstance(value, str) and key.endswith("_bytes"):
        try:
            return parse_size(value)
        except ValueError as error:
            raise ConfigurationError(f"{file}: {key}: {error}") from error
    return value


def _convert(table: dict[str, object], where: str) -> Settings:
    try:
        return msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(where + _explain(str(error))) from error


def _explain(text: str) -> str:
    unknown = _UNKNOWN_KEY.fullmatch(text)
    if unknown is None:
        message, _, path = text.partition(" - at `$.")
        return f"{path.rstrip('`')}: {message}" if path else message
    key, table = unknown[1], unknown[2] or ""
    known = [field.name for field in msgspec.structs.fields(_struct_of(table))]
    nearest = difflib.get_close_matches(key, known, 1)
    guess = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{table + '.' if table else ''}{key} is not a known key{guess} (known are {', '.join(known)})"


def _struct_of(table: str) -> type[Settings] | type[Limits] | type[BoardSettings]:
    if table == "limits":
        return Limits
    return BoardSettings if table.startswith("boards") else Settings


def _override_limits(limits: Limits, arguments: argparse.Namespace) -> Limits:
    given = {
        field.name: value
        for field in msgspec.structs.fields(Limits)
        if (value := getattr(arguments, field.name, None)) is not None
    }
    try:
        return msgspec.convert(msgspec.structs.asdict(limits) | given, Limits)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        flag = path.rstrip("`").replace("_", "-")
        raise ConfigurationError(f"--{flag}: {message}") from error


def _board(text: str, settings: Settings, baud: int | None) -> BoardConfig:
    known = settings.boards.get(text)
    try:
        argument = parse_board_argument(f"{text}={known.port}" if known is not None and known.port else text)
    except EndpointError as error:
        raise ConfigurationError(str(error)) from error
    own = settings.boards.get(argument.name, BoardSettings())
    answer = own.answer_coredump_prompt
    return BoardConfig(
        argument,
        baud or own.baud or settings.baud,
        settings.answer_coredump_prompt if answer is None else answer,
    )


def _default_state_dir() -> str:
    if service := os.environ.get("STATE_DIRECTORY"):
        return service.split(":")[0]
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return str(Path(home) / "esperd")


def _default_runtime_dir() -> str:
    if service := os.environ.get("RUNTIME_DIRECTORY"):
        return service.split(":")[0]
    if home := os.environ.get("XDG_RUNTIME_DIR"):
        return str(Path(home) / "esperd")
    login = Path(f"/run/user/{os.getuid()}")
    if login.is_dir():
        return str(login / "esperd")
    if os.geteuid() == 0:
        return "/run/esperd"
    raise ConfigurationError(
        "there is no directory for the socket: XDG_RUNTIME_DIR is not set", "name one with --runtime-dir"
    )


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow links, too


def _group_id(name: str | None, file: Path | None) -> int | None:
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigurationError(f"{file}: socket_group: there is no group {name}") from None
