"""``esperctl run``: lends a port to a command, and takes it back whatever becomes of it."""

import argparse
import os
import shlex
import shutil
from typing import Final

from esper_protocol.messages import Done, LendPort, PortLent, ReturnPort
from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.child_process import run_child
from esperctl.daemons import FoundBoard, open_board
from esperctl.errors import EsperctlError, HandOverError, NotRunnableError, RequestError, TimedOutError
from esperctl.output import Output
from esperctl.times import parse_duration

USAGE = "[BOARD] [OPTIONS] -- COMMAND…"
DESCRIPTION = """\
Run a command that needs the port for itself, such as a flasher. The daemon
closes the port, and opens it again when the command has ended, or esperctl
has. The command finds the port in its environment: ESPPORT (idf.py),
ESPTOOL_PORT, ESPFLASH_PORT, PLATFORMIO_UPLOAD_PORT; the board in ESPER_BOARD.
Exits with the command's own code; 124 timed out, 125 no port, 126 and 127 no
such command, 75 somebody else has the port or a core dump is arriving."""

# What flashers look into. Sources: documentation of ESP-IDF (idf.py), esptool, espflash and PlatformIO.
_PORT_VARIABLES: Final = ("ESPPORT", "ESPTOOL_PORT", "ESPFLASH_PORT", "PLATFORMIO_UPLOAD_PORT")
# That somebody else has the port, or that it is not this user's to have, is told apart from what just did not work.
_TELLING_CODES: Final = frozenset({"unknown_board", "permission", "absent", "busy", "capturing", "limit"})
# It is shown on one line, and journaled.
_MOST_COMMAND_CHARACTERS: Final = 1000


def add_arguments(parser: Parser) -> None:
    """Adds the board and the deadline; the command is what follows ``--``."""
    parser.takes_command = True
    add_board(parser)
    parser.add_argument(
        "--timeout", metavar="T", type=_duration, help="end the command after this time: 90, 90s, 5m, 1h30m"
    )
    parser.add_argument(
        "--force", action="store_true", help="also if that cuts a core dump, or another user is writing"
    )


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time such as 90s, 5m or 1h30m") from None


def run(arguments: Arguments, output: Output) -> int:
    """Lends the port, runs the command, returns the port."""
    command: list[str] = arguments.command
    timeout_s: float | None = arguments.timeout
    force: bool = arguments.force
    # Before the board is disturbed for nothing.
    _check_runnable(command[0])
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        port = _lend(found, command, force=force)
        try:
            code = run_child(command, _environment(port, found.record.board), timeout_s)
        finally:
            _give_back(found, output)
    if code is None:
        raise TimedOutError(f"{command[0]} was not done after {timeout_s:g} s, and was ended")
    return code


def _check_runnable(program: str) -> None:
    if shutil.which(program) is not None:
        return
    is_there = shutil.which(program, os.F_OK) is not None or ("/" in program and os.path.exists(program))  # noqa: PTH110 - as `which` does it, without an import
    what = "may not be run, or is no program" if is_there else "is not there"
    raise NotRunnableError(f"the command {program} {what}", is_there=is_there)


def _lend(found: FoundBoard, command: list[str], *, force: bool) -> str:
    text = os.fsencode(shlex.join(command)).decode("utf-8", "replace")
    if len(text) > _MOST_COMMAND_CHARACTERS:
        text = f"{text[: _MOST_COMMAND_CHARACTERS - 1]}…"
    try:
        return found.client.request(LendPort(found.record.board, text, force), PortLent).port
    except EsperctlError as error:
        if isinstance(error, RequestError) and error.code in _TELLING_CODES:
            raise
        raise HandOverError(error.message, error.hint) from error


def _environment(port: str, board: str) -> dict[str, str]:
    return {**os.environ, **dict.fromkeys(_PORT_VARIABLES, port), "ESPER_BOARD": board}


def _give_back(found: FoundBoard, output: Output) -> None:
    """The end of the connection would do, too; but the answer comes when the board can be used again."""
    try:
        found.client.request(ReturnPort(found.record.board), Done)
    except EsperctlError as error:
        output.warn(error)
