"""The settings file of the viewer: where it is, and what it holds."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from esper_protocol.toml_lines import key_lines, line_of
from esperctl.errors import UsageError
from esperctl.viewer.settings import Settings, read_table


def settings_path(environment: Mapping[str, str]) -> Path:
    """Where the file is, e.g. ``~/.config/esperctl/viewer.toml``.

    Source: XDG Base Directory Specification: a path that is not absolute is ignored.
    """
    folder = Path(environment.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():
        folder = Path(environment.get("HOME") or "/") / ".config"
    return folder / "esperctl" / "viewer.toml"


def read_settings(file: Path) -> tuple[Settings, list[UsageError]]:
    """Reads the file, and all that is wrong with single keys of it, in order; without a file all is as by default.

    Raises:
        UsageError: it can't be read, or is no TOML.
    """
    try:
        text = file.read_text("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        return Settings(), []
    except OSError as error:
        raise UsageError(f"can't read the viewer's settings {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from error
    settings, problems = read_table(table)
    lines = key_lines(text)
    placed = sorted(((line_of(lines, problem.key), problem.text) for problem in problems), key=lambda one: one[0] or 0)
    return settings, [UsageError(f"{file}{'' if line is None else f':{line}'}: {text}") for line, text in placed]
