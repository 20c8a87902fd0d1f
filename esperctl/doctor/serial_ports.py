"""The serial ports of a machine, and the USB devices that could be some, read from ``/sys`` and ``/dev/serial``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esperctl.doctor.machine import Machine

_PREFIXES: Final = ("ttyUSB", "ttyACM")
# What ESP boards have: the vendor (and product) of the chip that does USB, and the driver of Linux for it.
_DRIVERS: Final = {
    "10c4": "cp210x",
    "1a86": "ch341",
    "0403": "ftdi_sio",
    "067b": "pl2303",
    "303a": "cdc_acm",
}
# Source: Linux, drivers/usb/serial/ftdi_sio_ids.h: the chips' own; who gives one another makes no serial port of it.
_FTDI_PRODUCTS: Final = frozenset({"6001", "6010", "6011", "6014", "6015"})
# Source: USB class codes: communications, and its data.
_CDC_CLASSES: Final = frozenset({"02", "0a"})
_CDC_PRODUCTS: Final = {"1a86:55d3": "cdc_acm", "1a86:55d4": "cdc_acm", "1a86:55d8": "cdc_acm"}
_MAX_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A USB device; the ids are four hex digits."""

    name: str
    vendor: str
    product: str
    serial: str | None
    label: str | None
    interface_classes: frozenset[str] = frozenset()
    """Two hex digits each; none where it is not configured."""

    @property
    def should_be_port(self) -> bool:
        """Whether Linux makes a serial port of it once the driver is there: not of a chip that is a keyboard today."""
        if self.driver == "cdc_acm":
            return not _CDC_CLASSES.isdisjoint(self.interface_classes)
        return self.driver is not None and (self.driver != "ftdi_sio" or self.product in _FTDI_PRODUCTS)

    @property
    def driver(self) -> str | None:
        """The driver that makes a serial port of it, if it is of a kind that ESP boards have."""
        return _CDC_PRODUCTS.get(f"{self.vendor}:{self.product}") or _DRIVERS.get(self.vendor)


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port that the kernel knows."""

    device: str
    usb: UsbDevice | None
    links: tuple[str, ...]

    @property
    def stable_name(self) -> str | None:
        """A name that stays when it is plugged in again; the device's own where that has a serial number."""
        return next(iter(self.links), None)


def serial_ports(machine: Machine) -> list[SerialPort]:
    """All USB serial ports."""
    links = _links(machine)
    return [
        SerialPort(f"/dev/{name}", _usb_of(machine, name), tuple(links.get(name, ())))
        for name in machine.names("/sys/class/tty")
        if name.startswith(_PREFIXES)
    ]


def usb_devices(machine: Machine) -> list[UsbDevice]:
    """All USB devices that have ids."""
    folders = [f"/sys/bus/usb/devices/{name}" for name in machine.names("/sys/bus/usb/devices")]
    return [device for folder in folders if (device := _usb_device(machine.path(folder))) is not None]


def _usb_of(machine: Machine, name: str) -> UsbDevice | None:
    folder = Path(os.path.realpath(machine.path(f"/sys/class/tty/{name}")))
    for parent in [folder, *folder.parents][:_MAX_DEPTH]:
        device = _usb_device(parent)
        if device is not None:
            return device
    return None


def _usb_device(folder: Path) -> UsbDevice | None:
    vendor, product = _line(folder / "idVendor"), _line(folder / "idProduct")
    if vendor is None or product is None:
        return None
    classes = {_line(file) for file in folder.glob(f"{folder.name}:*/bInterfaceClass")} - {None}
    return UsbDevice(
        folder.name,
        vendor.lower(),
        product.lower(),
        _line(folder / "serial"),
        _line(folder / "product"),
        frozenset(map(str, classes)),
    )


def _line(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip() or None
    except OSError:
        return None


def _links(machine: Machine) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for folder in ("/dev/serial/by-id", "/dev/serial/by-path"):
        for name in machine.names(folder):
            try:
                target = os.readlink(machine.path(f"{folder}/{name}"))  # noqa: PTH115 - a text, not a file
            except OSError:
                continue  # unplugged meanwhile
            found.setdefault(target.rpartition("/")[2], []).append(f"{folder}/{name}")
    return found
