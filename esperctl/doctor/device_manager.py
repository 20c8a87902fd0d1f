"""Programs that take serial ports by themselves when one is plugged in: ModemManager, brltty, gpsd, a login prompt."""

import re
from collections.abc import Iterator
from typing import Final

from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.processes import Process, processes
from esperctl.doctor.serial_ports import SerialPort, UsbDevice, serial_ports, usb_devices
from esperctl.doctor.survey import Survey

_RULE_FOLDERS: Final = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_RULE_FILE: Final = "/etc/udev/rules.d/60-esp-no-modem.rules"
_RELOAD: Final = "sudo udevadm control --reload && sudo udevadm trigger"
_IGNORE: Final = re.compile(r'ENV\{ID_MM_(?:DEVICE|PORT)_IGNORE\}="1"')
_VENDOR: Final = re.compile(r'\{(?:idVendor|ID_VENDOR_ID)\}=="([0-9a-fA-F]{4})"')
# Of brltty's rules: ENV{PRODUCT}=="1a86/7523/*"; the numbers are hexadecimal without leading zeros.
_BRLTTY_PRODUCT: Final = re.compile(r'ENV\{PRODUCT\}=="([0-9a-fA-F]+)/([0-9a-fA-F]+)/')


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each such program that could take a port."""
    del survey
    ports = serial_ports(machine)
    running = list(processes(machine))
    troubles = [
        *_modem_manager(machine, running, ports),
        *_brltty(machine, running),
        *_gpsd(running, ports),
        *_logins(running),
    ]
    yield from troubles
    if not troubles:
        yield fine("no_grabbers", "ModemManager, brltty, gpsd, getty", "none of them takes a port of a board")


def _modem_manager(machine: Machine, running: list[Process], ports: list[SerialPort]) -> Iterator[Finding]:
    if not any(process.name == "ModemManager" for process in running):
        return
    ignored = _ignored_vendors(machine)
    vendors = sorted({port.usb.vendor for port in ports if port.usb is not None and port.usb.driver} - ignored)
    if not ports and "303a" not in ignored:
        vendors = ["303a"]  # Espressif's own: what is plugged in next
    if vendors:
        rules = "\\n".join(f'ATTRS{{idVendor}}=="{vendor}", ENV{{ID_MM_DEVICE_IGNORE}}="1"' for vendor in vendors)
        yield Finding(
            code="modem_manager",
            severity="warning" if ports else "note",
            subject="ModemManager",
            what="it runs, and may send AT commands to a board that is plugged in, before esperd has the port;"
            f" no udev rule tells it to leave USB vendor {' and '.join(vendors)} alone",
            mend=f"printf '{rules}\\n' | sudo tee -a {_RULE_FILE} && {_RELOAD}",
        )


def _ignored_vendors(machine: Machine) -> frozenset[str]:
    found: set[str] = set()
    for text in _rules(machine, ""):
        for line in text.splitlines():
            if not line.lstrip().startswith("#") and _IGNORE.search(line):
                found |= {match[1].lower() for match in _VENDOR.finditer(line)}
    return frozenset(found)


def _rules(machine: Machine, word: str) -> Iterator[str]:
    seen: set[str] = set()
    for folder in _RULE_FOLDERS:
        for name in machine.names(folder):
            # A file in an earlier folder stands in for those of the same name in later ones (udev(7)).
            if name.endswith(".rules") and word in name and name not in seen:
                seen.add(name)
                yield machine.read(f"{folder}/{name}") or ""


def _brltty(machine: Machine, running: list[Process]) -> Iterator[Finding]:
    claimed = {
        (match[1].lower().zfill(4), match[2].lower().zfill(4))
        for text in _rules(machine, "brltty")
        for line in text.splitlines()
        if not line.lstrip().startswith("#")
        for match in _BRLTTY_PRODUCT.finditer(line)
    }
    taken = [device for device in usb_devices(machine) if (device.vendor, device.product) in claimed]
    if taken:
        is_running = any(process.name == "brltty" for process in running)
        yield Finding(
            code="brltty",
            severity="serious" if is_running else "warning",
            subject="brltty",
            what=f"it takes {_named(taken)} for a Braille display, and its serial port away",
            mend="sudo systemctl mask --now brltty-udev.service brltty.service    # unless you need it",
        )


def _named(devices: list[UsbDevice]) -> str:
    return " and ".join(f"{device.label or 'the adapter'} ({device.vendor}:{device.product})" for device in devices)


def _gpsd(running: list[Process], ports: list[SerialPort]) -> Iterator[Finding]:
    if ports and any(process.name == "gpsd" for process in running):
        yield Finding(
            code="gpsd",
            severity="warning",
            subject="gpsd",
            what="it takes adapters that are plugged in for GPS receivers, and may change their baud rate",
            mend="sudo sed -i 's/^USBAUTO=.*/USBAUTO=\"false\"/' /etc/default/gpsd && sudo systemctl restart gpsd",
        )


def _logins(running: list[Process]) -> Iterator[Finding]:
    for process in running:
        port = next((word for word in process.arguments[1:] if re.match(r"(?:/dev/)?tty(?:USB|ACM)\d", word)), None)
        if process.name.endswith("getty") and port is not None:
            name = port.removeprefix("/dev/")
            yield Finding(
                code="login_prompt",
                severity="serious",
                subject=f"/dev/{name}",
                what=f"a login prompt runs on it ({process.command}, pid {process.pid})",
                mend=f"sudo systemctl disable --now serial-getty@{name}.service",
            )
