"""Who has the serial ports open beside esperd, and the lock files that keep programs out."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from esper_protocol.records import BoardRecord
from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.processes import Holder, hides_some, holders, processes
from esperctl.doctor.serial_ports import serial_ports
from esperctl.doctor.survey import Survey

_LOCK_FOLDERS: Final = ("/run/lock", "/var/lock")
_LOCK: Final = re.compile(r"LCK\.\.(\w+)")


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each program that has a port open, and for each lock file."""
    ours = {answer.daemon.pid for answer in survey.answers}
    boards = {_real(machine, board.port): board for board in survey.boards if board.port.startswith("/")}
    devices = frozenset([*boards, *(port.device for port in serial_ports(machine))])
    found = list(holders(machine, devices))
    for holder in found:
        if holder.process.pid not in ours:
            yield _held(machine, holder, boards.get(holder.device))
    yield from _locks(machine)
    held = {holder.device for holder in found}
    if any(device not in held for device in devices) and hides_some(machine):
        yield Finding(
            code="holders_hidden",
            severity="note",
            subject="/proc",
            what="what other users' programs have open is hidden from you",
            mend="sudo $(command -v esperctl) doctor",
        )
    if devices and all(holder.process.pid in ours for holder in found):
        yield fine("ports_free", ", ".join(sorted(devices)), "no program but esperd has it open, as far as you may see")


def _real(machine: Machine, port: str) -> str:
    """The device itself: ports are often named by a link."""
    real = os.path.realpath(machine.path(port))
    return real if machine.root == Path("/") else "/" + os.path.relpath(real, os.path.realpath(machine.root))


def _held(machine: Machine, holder: Holder, board: BoardRecord | None) -> Finding:
    process = holder.process
    if board is not None and board.state == "released":
        return Finding(
            code="port_lent",
            severity="note",
            subject=holder.device,
            what=f"{process.command} (pid {process.pid}) has it open, while it is lent; {board.board} gets it back",
        )
    is_daemon = any("esperd" in word.rpartition("/")[2] for word in process.arguments[:3])
    whose = f"{machine.user_name(process.uid)}'s " if process.uid not in (machine.uid, -1) else ""
    needed = f", which {board.board} needs" if board else ""
    sudo = "" if process.uid == machine.uid or machine.uid == 0 else "sudo "
    return Finding(
        code="held_by_esperd" if is_daemon else "port_held",
        severity="note" if is_daemon and board is None else "serious" if board else "warning",
        subject=holder.device,
        what=f"{whose}{process.command} (pid {process.pid}) has it open{needed}",
        mend=None if is_daemon and board is None else f"{sudo}kill {process.pid}",
    )


def _locks(machine: Machine) -> Iterator[Finding]:
    """UUCP lock files, which picocom, minicom and others heed; their content is the number of a process."""
    alive = {process.pid for process in processes(machine)}
    seen: set[tuple[int, int]] = set()
    for folder in _LOCK_FOLDERS:
        for name in machine.names(folder):
            status = machine.status(f"{folder}/{name}")
            if not (match := _LOCK.fullmatch(name)) or status is None or (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))  # one folder is often a link to the other
            owner = (machine.read(f"{folder}/{name}") or "").split()
            if owner and owner[0].isdigit() and int(owner[0]) not in alive:
                yield Finding(
                    code="stale_lock",
                    severity="warning",
                    subject=f"/dev/{match[1]}",
                    what=f"{folder}/{name} locks it for a process {owner[0]} that is no more",
                    mend=f"sudo rm {folder}/{name}",
                )
