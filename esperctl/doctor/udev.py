"""Whether udev is there, which makes the stable names of ports, and gives them their group."""

from collections.abc import Iterator

from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.serial_ports import serial_ports
from esperctl.doctor.survey import Survey


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding."""
    del survey
    if not machine.exists("/run/udev"):
        yield Finding(
            code="no_udev",
            severity="note",
            subject="udev",
            what="it does not run here, as in a container: ports have no names in /dev/serial/by-id,"
            " and whoever started the container gives them their group",
        )
        return
    nameless = [port.device for port in serial_ports(machine) if port.usb is not None and not port.links]
    if nameless:
        yield Finding(
            code="no_stable_names",
            severity="warning",
            subject=", ".join(nameless),
            what="it has no name in /dev/serial, which udev makes when it is plugged in",
            mend="sudo udevadm trigger --subsystem-match=tty",
        )
    else:
        yield fine("udev", "udev", "it runs, and names what is plugged in")
