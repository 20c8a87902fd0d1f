"""What esperd makes of a configuration file, asked of a process of this installation's esperd: no daemon need run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

from esperctl.errors import FailedError, TimedOutError

_MODULE: Final = "esperd.configuration.command"
# It reads one file; a name service behind the users of [access] may be slow.
_TIMEOUT_S: Final = 30.0

Who = Literal["auto", "system", "user"]


class Problem(msgspec.Struct, frozen=True):
    """What is wrong; ``message`` begins with ``place``, which is the file and the line (empty: it is in no file)."""

    message: str
    place: str
    line: int | None = None
    hint: str | None = None


class Setting(msgspec.Struct, frozen=True):
    """A key, its value, and where that comes from: ``default``, or a file and a line of it, and there maybe a flag."""

    key: str
    value: object
    source: str
    line: int | None = None
    flag: str | None = None


class SeenBy(msgspec.Struct, frozen=True):
    """For whom the answer holds: the system's service, or a daemon that this user starts; ``unit`` of the service."""

    who: Literal["system", "user"]
    user: str
    unit: str | None = None

    @property
    def text(self) -> str:
        """For people."""
        if self.who == "user":
            return f"as a daemon that you start (user {self.user}) would see it"
        return f"as the system's service esperd@ (user {self.user}) {'sees' if self.unit else 'would see'} it"


class Configuration(msgspec.Struct, frozen=True):
    """A file (null: there is none), for whom it was read, what is wrong, and the settings that hold with it.

    What is in ``warnings`` keeps no daemon from starting.
    """

    file: str | None
    seen_by: SeenBy
    problems: list[Problem]
    warnings: list[Problem] = []
    settings: list[Setting] = []


def ask_configuration(
    action: Literal["check", "show"], file: str | None, seen_by: Who = "auto", root: Path = Path("/")
) -> Configuration:
    """Has esperd read a file.

    Args:
        action: Whether the settings are wanted, too.
        file: None is the one that the daemon finds by itself.
        seen_by: Which daemon; ``auto``: the service for the system's file, where it is installed or for root.
        root: Where the system's tree begins, which is ``/`` but for tests.

    Raises:
        FailedError: it did not answer.
        TimedOutError: it took too long.
    """
    # Not from the folder that the user is in: what lies there is no module of ours.
    environment = os.environ | {"PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", _MODULE, action, "--seen-by", seen_by, "--root", str(root)]
    command += [] if file is None else [f"--file={file}"]
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
