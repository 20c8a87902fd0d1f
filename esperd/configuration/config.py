"""From flags and a TOML file to a Config; errors name the key or flag, the file and what is allowed."""

import argparse
import grp
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.records import Machine
from esperd.configuration.file import SettingsFile, fields_of, key_text, read_file, setting
from esperd.configuration.instance import port_of_instance
from esperd.errors import ConfigurationError
from esperd.permissions import Permissions, read_permissions
from esperd.ports.endpoint import BoardArgument, EndpointError, parse_board_argument
from esperd.ports.endpoint_kinds import ReplayEndpoint
from esperd.settings import BoardSettings, DecodeSettings, HookSettings, Limits, Settings
from esperd.storage.files import Access

SYSTEM_FILE: Final = Path("/etc/esperd/esperd.toml")
_FILES_SOCKET: Final = "esperd.sock"


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
    service_log_dir: Path | None = None
    permissions: Permissions = field(default_factory=Permissions)
    hooks: tuple[HookSettings, ...] = ()

    @property
    def log_dir(self) -> Path:
        """Where the daemon's own log is: where the service manager says, or beside the journals."""
        return self.service_log_dir or self.state_dir / "log"


def load_config(arguments: argparse.Namespace) -> Config:
    """Reads the configuration file, if there is one, and puts the flags over it.

    Raises:
        ConfigurationError: see its message.
    """
    path = find_file(arguments.config)
    if path is None:
        return _load(arguments, Settings())
    file = read_file(path)
    try:
        return _load(arguments, file.settings)
    except ConfigurationError as error:
        raise file.located(error) if error.key else error from None


def find_file(flag: str | None) -> Path | None:
    """The configuration file: the one that was named, or where it is looked for; None when there is none."""
    if flag is not None:
        return Path(flag)
    # A person's file goes before the machine's; a system service has no home, or one without such a file.
    candidates = (_home_directory("XDG_CONFIG_HOME", ".config") / "esperd.toml", SYSTEM_FILE)
    return next((path for path in candidates if path.is_file()), None)


def examine_settings(file: SettingsFile) -> list[ConfigurationError]:
    """What of valid settings this machine does not know, or no board can be made of."""
    settings = file.settings
    checks: list[Callable[[], object]] = [
        lambda: _access(settings),
        lambda: read_permissions(settings.access),
        lambda: _hooks(settings),
    ]
    checks += [partial(_board, name, settings, None) for name, board in settings.boards.items() if board.port]
    problems: list[ConfigurationError] = []
    for check in checks:
        try:
            check()
        except ConfigurationError as error:
            problems.append(file.located(error))
    return problems


def default_directories() -> dict[str, Path | None]:
    """What ``state_dir`` and ``runtime_dir`` are for this user unless they are given; None where there is no place."""
    try:
        runtime_dir = _default_runtime_dir()
    except ConfigurationError:
        runtime_dir = None
    return {"state_dir": _default_state_dir(), "runtime_dir": runtime_dir}


def _load(arguments: argparse.Namespace, settings: Settings) -> Config:
    if arguments.baud is not None:
        setting("--baud", arguments.baud, fields_of(Settings)["baud"])
    boards = tuple(_board(text, settings, arguments.baud) for text in _ports(arguments, settings))
    names = [board.argument.name for board in boards]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"two boards are named {name}", "give each a name of its own: NAME=PORT")
    socket = arguments.socket or settings.socket
    runtime_dir = arguments.runtime_dir or settings.runtime_dir
    # Boards come and go with the file; a socket that is called after one of them would not.
    socket_name = _FILES_SOCKET if _has_files_boards(arguments) else f"{names[0]}.sock"
    return Config(
        boards,
        _absolute(arguments.state_dir or settings.state_dir or _default_state_dir()),
        _absolute(socket) if socket else _absolute(runtime_dir or _default_runtime_dir()) / socket_name,
        _access(settings),
        arguments.log_level or settings.log_level,
        _override_limits(settings.limits, arguments),
        tuple(_absolute(path) for path in [*settings.elf, *(arguments.elf or ())]),
        tuple(settings.decode.command),
        _gdb(settings.decode),
        _service_directory("LOGS_DIRECTORY"),
        read_permissions(settings.access),
        _hooks(settings),
    )


def _override_limits(limits: Limits, arguments: argparse.Namespace) -> Limits:
    given = {
        name: setting(f"--{name.replace('_', '-')}", value, allowed)
        for name, allowed in fields_of(Limits).items()
        if (value := getattr(arguments, name, None)) is not None
    }
    return msgspec.structs.replace(limits, **given)


