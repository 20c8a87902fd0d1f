"""From flags and a TOML file to a Config; errors name the key or flag, the file and what is allowed."""

import argparse
import grp
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.records import Machine
from esperd.config_file import fields_of, read_settings, setting
from esperd.errors import ConfigurationError
from esperd.ports.endpoint import BoardArgument, EndpointError, parse_board_argument
from esperd.ports.endpoint_kinds import ReplayEndpoint
from esperd.settings import BoardSettings, DecodeSettings, Limits, Settings
from esperd.storage.files import Access

SYSTEM_FILE: Final = Path("/etc/esperd/esperd.toml")


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
    access: Access
    log_level: str
    limits: Limits
    elf_paths: tuple[Path, ...] = ()
    decode_command: tuple[str, ...] = ()
    gdb: Mapping[Machine, str] = field(default_factory=dict[Machine, str])


def load_config(arguments: argparse.Namespace) -> Config:
    """Reads the configuration file, if there is one, and puts the flags over it.

    Raises:
        ConfigurationError: see its message.
    """
    file = _find_file(arguments.config)
    settings = read_settings(file) if file is not None else Settings()
    if arguments.baud is not None:
        setting("--baud", arguments.baud, fields_of(Settings)["baud"])
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
        _access(settings.socket_group, file),
        arguments.log_level or settings.log_level,
        _override_limits(settings.limits, arguments),
        tuple(_absolute(path) for path in [*settings.elf, *(arguments.elf or ())]),
        tuple(settings.decode.command),
        _gdb(settings.decode),
    )


def _find_file(flag: str | None) -> Path | None:
    if flag is not None:
        return Path(flag)
    # A person's file goes before the machine's; a system service has no home, or one without such a file.
    candidates = (_home_directory("XDG_CONFIG_HOME", ".config") / "esperd.toml", SYSTEM_FILE)
    return next((path for path in candidates if path.is_file()), None)


def _override_limits(limits: Limits, arguments: argparse.Namespace) -> Limits:
    given = {
        name: setting(f"--{name.replace('_', '-')}", value, allowed)
        for name, allowed in fields_of(Limits).items()
        if (value := getattr(arguments, name, None)) is not None
    }
    return msgspec.structs.replace(limits, **given)


def _board(text: str, settings: Settings, baud: int | None) -> BoardConfig:
    known = settings.boards.get(text)
    port = None if known is None else known.port
    try:
        argument = parse_board_argument(text if port is None else f"{text}={port}")
    except EndpointError as error:
        message = str(error) if port is None else f"boards.{text}.port: {error}"
        raise ConfigurationError(message, "`esperd --help` has examples") from error
    own = settings.boards.get(argument.name, BoardSettings())
    answer = own.answer_coredump_prompt
    if isinstance(argument.endpoint, ReplayEndpoint) and not Path(argument.endpoint.file).is_file():
        raise ConfigurationError(f"{text}: there is no file {argument.endpoint.file}", "name a recorded transcript")
    return BoardConfig(
        argument,
        baud or own.baud or settings.baud,
        settings.answer_coredump_prompt if answer is None else answer,
    )


def _gdb(settings: DecodeSettings) -> Mapping[Machine, str]:
    named: dict[Machine, str | None] = {"xtensa": settings.gdb_xtensa, "riscv": settings.gdb_riscv}
    return {machine: path for machine, path in named.items() if path is not None}


# Directories ----------------------------------------------------------------------------------------------


def _home_directory(variable: str, fallback: str) -> Path:
    """A directory of the XDG specification, by which a relative path in the variable is to be ignored."""
    home = os.environ.get(variable, "")
    return (Path(home) if home.startswith("/") else Path(os.path.expanduser("~")) / fallback) / "esperd"  # noqa: PTH111 - Path.home() fails where there is none


def _default_state_dir() -> str:
    if service := os.environ.get("STATE_DIRECTORY"):
        return service.split(":")[0]
    return str(_home_directory("XDG_STATE_HOME", ".local/state"))


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
    absolute = os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - resolve() would follow links, too
    try:
        absolute.encode()
    except UnicodeEncodeError:
        # Paths are told to clients, and stand in the records of core dumps.
        raise ConfigurationError(f"{absolute!r} is not UTF-8", "choose a path that is") from None
    return Path(absolute)


# Access ---------------------------------------------------------------------------------------------------


def _access(group_name: str | None, file: Path | None) -> Access:
    if group_name is None:
        return Access()
    try:
        group = grp.getgrnam(group_name).gr_gid
    except KeyError:
        raise ConfigurationError(f"{file}: socket_group: there is no group {group_name}") from None
    if os.geteuid() != 0 and group not in {os.getegid(), *os.getgroups()}:
        # Only root may give files to a group that it is no member of.
        raise ConfigurationError(
            f"{file}: socket_group: the user of esperd is not a member of the group {group_name}",
            f"sudo usermod -aG {group_name} USER, then start esperd again",
        )
    return Access(group)
