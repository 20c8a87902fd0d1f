"""What esperd makes of a configuration file, asked of a process of this installation's esperd: no daemon need run."""

import os
import subprocess
import sys
from typing import Final, Literal

import msgspec

from esperctl.errors import FailedError, TimedOutError

_MODULE: Final = "esperd.configuration.command"
# It reads one file; a name service behind the users of [access] may be slow.
_TIMEOUT_S: Final = 30.0


class Problem(msgspec.Struct, frozen=True):
    """What is wrong; ``message`` names the file and the line, too."""

    message: str
    line: int | None = None
    hint: str | None = None


class Setting(msgspec.Struct, frozen=True):
    """A key, its value, and where that comes from: ``default``, or a file and a line of it."""

    key: str
    value: object
    source: str
    line: int | None = None


class Configuration(msgspec.Struct, frozen=True):
    """A file (null: there is none), what is wrong with it, and the settings that hold with it."""

    file: str | None
    problems: list[Problem]
    settings: list[Setting] = []


def ask_configuration(action: Literal["check", "show"], file: str | None) -> Configuration:
    """Has esperd read *file*, or the one that it finds by itself.

    Raises:
        FailedError: it did not answer.
        TimedOutError: it took too long.
    """
    # Not from the folder that the user is in: what lies there is no module of ours.
    environment = os.environ | {"PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", _MODULE, action, *([] if file is None else [file])]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_TIMEOUT_S, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOutError(f"the configuration was not read within {_TIMEOUT_S:g} s") from error
    try:
        return msgspec.json.decode(done.stdout, type=Configuration)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        raise FailedError(said[-1] if said else f"esperd ended with exit code {done.returncode}") from None
