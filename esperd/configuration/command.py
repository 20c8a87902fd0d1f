"""``python -m esperd.configuration.command check|show [FILE]``: what `esperctl config` shows, as one JSON document.

A program of its own, because the client shares no code with the daemon, and because what it says holds for a daemon
that is yet to be started.
"""

import sys
from pathlib import Path

import msgspec

from esperd.configuration.config import examine_settings, find_file
from esperd.configuration.file import SettingsFile, examine_file
from esperd.configuration.values import EffectiveValue, effective_values
from esperd.errors import EXIT_FAILED, ConfigurationError

_CHECK, _SHOW = "check", "show"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a file; ``message`` names the file and the line, too."""

    message: str
    line: int | None
    hint: str | None


class ConfigurationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; ``file`` is null when there is none, and ``settings`` empty when only a check was asked for."""

    file: str | None
    problems: list[Problem]
    settings: list[EffectiveValue] = []


def main(words: list[str]) -> int:
    """Prints the answer; returns 0, or 1 when something is wrong with the file."""
    action = words[0] if words else ""
    if action not in (_CHECK, _SHOW) or len(words) > 2:
        sys.stderr.write(f"usage: python -m esperd.configuration.command {_CHECK}|{_SHOW} [FILE]\n")
        return 2
    report = examine(find_file(words[1] if len(words) > 1 else None), with_settings=action == _SHOW)
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    return EXIT_FAILED if report.problems else 0


def examine(path: Path | None, *, with_settings: bool) -> ConfigurationReport:
    """All that can be said of a file, or of the defaults."""
    if path is None:
        return ConfigurationReport(file=None, problems=[], settings=effective_values(None) if with_settings else [])
    file: SettingsFile | None = None
    try:
        file, errors = examine_file(path)
    except ConfigurationError as error:
        errors = [error]
    if file is not None and not errors:
        errors = examine_settings(file)
    problems = [Problem(message=str(error), line=error.line, hint=error.hint) for error in errors]
    values = effective_values(file) if with_settings and file is not None and not problems else []
    return ConfigurationReport(file=str(path), problems=problems, settings=values)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
