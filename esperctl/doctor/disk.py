"""Free disk space where journals and core dumps go. Below the floor esperd writes no more journal, on purpose."""

import shlex
from collections.abc import Iterator
from typing import Final

from esper_protocol.records import BoardRecord
from esperctl.doctor.daemon_process import DaemonProcess, configuration_places, find_daemon
from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Answer, Survey
from esperctl.units import bytes_text

# Half a day of a busy board at 115200 baud.
_COMFORT_BYTES: Final = 512 * 1024 * 1024
_INODES_PERCENT: Final = 1.0
_SYSTEM_FOLDER: Final = "/var/lib/esperd"
_FLOOR_FLAG: Final = "--free-disk-percent"


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each state directory; what a daemon says of its own goes before what is seen from here."""
    for folder in sorted({answer.daemon.state_dir for answer in survey.answers}):
        answers = [answer for answer in survey.answers if answer.daemon.state_dir == folder]
        refusals = [(answer, board) for answer in answers for board in answer.boards if board.disk]
        if refusals:
            yield _refused(machine, folder, refusals)
        else:
            daemons = [find_daemon(machine, answer.daemon.pid) for answer in answers]
            yield _space(machine, folder, max(_floor_of(machine, daemon) for daemon in daemons))
    if not survey.answers:
        file = next(filter(machine.exists, configuration_places(machine.environment)), "")
        for folder in _default_folders(machine):
            yield _space(machine, folder, _configured_floor(machine, file))


def _default_folders(machine: Machine) -> list[str]:
    """Where a daemon would write, as far as that is there already."""
    home = machine.environment.get("HOME", "")
    state = machine.environment.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):  # as the XDG Base Directory Specification says of relative ones
        state = f"{home}/.local/state"
    found = [folder for folder in (f"{state}/esperd", _SYSTEM_FOLDER) if machine.exists(folder)]
    return found or [home or "/"]


def _refused(machine: Machine, folder: str, refusals: list[tuple[Answer, BoardRecord]]) -> Finding:
    reasons = sorted({str(board.disk) for _, board in refusals})
    is_full = all(reason.startswith("full") for reason in reasons)
    said = ", ".join(reason.partition(": ")[2] or reason for reason in reasons)
    log_path = refusals[0][0].daemon.log_path
    log = f"{_sudo(machine, log_path)}tail {shlex.quote(log_path)}    # and: sudo dmesg | tail"
    boards = " and ".join(board.board for _, board in refusals)
    return Finding(
        code="disk_full" if is_full else "disk_failing",
        severity="serious",
        subject=folder,
        what=f"the journal of {boards} can't be written, and waits in memory: {said}",
        mend=_make_room(machine, folder) if is_full else log,
    )


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
        stopped = f": below {floor:g} % esperd writes no journal; core dumps are written while there is any room"
        return Finding(
            code="disk_full",
            severity="serious",
            subject=folder,
            what=text + (stopped if percent < floor else ", but no more files can be made, be it journal or core dump"),
            mend=_make_room(machine, folder),
        )
    if free - total * floor / 100 < _COMFORT_BYTES:
        return Finding(
            code="disk_low",
            severity="warning",
            subject=folder,
            what=f"{text}: soon below the {floor:g} % at which esperd stops writing the journal",
            mend=_usage(machine, folder),
        )
    return fine("disk", folder, text)


def _make_room(machine: Machine, folder: str) -> str:
    return f"esperctl coredumps prune --keep 10    # and see: {_usage(machine, folder)}"


def _usage(machine: Machine, folder: str) -> str:
    return f"{_sudo(machine, folder)}du -xh {shlex.quote(folder)} | sort -h | tail"


def _sudo(machine: Machine, path: str) -> str:
    status = machine.status(path)
    return "" if status is not None and machine.uid in (0, status.st_uid) else "sudo "


def _floor_of(machine: Machine, daemon: DaemonProcess) -> float:
    try:
        return float(daemon.option(_FLOOR_FLAG) or "")
    except ValueError:
        return _configured_floor(machine, daemon.file if machine.exists(daemon.file) else "")


def _configured_floor(machine: Machine, file: str) -> float:
    # A file that is wrong has no settings, which the check of the configuration says; then the default counts.
    settings = machine.configuration(file).settings or machine.configuration("").settings
    return next(float(str(setting.value)) for setting in settings if setting.key == "limits.free_disk_percent")
