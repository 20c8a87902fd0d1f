"""Instances of the service: which a board is, and which are there."""

import re
import subprocess
from collections.abc import Iterator
from typing import Final

from esperctl.errors import FailedError, UsageError
from esperctl.service.scope import Scope

_BY_ID: Final = "/dev/serial/by-id/"
_PATTERNS: Final = ("esperd@*.service", "esperd@*.socket")
_UNIT: Final = re.compile(r"esperd@.+\.(?:service|socket)")
# What a unit's name may hold as it is. Source: systemd.unit(5).
_PLAIN: Final = re.compile(r"[A-Za-z0-9:_.\\-]+")
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9:_.]")
# Answering takes a running manager a few milliseconds.
_TIMEOUT_S: Final = 30


def instance_of(board: str) -> str:
    r"""The instance that owns a board: ``ttyUSB0``, ``usb-Espressif_…``, ``serial-by\x2dpath-…`` or a configured name.

    A link in ``/dev/serial/by-id`` and a bare name stay as they are, as the udev rules write them: with their dashes
    escaped they would be a second instance for the same board.

    Raises:
        UsageError: no instance can stand for it.
    """
    if "://" in board or board.startswith(("sim:", "replay:")) or not board.strip("/"):
        raise UsageError(
            f"service: '{board}' is no device and no board's name",
            "give it a name in the configuration, [boards.NAME], and say --board NAME",
        )
    name = board.removeprefix(_BY_ID)
    if _PLAIN.fullmatch(name) and (name == board or name.startswith("usb-")):
        return name
    return escape(board.removeprefix("/dev/"))


def escape(path: str) -> str:
    r"""As systemd-escape(1) does it: a slash becomes a dash, and what a unit's name can't hold becomes ``\x2d``."""
    text = "/".join(part for part in path.split("/") if part)
    escaped = "-".join(_NOT_PLAIN.sub(_hexadecimal, part) for part in text.split("/"))
    return rf"\x2e{escaped[1:]}" if escaped.startswith(".") else escaped


def _hexadecimal(found: re.Match[str]) -> str:
    return "".join(rf"\x{byte:02x}" for byte in found[0].encode())


def instances(scope: Scope) -> list[str]:
    """All instances that run, failed, or are enabled, with their sockets, sorted.

    Raises:
        FailedError: the manager does not answer.
    """
    return sorted({*enabled(scope), *_loaded(scope)})


def enabled(scope: Scope) -> Iterator[str]:
    """Those that a target starts, at boot or when it is reached."""
    for pattern in ("*.wants", "*.requires"):
        for link in scope.units.glob(f"{pattern}/esperd@*"):
            if _UNIT.fullmatch(link.name):
                yield link.name


def _loaded(scope: Scope) -> list[str]:
    if not scope.is_run_by_systemd:
        return []
    words = [*scope.systemctl, "list-units", "--all", "--plain", "--no-legend", *_PATTERNS]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(f"`{' '.join(words[:3])}` did not answer: {error}") from error
    if done.returncode != 0:
        raise FailedError(f"`{' '.join(words)}` failed: {done.stderr.strip()}")
    return [word for word in done.stdout.split() if _UNIT.fullmatch(word)]
