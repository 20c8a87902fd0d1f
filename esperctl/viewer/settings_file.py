"""The settings file of the viewer: where it is, and what it holds."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from esperctl.errors import UsageError
from esperctl.viewer.settings import Settings, parse_settings


def settings_path(environment: Mapping[str, str]) -> Path:
    """Where the file is, e.g. ``~/.config/esperctl/viewer.toml``.

    Source: XDG Base Directory Specification: a path that is not absolute is ignored.
    """
    folder = Path(environment.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():
        folder = Path(environment.get("HOME") or "/") / ".config"
    return folder / "esperctl" / "viewer.toml"


def read_settings(file: Path) -> Settings:
    """Reads the file; where there is none, all is as by default.

    Raises:
        UsageError: it can't be read, or says what is not allowed.
    """
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise UsageError(f"can't read the viewer's settings {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from error
    try:
        return parse_settings(table)
    except UsageError as error:
        raise UsageError(f"{file}: {error.message}", error.hint) from error
