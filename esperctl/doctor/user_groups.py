"""Whether the user may open the serial ports, and if not, which group would let him."""

from collections.abc import Iterator
from typing import Final

from esperctl.doctor.findings import Finding, Severity, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.serial_ports import serial_ports
from esperctl.doctor.survey import Survey

# Debian and Fedora have the first, Arch has the second.
_USUAL_GROUPS: Final = ("dialout", "uucp")
_GROUP_READ_AND_WRITE: Final = 0o060


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each port that may not be opened, or one that all may."""
    user = machine.user_name(machine.uid)
    ports = [port.device for port in serial_ports(machine) if machine.exists(port.device)]
    if not ports:
        yield from _without_ports(machine, user)
        return
    # What a daemon holds need not be opened by anybody else.
    owned = {board.port for board in survey.boards if board.state == "connected"}
    closed = [device for device in ports if not machine.may_use(device)]
    for device in closed:
        names = {device, *(name for port in serial_ports(machine) if port.device == device for name in port.links)}
        yield _closed(machine, user, device, "note" if names & owned else "serious")
    if not closed:
        yield fine("ports_allowed", f"user {user}", f"may open {', '.join(ports)}")


def _without_ports(machine: Machine, user: str) -> Iterator[Finding]:
    groups = [(name, found) for name in _USUAL_GROUPS if (found := machine.group(name)) is not None]
    if machine.uid == 0 or not groups or any(gid in machine.groups for _, (gid, _) in groups):
        yield fine("ports_allowed", f"user {user}", "may open serial ports, as far as can be seen without one")
        return
    name, (_, members) = groups[0]
    yield _no_group(user, "serial ports", name, members, "warning")


def _closed(machine: Machine, user: str, device: str, severity: Severity) -> Finding:
    status = machine.status(device)
    gid = 0 if status is None else status.st_gid
    name = machine.group_name(gid)
    mode = 0 if status is None else status.st_mode
    if gid == 0 or mode & _GROUP_READ_AND_WRITE != _GROUP_READ_AND_WRITE:
        group = next((name for name in _USUAL_GROUPS if machine.group(name) is not None), _USUAL_GROUPS[0])
        rule = f'SUBSYSTEM=="tty", KERNEL=="ttyUSB*|ttyACM*", GROUP="{group}", MODE="0660"'
        return Finding(
            code="no_port_rule",
            severity=severity,
            subject=device,
            what=f"the user {user} may not open it, and to be in its group would not help (mode {mode & 0o777:04o},"
            f" group {name}): a udev rule that gives it to {group} is missing",
            mend=f"echo '{rule}' | sudo tee /etc/udev/rules.d/60-serial-group.rules && sudo udevadm control --reload"
            " && sudo udevadm trigger --subsystem-match=tty",
        )
    found = machine.group(name)
    return _no_group(user, device, name, [] if found is None else found[1], severity)


def _no_group(user: str, subject: str, group: str, members: list[str], severity: Severity) -> Finding:
    if user in members:
        return Finding(
            code="group_not_active",
            severity=severity,
            subject=subject,
            what=f"the user {user} was added to the group {group}, but this login is older than that",
            mend=f"newgrp {group}    # for this shell; to log out and in again mends all of them",
        )
    return Finding(
        code="not_in_group",
        severity=severity,
        subject=subject,
        what=f"the user {user} may not open {'it' if subject.startswith('/') else 'them'}; members of the group"
        f" {group} may",
        mend=None if user.startswith("#") else f"sudo usermod -aG {group} {user}    # then log in again",
    )
