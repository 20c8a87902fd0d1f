"""The sockets of daemons: who listens, who should but does not, which this user may not use."""

import shlex
from collections.abc import Iterator
from typing import Final

from esperctl.doctor.daemon_process import find_daemon
from esperctl.doctor.findings import Finding, Severity, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.processes import Process, processes
from esperctl.doctor.serial_ports import serial_ports
from esperctl.doctor.survey import Survey, Trouble

_MAX_SHOWN: Final = 10
_UNIT_FOLDERS: Final = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each socket, and for daemons without one that was found."""
    for answer in survey.answers:
        boards = ", ".join(board.board for board in answer.boards[:_MAX_SHOWN]) or "no board"
        yield fine("daemon", answer.path, f"esperd answers, and owns {boards}")
    for trouble in survey.troubles:
        yield _trouble(machine, trouble)
    for folder in survey.closed_folders:
        status = machine.status(folder)
        group = None if status is None or status.st_gid == 0 else machine.group_name(status.st_gid)
        yield Finding(
            code="closed_folder",
            severity="warning" if survey.answers else "serious",
            subject=folder,
            what="you may not look into it, so the daemons there can't be found",
            mend=f"sudo usermod -aG {group} {machine.user_name(machine.uid)}    # then log in again"
            if group
            else "sudo $(command -v esperctl) doctor",
        )
    elsewhere = _elsewhere(machine, survey)
    for process in elsewhere:
        yield Finding(
            code="daemon_elsewhere",
            severity="note",
            subject=f"process {process.pid}",
            what=f"{process.command} runs, but its socket is not where esperctl looks",
            mend=_way_to(machine, process),
        )
    # One that does not let us in, or does not answer as it should, reads its boards all the same.
    is_there = survey.answers or survey.closed_folders or any(trouble.kind != "stale" for trouble in survey.troubles)
    if not is_there and not elsewhere:
        yield Finding(
            code="no_daemon",
            severity="warning",
            subject="esperd",
            what="no daemon answers, so nothing is read from any board",
            mend=_start(machine),
        )


def _way_to(machine: Machine, process: Process) -> str:
    daemon = find_daemon(machine, process.pid)
    socket, folder = daemon.option("--socket"), daemon.option("--runtime-dir")
    found = [] if folder is None else [name for name in machine.names(daemon.path(folder)) if name.endswith(".sock")]
    if socket is None and len(found) == 1:
        socket = f"{folder}/{found[0]}"
    if socket is not None:
        return f"esperctl --socket {shlex.quote(daemon.path(socket))} doctor"
    return f"tr '\\0' ' ' < /proc/{process.pid}/cmdline    # says where its socket may be"


def _start(machine: Machine) -> str:
    port = next((port.device.removeprefix("/dev/") for port in serial_ports(machine)), None)
    if port is None:
        return "esperd sim:console &    # a simulated board; with a real one: esperd ttyUSB0 &"
    is_installed = any(machine.exists(f"{folder}/esperd@.service") for folder in _UNIT_FOLDERS)
    return f"sudo systemctl enable --now esperd@{port}" if is_installed else f"esperd {port} &"


def _trouble(machine: Machine, trouble: Trouble) -> Finding:
    severities: dict[str, Severity] = {"stale": "note", "forbidden": "serious", "mute": "serious", "refused": "serious"}
    path = shlex.quote(trouble.path)
    mends = {
        "stale": f"rm {path}    # or leave it: the next start of its daemon replaces it",
        "mute": f"sudo ss -xlp src {path}    # who listens there; its log says more",
    }
    whats = {"stale": "a daemon that is no more left it behind", "forbidden": "you may not use it"}
    if trouble.kind == "stale" and not machine.exists(trouble.path):
        whats, mends = {"stale": "there is no such socket"}, {}
    what = whats.get(trouble.kind, trouble.message)
    hint = f"; {trouble.hint}" if trouble.hint and trouble.kind != "stale" else ""
    return Finding(
        code=f"socket_{trouble.kind}",
        severity=severities[trouble.kind],
        subject=trouble.path,
        what=f"{what}{hint}",
        mend=mends.get(trouble.kind),
    )


def _elsewhere(machine: Machine, survey: Survey) -> list[Process]:
    if survey.troubles or survey.closed_folders or survey.is_of_one_socket:
        return []  # it may be one of those, or nobody looked for it
    known = {answer.daemon.pid for answer in survey.answers}
    return [process for process in processes(machine) if process.pid not in known and _is_daemon(process)]


def _is_daemon(process: Process) -> bool:
    # `esperd ttyUSB0`, `python /usr/bin/esperd ttyUSB0` or `python -m esperd ttyUSB0`; not its decoders.
    names = [word.rpartition("/")[2] for word in process.arguments[:3]]
    if names[:1] == ["esperd"]:
        return True
    is_python = bool(names) and names[0].startswith("python")
    return is_python and (names[1:2] == ["esperd"] or names[1:] == ["-m", "esperd"])
