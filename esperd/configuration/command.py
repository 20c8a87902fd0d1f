"""``python -m esperd.configuration.command check|show``: what `esperctl config` shows, as one JSON document.

A program of its own, because the client shares no code with the daemon, and because what it says holds for a daemon
that is yet to be started: the system's service, or one that the user starts.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

from esperd.configuration.config import SYSTEM_FILE, examine_all, find_file
from esperd.configuration.doubts import absent_elfs, doubts_about
from esperd.configuration.file import SettingsFile, in_order
from esperd.configuration.service_ports import port_warnings
from esperd.configuration.service_unit import ServiceUnit, read_unit
from esperd.configuration.service_viewpoint import (
    ServiceViewpoint,
    service_problems,
    service_viewpoint,
    service_warnings,
    unreadable,
)
from esperd.configuration.values import EffectiveValue, effective_values, given_to_caller, given_to_service
from esperd.configuration.viewpoint import OwnProcess
from esperd.errors import EXIT_FAILED, ConfigurationError

_SHOW: Final = "show"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong; ``message`` begins with ``place``, which is the file and the line (empty: it is in no file)."""

    message: str
    place: str
    line: int | None
    hint: str | None


class SeenBy(msgspec.Struct, frozen=True, kw_only=True):
    """For whom the answer holds.

    Attributes:
        who: ``system``, the service; or ``user``, a daemon that whoever asks would start.
        user: Whom it runs as.
        unit: The unit of the service; null when none is installed, and for a user.
    """

    who: Literal["system", "user"]
    user: str
    unit: str | None = None


class ConfigurationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; ``file`` is null when there is none, and ``settings`` empty when only a check was asked for."""

    file: str | None
    seen_by: SeenBy
    problems: list[Problem]
    warnings: list[Problem] = []
    settings: list[EffectiveValue] = []


def main(words: list[str]) -> int:
    """Prints the answer; returns 0, or 1 when something is wrong with the file."""
    parser = argparse.ArgumentParser(prog="python -m esperd.configuration.command")
    parser.add_argument("action", choices=("check", _SHOW))
    parser.add_argument("--seen-by", choices=("auto", "system", "user"), default="auto")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the system's tree begins; for tests")
    parser.add_argument("--file")
    arguments = parser.parse_args(words)
    root: Path = arguments.root
    unit = read_unit(root)
    system_file = _system_file(root, unit)
    is_system = arguments.seen_by == "system" or (
        arguments.seen_by == "auto" and _is_for_service(arguments.file, unit, system_file)
    )
    with_settings = arguments.action == _SHOW
    if is_system:
        default = system_file if _is_there(system_file) else None
        path = default if arguments.file is None else Path(arguments.file)
        is_own = path is not None and path.resolve() == system_file.resolve()
        report = _seen_by_service(path, service_viewpoint(unit), is_own=is_own, with_settings=with_settings)
    else:
        report = _seen_by_user(arguments.file, with_settings=with_settings)
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    return EXIT_FAILED if report.problems else 0


def _system_file(root: Path, unit: ServiceUnit) -> Path:
    named = unit.flags().get("--config")
    return root / (named[-1].value if named else str(SYSTEM_FILE)).lstrip("/")


def _is_for_service(file: str | None, unit: ServiceUnit, system_file: Path) -> bool:
    """Whether a question is most likely about the service: it is there, or root has written a file for it."""
    if file is not None and Path(file).resolve() != system_file.resolve():
        return False
    if os.geteuid() == 0:
        return unit.path is not None or _is_there(system_file)
    if unit.path is None or file is not None:
        return unit.path is not None
    try:
        return find_file(None) in (None, system_file, SYSTEM_FILE)
    except ConfigurationError:
        return False  # of the user's own file, which is told then


def _is_there(file: Path) -> bool:
    try:
        file.stat()
    except FileNotFoundError:
        return False
    except OSError:
        pass
    return True


def _seen_by_user(named: str | None, *, with_settings: bool) -> ConfigurationReport:
    viewpoint = OwnProcess()
    path, file, errors = None, None, list[ConfigurationError]()
    try:
        path = find_file(named)
        if path is not None:
            file, errors = examine_all(path, viewpoint)
    except ConfigurationError as error:
        errors = [error]
    seen_by = SeenBy(who="user", user=viewpoint.user)
    settings = effective_values(file, given_to_caller()) if with_settings and not errors else []
    return ConfigurationReport(
        file=None if path is None else str(path),
        seen_by=seen_by,
        problems=_problems(errors),
        warnings=_problems([] if file is None else in_order([*doubts_about(file, viewpoint), *absent_elfs(file)])),
        settings=settings,
    )


def _seen_by_service(
    path: Path | None, viewpoint: ServiceViewpoint, *, is_own: bool, with_settings: bool
) -> ConfigurationReport:
    file: SettingsFile | None = None
    settings: list[EffectiveValue] = []
    try:
        if path is not None:
            file, errors = _examine_for_service(path, viewpoint, is_own=is_own)
        else:
            errors = []
        given = given_to_service(viewpoint)
        if with_settings and not errors:
            settings = effective_values(file, given)
    except ConfigurationError as error:
        errors = [error]
    unit = viewpoint.unit.path
    doubts = list(service_warnings(viewpoint, file))
    if file is not None:
        doubts += [*port_warnings(viewpoint.unit, file), *doubts_about(file, viewpoint)]
    return ConfigurationReport(
        file=None if path is None else str(path),
        seen_by=SeenBy(who="system", user=viewpoint.user, unit=None if unit is None else str(unit)),
        problems=_problems(errors),
        warnings=_problems(in_order(doubts)),
        settings=settings,
    )


def _examine_for_service(
    path: Path, viewpoint: ServiceViewpoint, *, is_own: bool
) -> tuple[SettingsFile, list[ConfigurationError]]:
    closed = unreadable(viewpoint, path) if is_own else None
    try:
        file, errors = examine_all(path, viewpoint)
    except ConfigurationError as error:
        if isinstance(error.__cause__, PermissionError):
            raise ConfigurationError("you may not read it", "ask again with sudo", place=str(path)) from error
        raise
    errors = [*errors, *service_problems(viewpoint, file)]
    return file, ([] if closed is None else [closed]) + sorted(errors, key=lambda error: error.line or 0)


def _problems(errors: list[ConfigurationError]) -> list[Problem]:
    return [Problem(message=str(error), place=error.place, line=error.line, hint=error.hint) for error in errors]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
