"""Finds the processes that a program started and lost: in sessions of their own, while nobody is their parent.

They can be told by a variable in their environment, which all that a program starts inherits.
"""

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_VARIABLE: Final = "ESPERD_HELD"
# What is found may be starting others at that moment.
_ROUNDS: Final = 3


class Mark:
    """A mark for one program and all that come of it."""

    def __init__(self) -> None:
        self._value = secrets.token_hex(16)

    def put_into(self, environment: Mapping[str, str] | None) -> dict[str, str]:
        """The environment with the mark; ours where there is none."""
        return {**(os.environ if environment is None else environment), _VARIABLE: self._value}

    def kill(self) -> int:
        """Kills all processes that bear it; returns how many. Blocks for some milliseconds."""
        killed = 0
        for _ in range(_ROUNDS):
            found = list(self._bearers())
            if not found:
                break
            for pid in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        return killed

    def _bearers(self) -> Iterator[int]:
        """Source: proc(5), /proc/pid/environ; it is empty for those that have ended."""
        wanted = f"{_VARIABLE}={self._value}\0".encode()
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    # Only those that may be ours can be read.
                    if wanted in Path(entry.path, "environ").read_bytes() + b"\0":
                        yield int(entry.name)
