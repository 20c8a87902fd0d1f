"""From flags and a TOML file to a Config; errors name the key or flag, the file and what is allowed."""

import argparse
import dataclasses
import grp
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from esper_protocol.records import Machine
from esperd.configuration.doubts import doubts_about, port_doubts
from esperd.configuration.file import SettingsFile, examine_file, fields_of, in_order, key_text, setting
from esperd.configuration.instance import port_of_instance
from esperd.configuration.viewpoint import OwnProcess, Viewpoint
from esperd.errors import ConfigurationError, InvalidFileError
from esperd.permissions import Permissions, read_permissions
from esperd.ports.endpoint import BoardArgument, EndpointError, parse_board_argument
from esperd.ports.endpoint_kinds import ReplayEndpoint
from esperd.settings import AccessSettings, BoardSettings, DecodeSettings, HookSettings, Limits, Settings
from esperd.storage.files import Access

SYSTEM_FILE: Final = Path("/etc/esperd/esperd.toml")
_FILES_SOCKET: Final = "esperd.sock"

_Check: TypeAlias = Callable[[], object]


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
    doubts: tuple[str, ...] = ()
    """What is wrong with the file, but does not keep the daemon from starting."""
    makes_socket_directory: bool = True
    """Whether the socket's directory is made where it is missing: not when the socket itself was named."""
    file: Path | None = None
    """Where it was read; None when there was no file."""
    named_boards: tuple[str, ...] = ()
    """Boards that the command line names, and the file gives their ports."""

    @property
    def log_dir(self) -> Path:
        """Where the daemon's own log is: where the service manager says, or beside the journals."""
        return self.service_log_dir or self.state_dir / "log"


def load_config(arguments: argparse.Namespace, before: Config | None = None) -> Config:
    """Reads the configuration file, if there is one, and puts the flags over it.

    Args:
        arguments: The flags.
        before: What a daemon runs with that reads it again. Then a file or a table that is away is an error: who may do
            what stands in it, and to go on without would be to let everybody do everything.

    Raises:
        InvalidFileError: with all that is wrong with the file.
        ConfigurationError: a flag is wrong, or the file can't be read.
    """
    path = (before and before.file) or find_file(arguments.config)
    if path is None:
        return _load(arguments, Settings())
    file, problems = examine_file(path)
    if before is not None and not problems:
        _check_ports(before.named_boards, file)
    if not problems:
        try:
            given = _given(arguments, file.settings)
            return dataclasses.replace(
                _load(arguments, file.settings),
                doubts=(*map(str, doubts_about(file, OwnProcess())), *port_doubts(given, file.settings)),
                file=path.absolute(),
                named_boards=tuple(name for name in given if _has_port(file.settings, name)),
            )
        except ConfigurationError as error:
            if not error.key:
                raise
    raise InvalidFileError(str(path), _with_machine_problems(file, problems, OwnProcess()))


def find_file(flag: str | None) -> Path | None:
    """The configuration file: the one that was named, or where it is looked for; None when there is none.

    Raises:
        ConfigurationError: where it would be may not be looked at, or something else is there.
    """
    if flag is not None:
        return Path(flag)
    # A person's file goes before the machine's.
    candidates = [_home_directory("XDG_CONFIG_HOME", ".config") / "esperd.toml", SYSTEM_FILE]
    if _service_directory("STATE_DIRECTORY"):
        # The home of a system service is where it keeps what it was sent: whatever reads that may write there.
        candidates = [SYSTEM_FILE]
    return next(filter(_is_there, candidates), None)


def _is_there(path: Path) -> bool:
    # Not is_file(): what may not be looked at is not missing.
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigurationError(
            f"it can't be looked at: {error.strerror}", "see `ls -ld` of it and its folders", place=str(path)
        ) from error
    if not stat.S_ISREG(mode):
        raise ConfigurationError("it is no file", "move it away", place=str(path))
    return True


def _check_ports(boards: Iterable[str], file: SettingsFile) -> None:
    for name in boards:
        if not _has_port(file.settings, name):
            raise ConfigurationError(
                f"boards.{name}.port is missing, and this daemon was started for that board",
                "write it again, or stop the daemon",
                place=str(file.path),
            )


def _has_port(settings: Settings, board: str) -> bool:
    return board in settings.boards and settings.boards[board].port is not None


def _given(arguments: argparse.Namespace, settings: Settings) -> list[str]:
    """The boards of the command line."""
    return [] if _has_files_boards(arguments) else _ports(arguments, settings)


def examine_all(path: Path, viewpoint: Viewpoint) -> tuple[SettingsFile, list[ConfigurationError]]:
    """A file, and all that is wrong with it, in the order of its lines: its TOML, its keys, what this machine lacks.

    Args:
        path: The file.
        viewpoint: Of the daemon that is to read it.

    Raises:
        ConfigurationError: it can't be read, or is no text.
    """
    file, problems = examine_file(path)
    return file, _with_machine_problems(file, problems, viewpoint)


