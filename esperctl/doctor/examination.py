"""Runs the checks, each within a deadline: one that hangs or fails costs its own findings only."""

from collections.abc import Callable, Iterator
from typing import Final

from esperctl.deadline import DeadlineError, deadline
from esperctl.doctor import (
    baud,
    clock,
    config,
    device_manager,
    disk,
    elfs,
    gdb,
    port_holders,
    ports,
    sockets,
    udev,
    user_groups,
    versions,
)
from esperctl.doctor.findings import Finding, Topic
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Survey
from esperctl.errors import EsperctlError

Check = Callable[[Machine, Survey], Iterator[Finding]]
_CHECK_S: Final = 5.0
CHECKS: Final[dict[str, Check]] = {
    "versions": versions.check,
    "daemons": sockets.check,
    "configuration": config.check,
    "ports": ports.check,
    "permission": user_groups.check,
    "who holds them": port_holders.check,
    "udev": udev.check,
    "programs that take ports": device_manager.check,
    "baud rate": baud.check,
    "disk": disk.check,
    "clock": clock.check,
    "ELF files": elfs.check,
    "GDB": gdb.check,
}


def examine(machine: Machine, survey: Survey, checks: dict[str, Check] = CHECKS) -> Iterator[Topic]:
    """The findings, topic by topic, as they are made; a topic with nothing to look at is left out."""
    for name, check in checks.items():
        findings = _run(name, check, machine, survey)
        if findings:
            yield Topic(name, findings)


def _run(name: str, check: Check, machine: Machine, survey: Survey) -> list[Finding]:
    findings: list[Finding] = []
    try:
        with deadline(_CHECK_S):
            findings.extend(check(machine, survey))
    except DeadlineError:
        findings.append(_unfinished(name, f"this was not done within {_CHECK_S:g} s, and left"))
    except EsperctlError as error:
        findings.append(_unfinished(name, f"this could not be looked at: {error.message}"))
    except OSError as error:
        findings.append(_unfinished(name, f"this could not be looked at: {error.strerror or error}"))
    return findings


def _unfinished(name: str, what: str) -> Finding:
    return Finding(code="check_unfinished", severity="warning", subject=name, what=what)
