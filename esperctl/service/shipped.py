"""The files that come with esperctl, and where each belongs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import esperctl
from esperctl.errors import FailedError
from esperctl.service.scope import Scope

# In an installation as in a checkout, where it is a link to the folder of that name.
FOLDER: Final = Path(esperctl.__file__).parent / "systemd"
_CONFIGURATION: Final = Path(__file__).with_name("esperd.toml")
# Makes the units start this very installation, also when it is on no search path of systemd.
PROGRAM_DROP_IN: Final = "esperd@.service.d/10-program.conf"
_EXEC_LINE: Final = re.compile(r"(?m)^(?P<key>Exec\w+)=(?P<program>esperd|esperctl)\b(?P<rest>.*)$")


@dataclass(frozen=True, slots=True)
class File:
    """A file to put in place. ``is_settings``: made for being changed, so never replaced once it was."""

    path: Path
    content: bytes
    why: str
    is_settings: bool = False


def files_of(scope: Scope, program: Path) -> Iterator[File]:
    """What an installation consists of, for daemons that are started as *program*.

    Raises:
        FailedError: this installation of esperctl is not complete.
    """
    if scope.is_user:
        yield from _units(scope, "user", program)
        return
    yield File(
        scope.place("/etc/sysusers.d/esperd.conf"), _read("sysusers.d/esperd.conf"), "the user that daemons run as"
    )
    yield File(
        scope.place("/etc/tmpfiles.d/esperd.conf"), _read("tmpfiles.d/esperd.conf"), "the folder for sockets, at boot"
    )
    yield from _units(scope, "system", program)
    yield File(
        scope.place("/etc/udev/rules.d/90-esperd.rules"),
        _read("udev/90-esperd.rules"),
        "keeps ModemManager and brltty off boards, and starts a daemon when an Espressif chip is plugged in"
        f"; to name boards of your own see {FOLDER / 'udev/89-esperd-boards.rules.example'}",
    )
    yield File(
        scope.configuration / "esperd.toml",
        _CONFIGURATION.read_bytes(),
        "the configuration, in which all is a comment as yet",
        is_settings=True,
    )


def _units(scope: Scope, folder: str, program: Path) -> Iterator[File]:
    service = _read(f"{folder}/esperd@.service")
    yield File(scope.units / "esperd@.service", service, "a daemon for each board: esperd@BOARD")
    yield File(scope.units / PROGRAM_DROP_IN, program_drop_in(service, program), f"makes it start {program}")
    yield File(
        scope.units / "esperd@.socket",
        _read(f"{folder}/esperd@.socket"),
        "optional, off unless enabled: a socket that is there while the daemon is started again",
    )


def program_drop_in(service: bytes, program: Path) -> bytes:
    """The part of a unit that names programs by their paths, where the shipped *service* has their names only."""
    lines = ["# Which esperd the units start; written by `esperctl service install`.", "[Service]"]
    for found in _EXEC_LINE.finditer(service.decode()):
        path = program.with_name(found["program"])
        lines += [f"{found['key']}=", f"{found['key']}={_quoted(path)}{found['rest']}"]
    return "\n".join([*lines, ""]).encode()


def _quoted(path: Path) -> str:
    # Source: systemd.service(5), "Command lines", and systemd.unit(5), "Specifiers".
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if re.fullmatch(r"[\w./+:@%-]+", text, re.ASCII) else f'"{text}"'


def _read(name: str) -> bytes:
    try:
        return (FOLDER / name).read_bytes()
    except OSError as error:
        raise FailedError(
            f"{FOLDER / name} can't be read: {error.strerror}", "this installation of esperd is not complete; redo it"
        ) from error
