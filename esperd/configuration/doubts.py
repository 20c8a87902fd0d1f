"""What is allowed in a configuration, and yet most likely a mistake. It keeps no daemon from starting."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from esperd.configuration.file import SettingsFile, in_order, key_text
from esperd.configuration.programs import program_doubts
from esperd.configuration.viewpoint import Viewpoint
from esperd.errors import ConfigurationError
from esperd.ports.endpoint import EndpointError, parse_board_argument
from esperd.ports.endpoint_kinds import DeviceEndpoint
from esperd.settings import Settings

_BARE_NAME: Final = re.compile("[A-Za-z0-9._-]+")


def doubts_about(file: SettingsFile, viewpoint: Viewpoint) -> list[ConfigurationError]:
    """In the order of the lines."""
    own = map(file.located, (*_misspelt_boards(file.settings), *_shared_devices(file.settings)))
    return in_order([*program_doubts(file, viewpoint), *own])


def absent_elfs(file: SettingsFile) -> list[ConfigurationError]:
    """ELF files and folders that are not there; a daemon that runs looks for them now and then, and says so itself."""
    return [
        file.located(
            ConfigurationError(
                f"elf names {path!r}, where there is no file and no folder yet",
                "esperd looks for it now and then",
                key=("elf",),
            )
        )
        for path in file.settings.elf
        if not os.path.lexists(Path(path).expanduser())
    ]


def port_doubts(ports: Iterable[str], settings: Settings) -> Iterator[str]:
    """Of the command line: names that are no board's, no device's either, and much like a board's."""
    for text in ports:
        if text in settings.boards or not _BARE_NAME.fullmatch(text) or Path("/dev", text).exists():
            continue
        if near := _near(text, settings):
            yield (
                f"no board of the configuration is called {text}, so it stands for the device /dev/{text}, which is "
                f"not there; did you mean {near}?"
            )


def _misspelt_boards(settings: Settings) -> Iterator[ConfigurationError]:
    # Others may be named: the instances of a service need no table.
    for index, hook in enumerate(settings.on_crash):
        for board in hook.boards:
            if board not in settings.boards and (near := _near(board, settings)):
                yield ConfigurationError(
                    f"on_crash.boards names {board!r}, and no board of this file is called so",
                    f"did you mean {near}?",
                    key=("on_crash", index, "boards"),
                )


def _shared_devices(settings: Settings) -> Iterator[ConfigurationError]:
    first: dict[str, str] = {}
    for name, board in settings.boards.items():
        device = None if board.port is None else _device(f"{name}={board.port}")
        if device is None:
            continue
        other = first.setdefault(device, name)
        if other != name:
            key = ("boards", name, "port")
            yield ConfigurationError(
                f"{key_text(key)} is the device of boards.{other}, too: only one of the two can have it",
                "remove one of them",
                key=key,
            )


def _device(argument: str) -> str | None:
    """What several names of one device have in common."""
    try:
        endpoint = parse_board_argument(argument).endpoint
    except EndpointError:
        return None
    return os.path.realpath(endpoint.path) if isinstance(endpoint, DeviceEndpoint) else None


def _near(name: str, settings: Settings) -> str | None:
    return next(iter(difflib.get_close_matches(name, settings.boards, 1)), None)
