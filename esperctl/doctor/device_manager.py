"""Programs that take serial ports by themselves when one is plugged in: ModemManager, brltty, gpsd, a login prompt."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.processes import Process, processes
from esperctl.doctor.serial_ports import SerialPort, UsbDevice, serial_ports, usb_devices
from esperctl.doctor.survey import Survey

_RULE_FOLDERS: Final = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_RULE_FILE: Final = "/etc/udev/rules.d/60-esp-no-modem.rules"
_GPSD_FILE: Final = "/etc/default/gpsd"
_RELOAD: Final = "sudo udevadm control --reload && sudo udevadm trigger"
_IGNORE: Final = re.compile(r'ENV\{ID_MM_(?:DEVICE|PORT)_IGNORE\}="1"')
# Of 90-esperd.rules, which tells ModemManager and brltty further down to keep off what has a kind.
_KIND: Final = re.compile(r'ENV\{\.ESPERD_KIND\}="')
_VENDOR: Final = re.compile(r'\{(?:idVendor|ID_VENDOR_ID)\}=="([^"]+)"')
_PRODUCT: Final = re.compile(r'\{(?:idProduct|ID_MODEL_ID)\}=="([^"]+)"')
_USBAUTO: Final = re.compile(r"""(?m)^\s*USBAUTO=["']?(\w*)""")
# Of brltty's rules: ENV{PRODUCT}=="1a86/7523/*"; the numbers are hexadecimal without leading zeros.
_BRLTTY_PRODUCT: Final = re.compile(r'ENV\{PRODUCT\}=="([0-9a-fA-F]+)/([0-9a-fA-F]+)/')

# Espressif's own: what is plugged in next.
_NEXT: Final = UsbDevice("", "303a", "1001", None, None)


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each such program that could take a port."""
    del survey
    ports = serial_ports(machine)
    running = list(processes(machine))
    troubles = [
        *_modem_manager(machine, running, ports),
        *_brltty(machine, running, ports),
        *_gpsd(machine, running, ports),
        *_logins(running),
    ]
    yield from troubles
    if not troubles:
        yield fine("no_grabbers", "ModemManager, brltty, gpsd, getty", "none of them takes a port of a board")


def _modem_manager(machine: Machine, running: list[Process], ports: list[SerialPort]) -> Iterator[Finding]:
    if not any(process.name == "ModemManager" for process in running):
        return
    told = _lines_with(machine, _IGNORE, _KIND)
    devices = [port.usb for port in ports if port.usb is not None and port.usb.driver] if ports else [_NEXT]
    vendors = sorted({device.vendor for device in devices if not _is_meant(device, told)})
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


def _lines_with(machine: Machine, *patterns: re.Pattern[str]) -> list[str]:
    return [line for line in _rule_lines(machine, "") if any(pattern.search(line) for pattern in patterns)]


def _is_meant(device: UsbDevice, lines: list[str]) -> bool:
    """Whether one of these lines is about such a device."""
    return any(
        _fits(_VENDOR, line, device.vendor, otherwise=False) and _fits(_PRODUCT, line, device.product, otherwise=True)
        for line in lines
    )


def _fits(key: re.Pattern[str], line: str, text: str, *, otherwise: bool) -> bool:
    """Whether *text* is what the line compares the key with; *otherwise* where it does not."""
    found = key.search(line)
    # Source: udev(7): alternatives of shell patterns.
    return otherwise if found is None else any(fnmatchcase(text, word) for word in found[1].lower().split("|"))


def _rule_lines(machine: Machine, word: str) -> Iterator[str]:
    """The lines of all files that have *word* in their names."""
    seen: set[str] = set()
    for folder in _RULE_FOLDERS:
        for name in machine.names(folder):
            # A file in an earlier folder stands in for those of the same name in later ones (udev(7)).
            if name.endswith(".rules") and word in name and name not in seen:
                seen.add(name)
                text = machine.read(f"{folder}/{name}") or ""
                yield from (line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _brltty(machine: Machine, running: list[Process], ports: list[SerialPort]) -> Iterator[Finding]:
    claimed = {
        (match[1].lower().zfill(4), match[2].lower().zfill(4))
        for line in _rule_lines(machine, "brltty")
        for match in _BRLTTY_PRODUCT.finditer(line)
    }
    served = {port.usb.name for port in ports if port.usb is not None}
    released = _lines_with(machine, _KIND)
    taken = [
        device
        for device in usb_devices(machine)
        if (device.vendor, device.product) in claimed
        if device.name not in served and not _is_meant(device, released)
    ]
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


def _gpsd(machine: Machine, running: list[Process], ports: list[SerialPort]) -> Iterator[Finding]:
    # The last one counts, as in a shell; what is not said is on in some packages.
    takes_usb = (_USBAUTO.findall(machine.read(_GPSD_FILE) or "") or ["true"])[-1] == "true"
    if ports and takes_usb and any(process.name == "gpsd" for process in running):
        yield Finding(
            code="gpsd",
            severity="warning",
            subject="gpsd",
            what="it takes adapters that are plugged in for GPS receivers, and may change their baud rate",
            mend=f"sudo sed -i 's/^USBAUTO=.*/USBAUTO=\"false\"/' {_GPSD_FILE} && sudo systemctl restart gpsd",
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
