"""Free disk space where journals and core dumps go. Below the floor esperd writes no more, on purpose."""

import shlex
from collections.abc import Iterator
from typing import Final

from esperctl.doctor.daemon_process import configuration_places
from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Survey
from esperctl.units import bytes_text

# Half a day of a busy board at 115200 baud.
_COMFORT_BYTES: Final = 512 * 1024 * 1024
_INODES_PERCENT: Final = 1.0
_SYSTEM_FOLDER: Final = "/var/lib/esperd"


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each state directory."""
    floor = _floor_percent(machine)
    for folder in sorted({answer.daemon.state_dir for answer in survey.answers}) or _default_folders(machine):
        yield _space(machine, folder, floor)


def _default_folders(machine: Machine) -> list[str]:
    """Where a daemon would write, as far as that is there already."""
    home = machine.environment.get("HOME", "")
    state = machine.environment.get("XDG_STATE_HOME") or f"{home}/.local/state"
    found = [folder for folder in (f"{state}/esperd", _SYSTEM_FOLDER) if machine.exists(folder)]
    return found or [home or "/"]


def _space(machine: Machine, folder: str, floor: float) -> Finding:
    try:
        space = machine.disk_space(machine.path(folder))
    except OSError as error:
        return Finding(
            code="no_state_dir",
            severity="note",
            subject=folder,
            what=f"its disk can't be looked at: {error.strerror}",
            mend=f"sudo ls -ld {shlex.quote(folder)}",
        )
    free, total = space.free_bytes, max(space.total_bytes, 1)
    percent = 100.0 * free / total
    text = f"{bytes_text(free)} of {bytes_text(total)} are free ({percent:.1f} %)"
    if percent < floor or space.free_inodes_percent < _INODES_PERCENT:
        cause = "" if percent < floor else ", but no more files can be made"
        return Finding(
            code="disk_full",
            severity="serious",
            subject=folder,
            what=f"{text}{cause}: below {floor:g} % esperd writes no journal and no core dump",
            mend=f"esperctl coredumps prune --keep 10    # and see: {_usage(machine, folder)}",
        )
    if free - total * floor / 100 < _COMFORT_BYTES:
        return Finding(
            code="disk_low",
            severity="warning",
            subject=folder,
            what=f"{text}: soon below the {floor:g} % at which esperd stops writing",
            mend=_usage(machine, folder),
        )
    return fine("disk", folder, text)


def _usage(machine: Machine, folder: str) -> str:
    status = machine.status(folder)
    sudo = "" if status is not None and machine.uid in (0, status.st_uid) else "sudo "
    return f"{sudo}du -xh {shlex.quote(folder)} | sort -h | tail"


def _floor_percent(machine: Machine) -> float:
    file = next(filter(machine.exists, configuration_places(machine.environment)), "")
    # A file that is wrong has no settings, which the check of the configuration says; then the default counts.
    settings = machine.configuration(file).settings or machine.configuration("").settings
    return next(float(str(setting.value)) for setting in settings if setting.key == "limits.free_disk_percent")
