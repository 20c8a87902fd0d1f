"""The configuration files: whether they can be read, are TOML, and say what the daemon understands."""

import shlex
from collections.abc import Iterator
from pathlib import PurePath

from esperctl.doctor.daemon_process import SYSTEM_FILE, configuration_places, edit_command, find_daemon
from esperctl.doctor.findings import Finding, Severity, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Survey
from esperctl.local_configuration import Problem


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each thing that is wrong with a file, or for a file that is right."""
    places = configuration_places(machine.environment)
    running = [find_daemon(machine, answer.daemon.pid).file for answer in survey.answers]
    files = list(dict.fromkeys([*_own_files(machine, places), *filter(machine.exists, running)]))
    for file in files:
        yield from _file(machine, file)
    if not files:
        yield fine(
            "no_config",
            "configuration",
            f"there is no file, so the defaults hold; it would be {' or '.join(places)}",
        )


def _own_files(machine: Machine, places: list[str]) -> Iterator[str]:
    has_found = False
    for place in places:
        # Before it has found a file, a daemon does not start either where it may not look.
        if machine.exists(place) or (not has_found and machine.may_exist(place)):
            has_found = True
            yield place


def _file(machine: Machine, file: str) -> Iterator[Finding]:
    try:
        machine.path(file).read_bytes()
    except PermissionError:
        closed = _closed_folder(machine, file)
        yield Finding(
            code="config_unreadable",
            severity="note" if file == SYSTEM_FILE else "serious",
            subject=file,
            what=f"you may not {'enter its folder' if closed else 'read it'}, so a daemon that you start yourself does"
            " not start",
            mend=f"sudo chmod a+x {shlex.quote(closed)}" if closed else f"sudo chmod a+r {shlex.quote(file)}",
        )
        return
    except OSError as error:
        yield Finding(
            code="config_unreadable",
            severity="serious",
            subject=file,
            what=f"it can't be read: {error.strerror}",
            mend=f"ls -ld {shlex.quote(file)}",
        )
        return
    found = machine.configuration(file)
    yield from (_problem(machine, file, problem, "serious") for problem in found.problems)
    # Of the user that is missing nobody need hear in each file's name: a service that is installed has one.
    yield from (_problem(machine, file, problem, "warning") for problem in found.warnings if problem.place)
    if not found.problems:
        yield fine("config", file, f"the daemon understands it, {found.seen_by.text}")


def _closed_folder(machine: Machine, file: str) -> str | None:
    """The folder above that may not be entered; None where the file itself is what may not be read."""
    if machine.status(file) is not None:
        return None
    return next((str(folder) for folder in PurePath(file).parents if machine.status(str(folder)) is not None), None)


def _problem(machine: Machine, file: str, problem: Problem, severity: Severity) -> Finding:
    text = problem.message.removeprefix(f"{problem.place}: ")
    return Finding(
        code="config_invalid" if severity == "serious" else "config_doubtful",
        severity=severity,
        subject=problem.place or file,
        what=f"{text}; {problem.hint}" if problem.hint else text,
        mend=f"{edit_command(machine, file)} && esperctl config check {shlex.quote(file)}",
    )