def _with_machine_problems(
    file: SettingsFile, problems: list[ConfigurationError], viewpoint: Viewpoint
) -> list[ConfigurationError]:
    """With what this machine does not know, or no board can be made of."""
    settings = file.settings
    rights: dict[str, list[str] | None] = msgspec.structs.asdict(settings.access)
    hooks = [partial(_hook, index, hook) for index, hook in enumerate(settings.on_crash)]
    checks: list[_Check] = [partial(_access, settings, viewpoint), *hooks]
    checks += [
        partial(read_permissions, AccessSettings(**{right: [name]}))
        for right, names in rights.items()
        for name in names or ()
    ]
    checks += [partial(_board, name, settings, None) for name, board in settings.boards.items() if board.port]
    # What was told of a key or of the table around it is not told again in other words.
    told = {problem.key for problem in problems}
    found = [
        problem
        for problem in _problems_of(checks, file)
        if told.isdisjoint(problem.key[:length] for length in range(1, len(problem.key) + 1))
    ]
    return in_order([*problems, *found])


def _problems_of(checks: Iterable[_Check], file: SettingsFile) -> Iterator[ConfigurationError]:
    for check in checks:
        try:
            check()
        except ConfigurationError as error:
            yield file.located(error)


def default_directories() -> dict[str, Path | None]:
    """What ``state_dir`` and ``runtime_dir`` are for this user unless they are given; None where there is no place."""
    try:
        runtime_dir = _default_runtime_dir()
    except ConfigurationError:
        runtime_dir = None
    return {"state_dir": _default_state_dir(), "runtime_dir": runtime_dir}


def _load(arguments: argparse.Namespace, settings: Settings) -> Config:
    baud_field = fields_of(Settings)["baud"]
    baud = None if arguments.baud is None else setting("--baud", arguments.baud, baud_field, is_flag=True)
    boards = tuple(_board(text, settings, baud) for text in _ports(arguments, settings))
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
        _access(settings, OwnProcess()),
        arguments.log_level or settings.log_level,
        _override_limits(settings.limits, arguments),
        tuple(_absolute(path) for path in [*settings.elf, *(arguments.elf or ())]),
        tuple(settings.decode.command),
        _gdb(settings.decode),
        _service_directory("LOGS_DIRECTORY"),
        read_permissions(settings.access),
        tuple(_hook(index, hook) for index, hook in enumerate(settings.on_crash)),
        makes_socket_directory=not socket,
    )


def _override_limits(limits: Limits, arguments: argparse.Namespace) -> Limits:
    given = {
        name: setting(f"--{name.replace('_', '-')}", value, allowed, is_flag=True)
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
        if port is not None:
            raise ConfigurationError(f"{key_text(key)}: {error}", key=key) from error
        raise ConfigurationError(str(error), "`esperd --help` has examples") from error
    own = settings.boards.get(argument.name, BoardSettings())
    answer = own.answer_coredump_prompt
    if isinstance(argument.endpoint, ReplayEndpoint) and not Path(argument.endpoint.file).is_file():
        raise ConfigurationError(
            f"{key_text(key) or text}: there is no file {argument.endpoint.file}", "name a recorded transcript", key=key
        )
    return BoardConfig(
        argument,
        baud or own.baud or settings.baud,
        settings.answer_coredump_prompt if answer is None else answer,
    )


def _hook(index: int, hook: HookSettings) -> HookSettings:
    # Not looked for along the PATH: what a service starts is not to depend on who edited whose environment.
    if not (program := hook.command[0]).startswith("/"):
        found = shutil.which(program)
        raise ConfigurationError(
            f"on_crash.command begins with {program!r}; it must be the absolute path of a program",
            f'did you mean "{found}"?' if found else "write where it is, as `command -v NAME` says",
            key=("on_crash", index, "command"),
        )
    return hook


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


def _access(settings: Settings, viewpoint: Viewpoint) -> Access:
    name, mode = settings.socket_group, settings.socket_mode
    socket_mode = None if mode is None else int(mode, 8)
    if name is None:
        return Access(own_socket_mode=socket_mode)
    key = ("socket_group",)
    try:
        group = grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        if viewpoint.will_have_group(name):
            return Access(own_socket_mode=socket_mode)
        raise ConfigurationError(
            f"socket_group is {name!r}; it must be a group of this machine",
            f"make it (`sudo groupadd {name}`), or name another one",
            key=key,
            may_heal=True,
        ) from None
    if not viewpoint.may_give_to(group):
        # Only root may give files to a group that it is no member of.
        raise ConfigurationError(
            f"socket_group is {name!r}; it must be a group that the user of esperd is a member of",
            f"`sudo usermod -aG {name} {viewpoint.user}`, then start esperd again",
            key=key,
            may_heal=True,
        )
    return Access(group, socket_mode)
