"""The configuration file: whether it can be read, is TOML, and says what the daemon understands."""

import tomllib
from collections.abc import Iterator
from typing import Final

from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Survey

_SYSTEM_FILE: Final = "/etc/esperd/esperd.toml"


def configuration_files(machine: Machine) -> list[str]:
    """Those that exist, in the order in which a daemon takes the first: the user's, then the machine's."""
    home = machine.environment.get("HOME", "")
    folder = machine.environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return [file for file in (f"{folder}/esperd/esperd.toml", _SYSTEM_FILE) if machine.exists(file)]


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each file."""
    del survey
    files = configuration_files(machine)
    for file in files:
        yield _file(machine, file)
    if not files:
        yield fine("no_config", _SYSTEM_FILE, "there is no configuration file, so the defaults hold")


def _file(machine: Machine, file: str) -> Finding:
    try:
        text = machine.path(file).read_text("utf-8")
        tomllib.loads(text)
    except PermissionError:
        return Finding(
            code="config_unreadable",
            severity="note" if file == _SYSTEM_FILE else "serious",
            subject=file,
            what="you may not read it, so a daemon that you start yourself does not start",
            mend=f"sudo chmod a+r {file}",
        )
    except OSError as error:
        return Finding(
            code="config_unreadable",
            severity="serious",
            subject=file,
            what=f"it can't be read: {error.strerror}",
            mend=f"ls -l {file}",
        )
    except ValueError as error:  # tomllib's and UTF-8's
        return Finding(
            code="config_invalid",
            severity="serious",
            subject=file,
            what=f"it is not TOML, so esperd does not start: {error}",
            mend=f"${{EDITOR:-nano}} {file}",
        )
    problems = machine.configuration_problems(machine.path(file))
    if not problems:
        return fine("config", file, "the daemon understands it")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Finding(
        code="config_invalid",
        severity="serious",
        subject=file,
        what=f"esperd does not start with it: {problems[0]}{more}",
        mend=f"esperctl config check {file}",
    )