def _has_files_boards(arguments: argparse.Namespace) -> bool:
    return not arguments.port and arguments.instance is None


def _ports(arguments: argparse.Namespace, settings: Settings) -> list[str]:
    ports: list[str] = arguments.port
    instance: str | None = arguments.instance
    if instance is not None:
        if ports:
            raise ConfigurationError(
                "--instance stands for the port, and one is named, too", "`esperd --help` has examples"
            )
        return [port_of_instance(instance, settings.boards)]
    if not ports:
        ports = [name for name, board in settings.boards.items() if board.port]
    if not ports:
        raise ConfigurationError(
            "no port is named, and no board of the configuration file has one", "`esperd --help` has examples"
        )
    return ports


def _board(text: str, settings: Settings, baud: int | None) -> BoardConfig:
    known = settings.boards.get(text)
    port = None if known is None else known.port
    key = () if port is None else ("boards", text, "port")
    try:
        argument = parse_board_argument(text if port is None else f"{text}={port}")
    except EndpointError as error:
        message = str(error) if port is None else f"{key_text(key)}: {error}"
        raise ConfigurationError(message, "`esperd --help` has examples", key=key) from error
    own = settings.boards.get(argument.name, BoardSettings())
    answer = own.answer_coredump_prompt
    if isinstance(argument.endpoint, ReplayEndpoint) and not Path(argument.endpoint.file).is_file():
        raise ConfigurationError(
            f"{text}: there is no file {argument.endpoint.file}", "name a recorded transcript", key=key
        )
    return BoardConfig(
        argument,
        baud or own.baud or settings.baud,
        settings.answer_coredump_prompt if answer is None else answer,
    )


def _hooks(settings: Settings) -> tuple[HookSettings, ...]:
    for index, hook in enumerate(settings.on_crash):
        # Not looked for along the PATH: what a service starts is not to depend on who edited whose environment.
        if not hook.command[0].startswith("/"):
            raise ConfigurationError(
                f"on_crash.command begins with {hook.command[0]!r}; it must be the absolute path of a program",
                "write where it is, as `command -v NAME` says",
                key=("on_crash", index, "command"),
            )
    return tuple(settings.on_crash)


def _gdb(settings: DecodeSettings) -> Mapping[Machine, str]:
    named: dict[Machine, str | None] = {"xtensa": settings.gdb_xtensa, "riscv": settings.gdb_riscv}
    return {machine: path for machine, path in named.items() if path is not None}


# Directories ----------------------------------------------------------------------------------------------


def _home_directory(variable: str, fallback: str) -> Path:
    """A directory of the XDG specification, by which a relative path in the variable is to be ignored."""
    home = os.environ.get(variable, "")
    return (Path(home) if home.startswith("/") else Path(os.path.expanduser("~")) / fallback) / "esperd"  # noqa: PTH111 - Path.home() fails where there is none


def _service_directory(variable: str) -> Path | None:
    """What the service manager has made for us; the first, where the unit names several."""
    directories = os.environ.get(variable, "")
    return Path(directories.split(":")[0]) if directories else None


def _default_state_dir() -> Path:
    return _service_directory("STATE_DIRECTORY") or _home_directory("XDG_STATE_HOME", ".local/state")


def _default_runtime_dir() -> Path:
    if service := _service_directory("RUNTIME_DIRECTORY"):
        return service
    if home := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(home) / "esperd"
    login = Path(f"/run/user/{os.getuid()}")
    if login.is_dir():
        return login / "esperd"
    if os.geteuid() == 0:
        return Path("/run/esperd")
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


def _access(settings: Settings) -> Access:
    name, mode = settings.socket_group, settings.socket_mode
    socket_mode = None if mode is None else int(mode, 8)
    if name is None:
        return Access(own_socket_mode=socket_mode)
    key = ("socket_group",)
    try:
        group = grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        raise ConfigurationError(f"socket_group: there is no group {name}", key=key) from None
    if os.geteuid() != 0 and group not in {os.getegid(), *os.getgroups()}:
        # Only root may give files to a group that it is no member of.
        raise ConfigurationError(
            f"socket_group: the user of esperd is not a member of the group {name}",
            f"sudo usermod -aG {name} USER, then start esperd again",
            key=key,
        )
    return Access(group, socket_mode)
