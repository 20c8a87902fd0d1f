"""Versions: of the daemons beside esperctl's, of Python and of Linux."""

import platform
import sys
from collections.abc import Iterator

from esper_protocol.version import PACKAGE_VERSION, PROTOCOL_VERSION
from esperctl.doctor.daemon_process import find_daemon, restart_command
from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Survey


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each daemon, one for the rest."""
    release = (machine.read("/proc/sys/kernel/osrelease") or platform.release()).strip()
    python = ".".join(map(str, sys.version_info[:3]))
    yield fine(
        "versions", f"esperctl {PACKAGE_VERSION}", f"protocol {PROTOCOL_VERSION}, Python {python}, Linux {release}"
    )
    for answer in survey.answers:
        daemon = answer.daemon
        if daemon.version == PACKAGE_VERSION:
            yield fine("daemon_version", f"esperd {daemon.version}", f"at {answer.path}, process {daemon.pid}")
            continue
        yield Finding(
            code="other_version",
            severity="warning",
            subject=f"esperd {daemon.version}",
            what=f"process {daemon.pid} at {answer.path} runs another version than esperctl's {PACKAGE_VERSION},"
            " as after an update",
            mend=restart_command(machine, find_daemon(machine, daemon.pid)),
        )
