"""The sockets of daemons: who listens, who should but does not, which this user may not use."""

from collections.abc import Iterator
from typing import Final

from esperctl.doctor.findings import Finding, Severity, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.processes import Process, processes
from esperctl.doctor.survey import Survey, Trouble

_MAX_SHOWN: Final = 10


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each socket, and for daemons without one that was found."""
    for answer in survey.answers:
        boards = ", ".join(board.board for board in answer.boards[:_MAX_SHOWN]) or "no board"
        yield fine("daemon", answer.path, f"esperd answers, and owns {boards}")
    for trouble in survey.troubles:
        yield _trouble(trouble)
    for folder in survey.closed_folders:
        status = machine.status(folder)
        group = None if status is None or status.st_gid == 0 else machine.group_name(status.st_gid)
        yield Finding(
            code="closed_folder",
            severity="warning" if survey.answers else "serious",
            subject=folder,
            what="you may not look into it, so the daemons there can't be found",
            mend=f"sudo usermod -aG {group} $USER    # then log in again" if group else "sudo esperctl doctor",
        )
    elsewhere = _elsewhere(machine, survey)
    for process in elsewhere:
        yield Finding(
            code="daemon_elsewhere",
            severity="note",
            subject=f"process {process.pid}",
            what=f"{process.command} runs, but its socket is not where esperctl looks",
            mend=f"tr '\\0' ' ' < /proc/{process.pid}/cmdline    # has a --socket or --runtime-dir to look at",
        )
    if not survey.answers and not elsewhere and not survey.closed_folders:
        yield Finding(
            code="no_daemon",
            severity="warning",
            subject="esperd",
            what="no daemon answers, so nothing is read from any board",
            mend="esperd ttyUSB0 &    # or: sudo systemctl start esperd@ttyUSB0",
        )


def _trouble(trouble: Trouble) -> Finding:
    severities: dict[str, Severity] = {"stale": "note", "forbidden": "serious", "mute": "serious", "refused": "serious"}
    mends = {
        "stale": f"rm {trouble.path}    # or leave it: the next start of its daemon replaces it",
        "mute": f"fuser -v {trouble.path}    # who listens there; its log says more",
    }
    what = "a daemon that is no more left it behind" if trouble.kind == "stale" else trouble.message
    hint = f"; {trouble.hint}" if trouble.hint and trouble.kind != "stale" else ""
    return Finding(
        code=f"socket_{trouble.kind}",
        severity=severities[trouble.kind],
        subject=trouble.path,
        what=f"{what}{hint}",
        mend=mends.get(trouble.kind),
    )


def _elsewhere(machine: Machine, survey: Survey) -> list[Process]:
    if survey.troubles or survey.closed_folders:
        return []  # it may be one of those
    known = {answer.daemon.pid for answer in survey.answers}
    return [process for process in processes(machine) if process.pid not in known and _is_daemon(process)]


def _is_daemon(process: Process) -> bool:
    # `esperd ttyUSB0`, `python /usr/bin/esperd ttyUSB0` or `python -m esperd ttyUSB0`; not its decoders.
    names = [word.rpartition("/")[2] for word in process.arguments[:3]]
    if names[:1] == ["esperd"]:
        return True
    is_python = bool(names) and names[0].startswith("python")
    return is_python and (names[1:2] == ["esperd"] or names[1:] == ["-m", "esperd"])
